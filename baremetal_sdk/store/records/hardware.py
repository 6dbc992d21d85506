"""Record classes for hardware, such as chassis, port groups and BIOS settings, and for the history of nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ChassisRecord:
    """A chassis that contains nodes."""

    uuid: str
    description: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class PortgroupRecord:
    """A group of a node's ports that act as one bonded port."""

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
    """An identity with which a node connects to volumes: an initiator name, MAC address or world wide name."""

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
    """A BIOS setting of a node, as it was last read from the machine."""

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
    """A component of a node with firmware, such as a BMC, BIOS or network card, and its firmware versions."""

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
    """Inventory of a node's hardware from one source."""

    uuid: str
    node_uuid: str
    source: str = "inspection"
    """Source of the inventory. A node has one inventory per source."""
    inventory: Mapping[str, Any] = field(default_factory=dict)
    plugin_data: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class NodeValuePartRecord:
    """A part of a large JSON value of a node. The texts of all parts of a value, in their order, are its JSON text."""

    uuid: str
    node_uuid: str
    name: str
    """The name of the value, such as ``configdrive``."""
    value_uuid: str
    """The identifier that all parts of one value have."""
    number: int
    """The place of the part in the value, from 0."""
    content: str = field(repr=False)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class NodeHistoryRecord:
    """An entry in a node's history."""

    uuid: str
    node_uuid: str
    conductor: str | None = None
    event_type: str | None = None
    severity: str | None = None
    event: str | None = None
    user: str | None = None
    project: str | None = None
    state: str | None = None
    """Provision state of the node after the event."""
    target_provision_state: str | None = None
    duration_seconds: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class LoginRefusalRecord:
    """Count of the logins with one credential that a BMC rejected. The UUID is derived from the BMC's address."""

    uuid: str
    refused: int
    sealed_credential: bytes = field(repr=False)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0
