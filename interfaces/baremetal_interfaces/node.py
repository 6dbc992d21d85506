"""The node and its ports as a driver sees them: read-only values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Port:
    """A network port of a node. *address* is its MAC address."""

    uuid: str
    address: str
    pxe_enabled: bool = True
    local_link_connection: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """The node of a task, as it was when the task began. Fields have the meaning of the Bare Metal API.

    ``driver_info`` is not a field: a driver reads it through ``task.info``, typed and checked.
    """

    uuid: str
    name: str | None = None
    driver: str = ""
    provision_state: str | None = None
    power_state: str | None = None
    instance_uuid: str | None = None
    resource_class: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    instance_info: Mapping[str, Any] = field(default_factory=dict)
    network_data: Mapping[str, Any] = field(default_factory=dict)
    raid_config: Mapping[str, Any] = field(default_factory=dict)
    target_raid_config: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    traits: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The node's name, or its UUID if it has no name; for messages."""
        return self.name or self.uuid
