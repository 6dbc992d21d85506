"""Rescue: the machine runs a repair system for a while, and its instance again afterwards."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import InvalidInput, Kind, NotSupported, Problem
from baremetal_sdk import states
from baremetal_sdk.provisioning import steps, transitions
from baremetal_sdk.tasks.node_task import NodeTask

PASSWORD = "rescue_password"
"""The key of the password in the ``instance_info`` that the rescue interface sees. The store has the password only sealed, and
only until the rescue has started."""

RESCUED = frozenset(
    {states.RESCUE, states.RESCUEWAIT, states.RESCUEFAIL, states.UNRESCUEFAIL},
)
"""States in which parts of a rescue may still be on the machine."""


def start_changes(task: NodeTask, password: Any) -> dict[str, Any]:
    """Return the changes that start a rescue. Raises ``InvalidInput`` without a password."""
    if not isinstance(password, str) or not password.strip():
        raise InvalidInput([Problem(PASSWORD, "is empty", "set the password of the rescue system")])
    return {**steps.start_call_changes(Kind.RESCUE, "rescue"), **task.with_instance_secret(PASSWORD, password)}


def password_removal_changes(task: NodeTask) -> dict[str, Any]:
    """Return the changes that remove the password from the node. Empty if the node has none."""
    return task.with_instance_secret(PASSWORD, None) if PASSWORD in task.record.instance_info else {}


def unrescue(task: NodeTask) -> None:
    """Boot the instance again, and end the task."""
    if task.call(Kind.RESCUE, "unrescue", timeout=steps.STEP_TIMEOUT_S) is not None:
        raise NotSupported("the rescue interface returned Wait from unrescue; this release does not support that")
    transitions.follow_event(task, "done", last=True)


def clean_up(task: NodeTask) -> None:
    """Remove the rescue system from the machine, before other work starts there."""
    task.call(Kind.RESCUE, "clean_up", timeout=steps.STEP_TIMEOUT_S)
