"""Script of the tasks of a simulated Redfish BMC, for services that answer in another way than the specification says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class TaskScript:
    """How a simulated BMC answers about its tasks. A test may change the values at any time."""

    status: int = 202
    """Status of the response to the request that starts a task."""
    names_task: bool = True
    """Whether that response has the address of the task monitor."""
    lists_task: bool = True
    """Whether the task service has the task."""
    body: Mapping[str, Any] | None = None
    """Body of that response."""
    monitor_status: int | None = None
    """Status of the task monitor; None: 202 while the task runs, then 200."""
    report: Mapping[str, Any] | None = None
    """Properties that replace those of every task."""
