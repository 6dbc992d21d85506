"""Check of a plugin's interface when its class for Ironic is created. An interface that Ironic cannot run is refused."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any

from baremetal_interfaces import (
    CONTRACT_VERSION,
    BIOSInterface,
    BootInterface,
    ConsoleInterface,
    DeployInterface,
    FirmwareInterface,
    InspectInterface,
    Interface,
    InvalidInput,
    Kind,
    ManagementInterface,
    NetworkInterface,
    Phase,
    PowerInterface,
    Problem,
    RAIDInterface,
    RescueInterface,
    StorageInterface,
    VendorInterface,
    is_compatible,
)
from baremetal_ironic_bridge.mapping import RESERVED_STEPS

OPTION_TYPES = (bool, int, float, str)
"""Types that an option in ironic.conf can have."""

CONTRACTS: dict[Kind, type[Interface]] = {
    Kind.POWER: PowerInterface,
    Kind.MANAGEMENT: ManagementInterface,
    Kind.BOOT: BootInterface,
    Kind.DEPLOY: DeployInterface,
    Kind.INSPECT: InspectInterface,
    Kind.BIOS: BIOSInterface,
    Kind.RAID: RAIDInterface,
    Kind.FIRMWARE: FirmwareInterface,
    Kind.CONSOLE: ConsoleInterface,
    Kind.RESCUE: RescueInterface,
    Kind.NETWORK: NetworkInterface,
    Kind.STORAGE: StorageInterface,
    Kind.VENDOR: VendorInterface,
}
"""Interface kind -> the contract's class."""


def admit(bridged: Any, section: str | None = None) -> Kind:
    """Return the kind of *bridged*, the class of a plugin's interface.

    *section* is the section of ironic.conf for the plugin's own options, if it has one. Raises ``InvalidInput`` with all
    reasons why Ironic cannot run the interface.
    """
    name = getattr(bridged, "__name__", repr(bridged))
    bases = bridged.__mro__ if isinstance(bridged, type) else ()
    kind = next((kind for kind, contract in CONTRACTS.items() if contract in bases), None)
    if kind is None:
        raise InvalidInput([Problem(name, "is no interface of the contract", "a class below PowerInterface, BootInterface, ...")])
    problems = [Problem(f"{name}{where}", wrong, allowed) for where, wrong, allowed in _find_objections(bridged, kind, section)]
    if problems:
        raise InvalidInput(problems)
    return kind


def get_option_types(options_type: type | None) -> dict[str, tuple[Any, Any]]:
    """Return the fields of a plugin's ``options_type``: name -> type without ``| None``, and default. Empty for None."""
    if options_type is None:
        return {}
    hints = typing.get_type_hints(options_type)
    fields = dataclasses.fields(options_type)
    return {field.name: (_strip_optional(hints[field.name]), _get_default(field)) for field in fields}


def _find_objections(bridged: type[Interface], kind: Kind, section: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield each reason why Ironic cannot run the interface *bridged*, as location, problem and allowed values."""
    missing = sorted(getattr(bridged, "__abstractmethods__", ()))
    if missing:
        yield "", f"does not implement {', '.join(missing)}", "every abstract method of its kind"
    written_for = bridged.contract_version
    if written_for is not None and not is_compatible(written_for):
        required, offered = _format_version(written_for), _format_version(CONTRACT_VERSION)
        yield "", f"is written for contract {required}", f"this bridge has {offered}"
    if kind is Kind.DEPLOY and not any(step.phase is Phase.DEPLOY for step in bridged.steps):
        yield "", "declares no step of phase deploy", "Ironic fails a deployment without steps"
    for step in bridged.steps:
        if step.name in RESERVED_STEPS:
            yield f".{step.method}", f"is a step named {step.name!r}", "Ironic reserves that name"
        if step.phase is Phase.VERIFY and any(argument.required for argument in step.arguments.values()):
            yield f".{step.method}", "is a verify step with a required argument", "Ironic passes no arguments to verify steps"
    if section is not None:
        for option, (plain, _) in get_option_types(bridged.options_type).items():
            if plain not in OPTION_TYPES:
                allowed = "an option in ironic.conf is one of " + ", ".join(option_type.__name__ for option_type in OPTION_TYPES)
                yield f".options_type/{option}", f"is of type {plain}", allowed


def _format_version(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _strip_optional(hint: Any) -> Any:
    """Return the single type of an annotation such as ``float | None``."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    return next((arg for arg in typing.get_args(hint) if arg is not type(None)), hint)


def _get_default(field: dataclasses.Field[Any]) -> Any:
    return None if field.default is dataclasses.MISSING else field.default
