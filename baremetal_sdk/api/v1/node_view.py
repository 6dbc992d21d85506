"""Views of a node: declarations of the fields that clients see, each with its first microversion."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from baremetal_interfaces import BootMode, Health
from baremetal_interfaces.secret_fields import mask_secrets
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.types import UUID, choice
from baremetal_sdk.api.framework.views import LegacyValue, SubResource, View, ViewField
from baremetal_sdk.api.v1.trait_values import TRAITS
from baremetal_sdk.states import STATES
from baremetal_sdk.store.records.node import NodeRecord

_AVAILABLE_WAS_NONE = LegacyValue(until=2, value="available", legacy=None)
_WAITING_WAS_INSPECTING = LegacyValue(until=39, value="inspect wait", legacy="inspecting")
_OLDER_STATES = (_AVAILABLE_WAS_NONE, _WAITING_WAS_INSPECTING)
_STATE = choice(*sorted(STATES))
_BOOT_MODE = choice(*map(str, BootMode))


def _mask_values(request: APIRequest, values: Mapping[str, Any]) -> Mapping[str, Any]:
    return mask_secrets(values)


def _render_reservation(request: APIRequest, holder: str | None, expires_at: datetime | None) -> str | None:
    """Return the host name of the conductor that holds the node's lease, or None without a lease or after its expiry."""
    if holder is None or (expires_at is not None and expires_at <= request.backend.clock.now()):
        return None
    return holder.partition("/")[0]


def _find_conductor(request: APIRequest, uuid: str, driver: str, group: str) -> str | None:
    return request.conductors.find_owner(uuid, driver, group)


def _json_field(name: str, since: int = 1) -> ViewField:
    return ViewField(name, since, sortable=False)


def _masked_field(name: str, since: int = 1) -> ViewField:
    return ViewField(name, since, render=_mask_values, sortable=False)


NODE_VIEW = View(
    "nodes",
    NodeRecord,
    (
        ViewField("uuid", type=UUID),
        ViewField("created_at"),
        ViewField("updated_at"),
        ViewField("allocation_uuid", 52, type=UUID),
        ViewField("automated_clean", 47),
        ViewField("bios_interface", 40),
        ViewField("boot_interface", 31),
        ViewField("boot_mode", 75, type=_BOOT_MODE),
        ViewField("chassis_uuid", type=UUID),
        _json_field("clean_step", 7),
        ViewField("conductor", 49, ("uuid", "driver", "conductor_group"), _find_conductor, sortable=False, volatile=True),
        ViewField("conductor_group", 46),
        ViewField("console_enabled"),
        ViewField("console_interface", 31),
        ViewField("deploy_interface", 31),
        _json_field("deploy_step", 44),
        ViewField("description", 51),
        ViewField("disable_power_off", 95),
        ViewField("driver"),
        _masked_field("driver_info"),
        _masked_field("driver_internal_info", 3),
        _json_field("extra"),
        ViewField("fault", 42),
        ViewField("firmware_interface", 86),
        ViewField("health", 109, type=choice(*map(str, Health))),
        ViewField("inspect_interface", 31),
        ViewField("inspection_finished_at", 6),
        ViewField("inspection_started_at", 6),
        _masked_field("instance_info"),
        ViewField("instance_name", 104),
        ViewField("instance_uuid", type=UUID),
        ViewField("last_error"),
        ViewField("lessee", 65),
        ViewField("maintenance"),
        ViewField("maintenance_reason"),
        ViewField("management_interface", 31),
        ViewField("name", 5),
        _json_field("network_data", 66),
        ViewField("network_interface", 20),
        ViewField("owner", 50),
        ViewField("parent_node", 83, type=UUID),
        ViewField("power_interface", 31),
        ViewField("power_state"),
        _json_field("properties"),
        ViewField("protected", 48),
        ViewField("protected_reason", 48),
        ViewField("provision_state", legacy_values=_OLDER_STATES, type=_STATE),
        ViewField("provision_updated_at"),
        _json_field("raid_config", 12),
        ViewField("raid_interface", 31),
        ViewField("rescue_interface", 38),
        ViewField("reservation", 1, ("lease_holder", "lease_expires_at"), _render_reservation, volatile=True),
        ViewField("resource_class", 21),
        ViewField("retired", 61),
        ViewField("retired_reason", 61),
        ViewField("secure_boot", 75),
        _json_field("service_step", 87),
        ViewField("shard", 82),
        ViewField("storage_interface", 33),
        ViewField("target_power_state"),
        ViewField("target_provision_state"),
        _json_field("target_raid_config", 12),
        ViewField("traits", 37, sortable=False, type=TRAITS),
        ViewField("vendor_interface", 31),
    ),
    default=("instance_uuid", "maintenance", "power_state", "provision_state", "uuid", "name"),
    subresources=(SubResource("ports"), SubResource("portgroups", 24), SubResource("states", 14), SubResource("volume", 32)),
)

STATES_VIEW = View(
    "nodes",
    NodeRecord,
    (
        ViewField("console_enabled"),
        ViewField("last_error"),
        ViewField("power_state"),
        ViewField("provision_state", legacy_values=_OLDER_STATES, type=_STATE),
        ViewField("provision_updated_at"),
        ViewField("target_power_state"),
        ViewField("target_provision_state"),
        _json_field("raid_config", 12),
        _json_field("target_raid_config", 12),
        ViewField("boot_mode", 75, type=_BOOT_MODE),
        ViewField("secure_boot", 75),
    ),
    default=(),
)
