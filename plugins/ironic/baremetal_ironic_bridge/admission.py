"""What is refused when a plugin is loaded, because nothing in Ironic could stand for it."""

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
"""What the plugin's own options can be in ironic.conf."""

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
"""Kind -> the class of the contract."""


def admit(bridged: Any, section: str | None = None) -> Kind:
    """The kind of *bridged*, a class of a plugin; raises ``InvalidInput`` with everything that Ironic has no place for.

    *section* is where its own options are to be read from.
    """
    name = getattr(bridged, "__name__", repr(bridged))
    bases = bridged.__mro__ if isinstance(bridged, type) else ()
    kind = next((kind for kind, contract in CONTRACTS.items() if contract in bases), None)
    if kind is None:
        raise InvalidInput([Problem(name, "is no interface of the contract", "a class below PowerInterface, BootInterface, ...")])
    problems = [Problem(f"{name}{where}", wrong, allowed) for where, wrong, allowed in _objections(bridged, kind, section)]
    if problems:
        raise InvalidInput(problems)
    return kind


def options_of(options_type: type | None) -> dict[str, tuple[Any, Any]]:
    """Name -> type and default, of the plugin's own options."""
    if options_type is None:
        return {}
    hints = typing.get_type_hints(options_type)
    return {one.name: (_plain(hints[one.name]), _default(one)) for one in dataclasses.fields(options_type)}


def _objections(bridged: type[Interface], kind: Kind, section: str | None) -> Iterator[tuple[str, str, str]]:
    """Where, what is wrong, and what is allowed."""
    missing = sorted(getattr(bridged, "__abstractmethods__", ()))
    if missing:
        yield "", f"does not implement {', '.join(missing)}", "every abstract method of its kind"
    written_for = bridged.contract_version
    if written_for is not None and not is_compatible(written_for):
        yield "", f"is written for contract {_dotted(written_for)}", f"this bridge has {_dotted(CONTRACT_VERSION)}"
    if kind is Kind.DEPLOY and not any(one.phase is Phase.DEPLOY for one in bridged.steps):
        yield "", "declares no step of phase deploy", "Ironic fails a deployment without steps"
    for step in bridged.steps:
        if step.name in RESERVED_STEPS:
            yield f".{step.method}", f"is a step named {step.name!r}", "Ironic keeps that name for itself"
        if step.phase is Phase.VERIFY and any(one.required for one in step.arguments.values()):
            yield f".{step.method}", "is a verify step with a required argument", "Ironic gives verify steps none"
    if section is not None:
        for option, (plain, _) in options_of(bridged.options_type).items():
            if plain not in OPTION_TYPES:
                allowed = "an option in ironic.conf is one of " + ", ".join(one.__name__ for one in OPTION_TYPES)
                yield f".options_type/{option}", f"is of type {plain}", allowed


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _plain(hint: Any) -> Any:
    """The one type behind an annotation such as ``float | None``."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    return next((arg for arg in typing.get_args(hint) if arg is not type(None)), hint)


def _default(field: dataclasses.Field[Any]) -> Any:
    return None if field.default is dataclasses.MISSING else field.default
