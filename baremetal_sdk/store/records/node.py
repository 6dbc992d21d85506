"""What is stored, as plain frozen records: no session, no lazy loading, nothing that writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple


class Fence(NamedTuple):
    """Proof of a lease, for a write: the store takes it only while this epoch is the node's and *holder* holds it."""

    node_uuid: str
    holder: str
    epoch: int


class NodeUpdate(NamedTuple):
    """A write to a node that still has this revision and that nobody has taken."""

    node_uuid: str
    revision: int
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Lease:
    """The exclusive right to change a node, for a time."""

    node_uuid: str
    holder: str
    purpose: str
    since: datetime
    expires_at: datetime
    epoch: int

    @property
    def fence(self) -> Fence:
        """What a write under this lease shows."""
        return Fence(self.node_uuid, self.holder, self.epoch)


@dataclass(frozen=True)
class NodeRecord:
    """A node. Field names are those of the Bare Metal API; what clients never see is at the end.

    ``driver_info`` holds the mask in place of each secret; the secrets themselves are in ``sealed_secrets``.
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
    """Who observed ``power_state``: ``task``, ``sync``, ``verify``."""
    driver_state: Mapping[str, Any] = field(default_factory=dict)
    """Kind of interface -> what the plugin keeps (``DriverState.dump``)."""
    sealed_secrets: bytes | None = field(default=None, repr=False)
    run_id: str | None = None
    """The run of steps that is going on."""
    run_steps: tuple[Mapping[str, Any], ...] = ()
    run_index: int | None = None
    run_attempt: int = 0
    lease_holder: str | None = None
    lease_purpose: str | None = None
    lease_since: datetime | None = None
    lease_expires_at: datetime | None = None
    epoch: int = 0
    """Counts the leases that were ever taken."""
    revision: int = 0
    """Counts the changes; a write may ask for the one that it has read."""


class NodeVersion(NamedTuple):
    """Of a node, what changes whenever anything of it does, and what tells who may see it."""

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
    """A conductor, and the hardware types that it drives.

    *drivers*: hardware type -> kind -> ``{"default": name or None, "enabled": [names]}``.
    """

    hostname: str
    incarnation: str
    conductor_group: str = ""
    drivers: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    heartbeat_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    process: str | None = None
    """Its incarnation and process, as a successor of the same name on the same machine can check it."""
