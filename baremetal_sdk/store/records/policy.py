"""Records of operators' policies: allocations, deploy templates, runbooks and inspection rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class AllocationRecord:
    """A request for a node with given properties, and the allocated node."""

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
    """Conductor that searches for a node while the allocation has none."""
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
    """Steps of cleaning or servicing that an operator provides for other users."""

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
    """Actions on the results of an inspection, with their conditions."""

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
