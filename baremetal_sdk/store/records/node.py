"""Record classes for nodes, ports, leases and conductors. Records are frozen copies of the data in a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from baremetal_interfaces.values import Kind


class Fence(NamedTuple):
    """Identity of a lease, which a write passes to the store.

    The store accepts the write only while *holder* holds the node's lease with this epoch.
    """

    node_uuid: str
    holder: str
    epoch: int


class NodeUpdate(NamedTuple):
    """A conditional write to a node: the store applies *changes* only if the node is not held and has this revision."""

    node_uuid: str
    revision: int
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Lease:
    """The exclusive right to change a node until an expiry time."""

    node_uuid: str
    holder: str
    purpose: str
    since: datetime
    expires_at: datetime
    epoch: int

    @property
    def fence(self) -> Fence:
        """Fence that identifies this lease in writes."""
        return Fence(self.node_uuid, self.holder, self.epoch)


INTERFACE_FIELDS: Mapping[Kind, str] = {kind: f"{kind}_interface" for kind in Kind}
"""Field of :class:`NodeRecord` with the name of the node's interface, by kind of interface.

The record lists these fields one by one, so that they have types; a test compares the list with ``Kind``.
"""


@dataclass(frozen=True)
class NodeRecord:
    """A node as the store returns it. Fields have the names of the Bare Metal API; internal fields are at the end.

    ``driver_info`` has a mask in place of each secret; ``sealed_secrets`` has the encrypted secrets.
    """

    uuid: str
    name: str | None = None
    driver: str = ""
    driver_info: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    instance_info: Mapping[str, Any] = field(default_factory=dict)
    instance_uuid: str | None = None
    instance_name: str | None = None
    chassis_uuid: str | None = None
    resource_class: str | None = None
    description: str | None = None
    owner: str | None = None
    lessee: str | None = None
    shard: str | None = None
    parent_node: str | None = None
    conductor_group: str = ""
    allocation_uuid: str | None = None
    network_data: Mapping[str, Any] = field(default_factory=dict)
    raid_config: Mapping[str, Any] = field(default_factory=dict)
    target_raid_config: Mapping[str, Any] = field(default_factory=dict)
    traits: tuple[str, ...] = ()
    power_state: str | None = None
    target_power_state: str | None = None
    provision_state: str = "enroll"
    target_provision_state: str | None = None
    provision_updated_at: datetime | None = None
    inspection_started_at: datetime | None = None
    inspection_finished_at: datetime | None = None
    last_error: str | None = None
    fault: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    protected: bool = False
    protected_reason: str | None = None
    retired: bool = False
    retired_reason: str | None = None
    automated_clean: bool | None = None
    disable_power_off: bool = False
    console_enabled: bool = False
    clean_step: Mapping[str, Any] = field(default_factory=dict)
    deploy_step: Mapping[str, Any] = field(default_factory=dict)
    service_step: Mapping[str, Any] = field(default_factory=dict)
    boot_mode: str | None = None
    secure_boot: bool | None = None
    health: str | None = None
    bios_interface: str | None = None
    boot_interface: str | None = None
    console_interface: str | None = None
    deploy_interface: str | None = None
    firmware_interface: str | None = None
    inspect_interface: str | None = None
    management_interface: str | None = None
    network_interface: str | None = None
    power_interface: str | None = None
    raid_interface: str | None = None
    rescue_interface: str | None = None
    storage_interface: str | None = None
    vendor_interface: str | None = None
    driver_internal_info: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None

    power_observed_at: datetime | None = None
    power_source: str | None = None
    """Observer of ``power_state``: ``task``, ``sync`` or ``verify``."""
    driver_state: Mapping[str, Any] = field(default_factory=dict)
    """State that plugins keep (``DriverState.dump``), by kind of interface."""
    sealed_secrets: bytes | None = field(default=None, repr=False)
    run_id: str | None = None
    """Identifier of the node's run of steps; None without a run."""
    run_steps: tuple[Mapping[str, Any], ...] = ()
    run_index: int | None = None
    run_attempt: int = 0
    lease_holder: str | None = None
    lease_purpose: str | None = None
    lease_since: datetime | None = None
    lease_expires_at: datetime | None = None
    epoch: int = 0
    """Number of leases that were ever taken on this node. It identifies the last one in fences."""
    revision: int = 0
    """Number of changes of the node. A write can require that the node still has the revision that the caller read."""


class NodeVersion(NamedTuple):
    """Fields of a node that show whether it has changed, and the fields that decide which callers may see it."""

    uuid: str
    revision: int
    driver: str
    conductor_group: str
    owner: str | None
    lessee: str | None
    lease_holder: str | None
    lease_expires_at: datetime | None
    created_at: datetime | None


@dataclass(frozen=True)
class PortRecord:
    """A network port of a node."""

    uuid: str
    node_uuid: str
    address: str
    name: str | None = None
    description: str | None = None
    category: str | None = None
    vendor: str | None = None
    pxe_enabled: bool = True
    is_smartnic: bool = False
    physical_network: str | None = None
    local_link_connection: Mapping[str, Any] = field(default_factory=dict)
    portgroup_uuid: str | None = None
    available_for_dynamic_portgroup: bool = True
    internal_info: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class ConductorRecord:
    """A registered conductor with its hardware types and its last heartbeat.

    *drivers* maps hardware type and kind to ``{"default": name or None, "enabled": [names]}``.
    """

    hostname: str
    incarnation: str
    conductor_group: str = ""
    drivers: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    heartbeat_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    process: str | None = None
    """Incarnation and process identity. A successor with the same host name uses them to check whether the process is alive."""
