"""The fields of a node that clients write: their types, and the microversions that brought them."""

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
"""The microversion in which the interface of each kind could be chosen."""
NAME_SINCE = 5
UNRESTRICTED_NAME_SINCE = 10
CHASSIS_REMOVED_SINCE = 25
"""The chassis of a node could be taken away since this microversion."""
ENROLL_SINCE = 11
"""Nodes were made available at once before this microversion, and are enrolled since."""

_NETWORK_DATA = ("links", "networks", "services")


def _network_data(value: Any) -> dict[str, Any]:
    """Read network data as metadata services have it: three lists of objects, or nothing."""
    data: dict[str, Any] = OBJECT.parse(value)
    for name in _NETWORK_DATA if data else ():
        if name not in data:
            raise InvalidValue(f"it has no {name}", "it has " + ", ".join(_NETWORK_DATA) + ", or is empty")
        if not isinstance(data[name], list) or not all(isinstance(one, dict) for one in data[name]):
            raise InvalidValue(f"its {name} are no list of objects", "give a list, which may be empty")
    return data


NETWORK_DATA = ValueType(_network_data, {"type": "object", "properties": {name: {"type": "array"} for name in _NETWORK_DATA}})

RESERVED_NAMES = frozenset({"detail", "maintenance", "management", "states", "validate", "vendor_passthru"})

_WRITABLE = (
    optional("automated_clean", BOOLEAN, "Whether the machine is cleaned before it becomes available; null: as configured.", 47),
    optional("chassis_uuid", UUID, "The UUID of the chassis that it stands in."),
    optional("conductor_group", text(255), "The group of conductors that may drive the node.", 46),
    optional("description", text(4096), "What people should know about it.", 51),
    optional("disable_power_off", BOOLEAN, "Whether the machine must not be powered off.", 95),
    Parameter("driver", text(255, 1), "The hardware type."),
    optional("driver_info", OBJECT, "How to reach the BMC, and what else the driver has to know."),
    optional("extra", OBJECT, "Anything."),
    optional("instance_info", OBJECT, "What to deploy."),
    optional("instance_name", text(255, 1), "The name of the instance that the node carries.", 104),
    optional("instance_uuid", UUID, "The UUID of the instance that the node carries."),
    optional("lessee", TEXT, "The project that may use the node.", 65),
    optional("maintenance", BOOLEAN, "Whether somebody works on the machine, and the service keeps off."),
    optional("name", TEXT, "A name that no other node has.", NAME_SINCE),
    optional("network_data", NETWORK_DATA, "Static network configuration for the ramdisk.", 66),
    optional("owner", TEXT, "The project that owns the node.", 50),
    optional("parent_node", UUID_OR_NAME, "The node whose machine this one is a part of.", 83),
    optional("properties", OBJECT, "What the machine has: cpus, memory_mb, local_gb, cpu_arch, capabilities."),
    optional("resource_class", text(80), "The class that schedulers choose by.", 21),
    optional("retired", BOOLEAN, "Whether the node is not to be used any more.", 61),
    optional("retired_reason", TEXT, "Why it is retired.", 61),
    optional("shard", TEXT, "The shard that the node belongs to.", 82),
    *(
        optional(f"{kind}_interface", TEXT, f"The implementation of {kind}; null: the default of the hardware type.", since)
        for kind, since in INTERFACE_SINCE.items()
    ),
)
_ONLY_AT_CREATION = (
    optional("boot_mode", choice(*map(str, BootMode)), "The boot mode that the machine has.", 75),
    optional("console_enabled", BOOLEAN, "Whether its console is started."),
    optional("secure_boot", BOOLEAN, "Whether secure boot is on.", 75),
    optional("uuid", UUID, "A UUID to take; by default one is made."),
)
"""What is found out and changed otherwise once there is a node; a client that copies one says it."""
_ONLY_AFTERWARDS = (
    optional("protected", BOOLEAN, "Whether the node must not be undeployed, rebuilt or deleted.", 48),
    optional("protected_reason", TEXT, "Why it is protected.", 48),
)

CREATION = (
    *(dataclasses.replace(field, required=True) if field.name == "driver" else field for field in _WRITABLE),
    *_ONLY_AT_CREATION,
)
PATCHED = Parameters("field that can be changed", (*_WRITABLE, *_ONLY_AFTERWARDS))
REQUIRED = frozenset({"driver"})


def _defaults() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in dataclasses.fields(NodeRecord):
        if field.default is not dataclasses.MISSING:
            found[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
    return found


DEFAULTS: Mapping[str, Any] = _defaults()
"""What a field is where nobody gave a value; null from a client means the same where the record takes no null."""


def without_null(name: str, value: Any) -> Any:
    """*value*, or what the field is by default where the client said null."""
    return DEFAULTS[name] if value is None else value


def read_patched(name: str, value: Any) -> Any:
    """The value that a patch gives a field. Raises ``InvalidInput``."""
    try:
        return without_null(name, PATCHED.by_name[name].type.parse(value))
    except InvalidValue as exc:
        raise InvalidInput([Problem(name, exc.wrong, exc.allowed)]) from None


def check_removal(name: str, value: Any) -> None:
    """Refuse a patch that takes away what a node needs."""
    if name in REQUIRED and (value is UNSET or value is None):
        raise InvalidInput([Problem(name, "it cannot be removed", "a node needs one; replace it")])


def check_name(name: str, minor: int) -> None:
    """Refuse what cannot be the name of a node. Raises ``InvalidInput``."""
    problem = _wrong_name(name, minor)
    if problem is not None:
        raise InvalidInput([problem])


def _wrong_name(name: str, minor: int) -> Problem | None:
    if name in RESERVED_NAMES:
        return Problem("name", f"{name!r} is reserved", "reserved are " + ", ".join(sorted(RESERVED_NAMES)))
    if canonical_uuid(name) is not None:
        return Problem("name", "it is a UUID", "a name has another form")
    if minor < UNRESTRICTED_NAME_SINCE and not is_host_name(name):
        allowed = f"other names are taken since version 1.{UNRESTRICTED_NAME_SINCE}"
        return Problem("name", f"{name[:64]!r} is not a host name", allowed)
    if not is_name(name):
        return Problem("name", f"{name[:64]!r} cannot be a name", "letters, digits and -._~ are allowed, 255 at most")
    return None
