"""What is stored of the parts of nodes: port groups, volumes, BIOS settings, firmware, history, and the chassis around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ChassisRecord:
    """A chassis that nodes stand in."""

    uuid: str
    description: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class PortgroupRecord:
    """A group of a node's ports that act as one."""

    uuid: str
    node_uuid: str
    name: str | None = None
    address: str | None = None
    mode: str = "active-backup"
    standalone_ports_supported: bool = True
    physical_network: str | None = None
    category: str | None = None
    dynamic_portgroup: bool = False
    properties: Mapping[str, Any] = field(default_factory=dict)
    internal_info: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class VolumeConnectorRecord:
    """What a node connects to volumes with: an initiator's name, a MAC address, a world wide name."""

    uuid: str
    node_uuid: str
    type: str
    connector_id: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class VolumeTargetRecord:
    """A volume that a node connects to."""

    uuid: str
    node_uuid: str
    volume_type: str
    volume_id: str
    boot_index: int
    properties: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class BIOSSettingRecord:
    """A setting of a node's BIOS, as it was read last."""

    uuid: str
    node_uuid: str
    name: str
    value: str | None = None
    attribute_type: str | None = None
    allowable_values: tuple[str, ...] = ()
    lower_bound: int | None = None
    upper_bound: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    read_only: bool | None = None
    reset_required: bool | None = None
    unique: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class FirmwareComponentRecord:
    """A part of a node that has firmware of its own."""

    uuid: str
    node_uuid: str
    component: str
    initial_version: str
    current_version: str | None = None
    last_version_flashed: str | None = None
    vendor: str | None = None
    model: str | None = None
    serial_number: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class NodeInventoryRecord:
    """What a node's machine is made of."""

    uuid: str
    node_uuid: str
    source: str = "inspection"
    """Who found it out; a node has one inventory of each source."""
    inventory: Mapping[str, Any] = field(default_factory=dict)
    plugin_data: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class NodeHistoryRecord:
    """Something that happened to a node."""

    uuid: str
    node_uuid: str
    conductor: str | None = None
    event_type: str | None = None
    severity: str | None = None
    event: str | None = None
    user: str | None = None
    project: str | None = None
    state: str | None = None
    """The provision state that it left the node in."""
    target_provision_state: str | None = None
    duration_seconds: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class LoginRefusalRecord:
    """How often a BMC, whose name its UUID is made of, has refused a credential."""

    uuid: str
    refused: int
    sealed_credential: bytes = field(repr=False)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0
