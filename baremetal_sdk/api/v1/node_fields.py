"""Declarations of the node fields that clients write: their types, first microversions and descriptions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import BootMode, InvalidInput, Kind, Problem
from baremetal_sdk.api.framework.json_patch import UNSET
from baremetal_sdk.api.framework.parameters import Parameter, Parameters, optional
from baremetal_sdk.api.framework.types import (
    BOOLEAN,
    OBJECT,
    TEXT,
    UUID,
    UUID_OR_NAME,
    InvalidValue,
    ValueType,
    canonical_uuid,
    choice,
    is_host_name,
    is_name,
    text,
)
from baremetal_sdk.store.records.node import NodeRecord

INTERFACE_SINCE: Mapping[Kind, int] = {
    **dict.fromkeys(Kind, 31),
    Kind.NETWORK: 20,
    Kind.STORAGE: 33,
    Kind.RESCUE: 38,
    Kind.BIOS: 40,
    Kind.FIRMWARE: 86,
}
"""Kind -> the minor number of the first microversion that selects the interface of this kind."""
NAME_SINCE = 5
UNRESTRICTED_NAME_SINCE = 10
"""The minor number of the first microversion that accepts names other than host names."""
CHASSIS_REMOVAL_SINCE = 25
"""The minor number of the first microversion that removes a node from its chassis."""
ENROLL_SINCE = 11
"""The minor number of the first microversion whose new nodes are in state enroll. Before it, they are available at once."""

_NETWORK_DATA_LISTS = ("links", "networks", "services")


def _parse_network_data(value: Any) -> dict[str, Any]:
    """Check network data and return it unchanged.

    It has the format of OpenStack's metadata service: three lists of objects, or an empty object. Raises ``InvalidValue``.
    """
    data: dict[str, Any] = OBJECT.parse(value)
    if not data:
        return data
    for name in _NETWORK_DATA_LISTS:
        if name not in data:
            raise InvalidValue(f"has no {name}", "use an object with " + ", ".join(_NETWORK_DATA_LISTS) + ", or an empty object")
        if not isinstance(data[name], list) or not all(isinstance(entry, dict) for entry in data[name]):
            raise InvalidValue(f"has {name} that are not a list of objects", "use a list, which may be empty")
    return data


NETWORK_DATA = ValueType(
    _parse_network_data, {"type": "object", "properties": {name: {"type": "array"} for name in _NETWORK_DATA_LISTS}}
)

RESERVED_NAMES = frozenset({"detail", "maintenance", "management", "states", "validate", "vendor_passthru"})
"""Names that no node can have, because they are segments of paths below ``/v1/nodes``."""

_WRITABLE = (
    optional(
        "automated_clean", BOOLEAN, "True to clean the machine before it becomes available. Null uses the configured default.", 47
    ),
    optional("chassis_uuid", UUID, "The UUID of the chassis that contains the node."),
    optional("conductor_group", text(255), "The conductor group whose conductors may manage the node.", 46),
    optional("description", text(4096), "A description in free text.", 51),
    optional("disable_power_off", BOOLEAN, "True to forbid powering the machine off.", 95),
    Parameter("driver", text(255, 1), "The hardware type of the node, such as redfish."),
    optional("driver_info", OBJECT, "The settings of the driver, such as the address and the credentials of the BMC."),
    optional("extra", OBJECT, "Arbitrary data of the client."),
    optional("instance_info", OBJECT, "The settings of the instance, such as the image to deploy."),
    optional("instance_name", text(255, 1), "The name of the instance on the node.", 104),
    optional("instance_uuid", UUID, "The UUID of the instance on the node."),
    optional("lessee", TEXT, "The project that leases the node.", 65),
    optional("maintenance", BOOLEAN, "True if the node is in maintenance. The service does not change its machine then."),
    optional("name", TEXT, "The unique name of the node.", NAME_SINCE),
    optional("network_data", NETWORK_DATA, "The static network configuration of the ramdisk.", 66),
    optional("owner", TEXT, "The project that owns the node.", 50),
    optional("parent_node", UUID_OR_NAME, "The UUID or name of the parent node, whose machine contains this one.", 83),
    optional("properties", OBJECT, "The properties of the machine: cpus, memory_mb, local_gb, cpu_arch, capabilities."),
    optional("resource_class", text(80), "The resource class, by which schedulers select nodes.", 21),
    optional("retired", BOOLEAN, "True if the node must not be used again.", 61),
    optional("retired_reason", TEXT, "The reason for the retirement.", 61),
    optional("shard", TEXT, "The name of the shard of the node.", 82),
    *(
        optional(
            f"{kind}_interface",
            TEXT,
            f"The name of the implementation of the {kind} interface. Null selects the default of the hardware type.",
            since,
        )
        for kind, since in INTERFACE_SINCE.items()
    ),
)
_ONLY_AT_CREATION = (
    optional("boot_mode", choice(*map(str, BootMode)), "The current boot mode of the machine.", 75),
    optional("console_enabled", BOOLEAN, "True if the console is started."),
    optional("secure_boot", BOOLEAN, "True if secure boot is on.", 75),
    optional("uuid", UUID, "The UUID of the node. By default the service generates one."),
)
"""Fields that clients set only when they create a node, for example to copy a record. Later the service updates them."""
_ONLY_IN_PATCHES = (
    optional("protected", BOOLEAN, "True to forbid undeploying, rebuilding and deleting the node.", 48),
    optional("protected_reason", TEXT, "The reason for the protection.", 48),
)

CREATION = (
    *(dataclasses.replace(field, required=True) if field.name == "driver" else field for field in _WRITABLE),
    *_ONLY_AT_CREATION,
)
"""The fields of the request that creates a node."""
PATCH_FIELDS = Parameters("field that can be changed", (*_WRITABLE, *_ONLY_IN_PATCHES))
"""The fields that a patch may change."""
REQUIRED = frozenset({"driver"})
"""The fields that a patch cannot remove."""


def _collect_defaults() -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for field in dataclasses.fields(NodeRecord):
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory()
    return defaults


DEFAULTS: Mapping[str, Any] = _collect_defaults()
"""Field -> its default. Null in a request means the default for fields whose record has no null."""


def replace_null(name: str, value: Any) -> Any:
    """Return *value*, or the default of the field *name* if *value* is None."""
    return DEFAULTS[name] if value is None else value


def parse_patch_value(name: str, value: Any) -> Any:
    """Return *value* from a patch of the field *name* converted. Null means the default. Raises ``InvalidInput`` if invalid."""
    try:
        return replace_null(name, PATCH_FIELDS.by_name[name].type.parse(value))
    except InvalidValue as exc:
        raise InvalidInput([Problem(name, exc.wrong, exc.allowed)]) from None


def check_removal(name: str, value: Any) -> None:
    """Raise ``InvalidInput`` if a patch removes the required field *name*: its new *value* is ``UNSET`` or None."""
    if name in REQUIRED and (value is UNSET or value is None):
        raise InvalidInput([Problem(name, "cannot be removed", "a node needs this field; replace its value")])


def check_name(name: str, minor: int) -> None:
    """Raise ``InvalidInput`` if a node cannot have *name* in microversion *minor*."""
    problem = _find_name_problem(name, minor)
    if problem is not None:
        raise InvalidInput([problem])


def _find_name_problem(name: str, minor: int) -> Problem | None:
    """Return the reason why a node cannot have *name* in microversion *minor*, or None."""
    if name in RESERVED_NAMES:
        return Problem("name", f"{name!r} is reserved", "use a name other than " + ", ".join(sorted(RESERVED_NAMES)))
    if canonical_uuid(name) is not None:
        return Problem("name", "is a UUID", "use a name in another form")
    if minor < UNRESTRICTED_NAME_SINCE and not is_host_name(name):
        allowed = f"use a host name; other names need version 1.{UNRESTRICTED_NAME_SINCE} or later"
        return Problem("name", f"{name[:64]!r} is not a host name", allowed)
    if not is_name(name):
        return Problem("name", f"{name[:64]!r} is not a valid name", "use up to 255 letters, digits and -._~")
    return None
