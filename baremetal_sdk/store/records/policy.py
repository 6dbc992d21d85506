"""Record classes for allocations, deploy templates, runbooks and inspection rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class AllocationRecord:
    """A request for a node with given properties, with its state and the allocated node."""

    uuid: str
    name: str | None = None
    node_uuid: str | None = None
    state: str | None = "allocating"
    last_error: str | None = None
    resource_class: str | None = None
    traits: tuple[str, ...] = ()
    candidate_nodes: tuple[str, ...] = ()
    owner: str | None = None
    conductor: str | None = None
    """Lease holder name of the conductor that searches for a node; None after the search."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class DeployTemplateRecord:
    """Deploy steps that apply to instances with the trait of this name."""

    uuid: str
    name: str
    steps: tuple[Mapping[str, Any], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class RunbookRecord:
    """A named list of steps for cleaning or servicing, which an operator provides for other users."""

    uuid: str
    name: str
    steps: tuple[Mapping[str, Any], ...] = ()
    traits: tuple[str, ...] = ()
    description: str | None = None
    disable_ramdisk: bool = False
    public: bool = False
    owner: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class InspectionRuleRecord:
    """A rule for the results of inspections: its *actions* run on them if its *conditions* hold."""

    uuid: str
    description: str | None = None
    priority: int = 0
    phase: str = "main"
    scope: str | None = None
    sensitive: bool = False
    conditions: tuple[Mapping[str, Any], ...] = ()
    actions: tuple[Mapping[str, Any], ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0
