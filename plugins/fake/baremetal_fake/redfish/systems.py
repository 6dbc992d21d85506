"""Resources of a simulated Redfish BMC for computer systems: power, boot override, indicator light and properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baremetal_fake.faults import Effect, Fault
from baremetal_fake.machine import Machine, Power
from baremetal_fake.redfish.errors import (
    RedfishError,
    missing_parameter,
    not_in_list,
    read_only_property,
    unknown_parameter,
    unknown_property,
    wrong_type,
)
from baremetal_fake.redfish.exchange import ROOT, Exchange, Operation, collection, link, make_command, make_reader
from baremetal_fake.redfish.routing import Route
from baremetal_interfaces import BootDevice, BootMode, IndicatorState, PowerState

POWER_STATES = {Power.ON: "On", Power.OFF: "Off", Power.POWERING_ON: "PoweringOn", Power.POWERING_OFF: "PoweringOff"}
"""Value of the Redfish property ``PowerState`` for each power of a simulated machine."""
RESETS: Mapping[str, PowerState | None] = {
    "On": PowerState.ON,
    "ForceOn": PowerState.ON,
    "ForceOff": PowerState.OFF,
    "GracefulShutdown": PowerState.SOFT_OFF,
    "GracefulRestart": PowerState.SOFT_REBOOT,
    "ForceRestart": PowerState.REBOOT,
    "PowerCycle": PowerState.REBOOT,
    "PushPowerButton": None,
    "Nmi": None,
}
"""Power state that each Redfish reset type sets.

None: ``Nmi`` sends an interrupt, and the effect of ``PushPowerButton`` depends on the present power.
"""
BOOT_TARGETS: Mapping[str, BootDevice | None] = {
    "None": None,
    "Pxe": BootDevice.PXE,
    "Hdd": BootDevice.DISK,
    "Cd": BootDevice.CDROM,
    "Floppy": BootDevice.FLOPPY,
    "UefiHttp": BootDevice.UEFIHTTP,
    "BiosSetup": BootDevice.BIOS,
}
"""Boot device for each value of ``BootSourceOverrideTarget``; None: no override."""
BOOT_MODES = {"UEFI": BootMode.UEFI, "Legacy": BootMode.BIOS}
OVERRIDE_FREQUENCIES = ("Disabled", "Once", "Continuous")
LIGHTS = {"Off": IndicatorState.OFF, "Lit": IndicatorState.ON, "Blinking": IndicatorState.BLINKING}
_SUBORDINATES = ("Bios", "SecureBoot", "Processors", "EthernetInterfaces", "SimpleStorage", "Storage")
_BOOT_PREFIX = "BootSourceOverride"


def routes() -> list[Route]:
    """Return the HTTP routes of a simulated BMC for the computer systems and their action ``Reset``."""
    return [
        Route("Systems", {"GET": make_reader("get_systems", _systems)}),
        Route("Systems/*", {"GET": make_reader("get_power", _system), "PATCH": _patch}),
        Route("Systems/*/Actions/ComputerSystem.Reset", {"POST": _reset}),
    ]


def _systems(exchange: Exchange) -> dict[str, Any]:
    return collection(("Systems",), "ComputerSystemCollection", "Systems", exchange.bmc.names)


def _system(exchange: Exchange) -> dict[str, Any]:
    machine = exchange.machine
    parts = machine.inventory
    path = ("Systems", machine.name)
    healthy = {"State": "Enabled", "Health": "OK", "HealthRollup": "OK"}
    return {
        **link(*path),
        "@odata.type": "#ComputerSystem.v1_20_0.ComputerSystem",
        "Id": machine.name,
        "Name": f"System {machine.name}",
        "UUID": parts.uuid,
        "SystemType": "Physical",
        "Manufacturer": parts.manufacturer,
        "Model": parts.model,
        "SerialNumber": parts.serial,
        "SKU": parts.serial,
        "AssetTag": machine.firmware.current()["AssetTag"],
        "BiosVersion": machine.firmware.versions["bios"],
        "PowerState": POWER_STATES[machine.power],
        **_light(machine, exchange.bmc.options.location_light),
        "Status": healthy,
        "Boot": _boot(machine),
        "ProcessorSummary": {"Count": 1, "LogicalProcessorCount": parts.cpus, "Model": parts.cpu_model, "Status": healthy},
        "MemorySummary": {"TotalSystemMemoryGiB": parts.memory_mb // 1024, "Status": healthy},
        **{name: link(*path, name) for name in _SUBORDINATES},
        "Links": {"ManagedBy": [link("Managers", machine.name)], "Chassis": [link("Chassis", machine.name)]},
        "Actions": {
            "#ComputerSystem.Reset": {
                "target": "/".join((ROOT, *path, "Actions", "ComputerSystem.Reset")),
                "ResetType@Redfish.AllowableValues": list(RESETS),
            }
        },
    }


def _light(machine: Machine, location: bool) -> dict[str, Any]:
    """Return the property of the indicator light: ``LocationIndicatorActive`` if *location* is true, else ``IndicatorLED``."""
    if location:
        return {"LocationIndicatorActive": machine.indicator is not IndicatorState.OFF}
    return {"IndicatorLED": _name_of(LIGHTS, machine.indicator)}


def _boot(machine: Machine) -> dict[str, Any]:
    device, persistent = machine.boot_override
    enabled = "Disabled" if device is None else "Continuous" if persistent else "Once"
    return {
        "BootSourceOverrideEnabled": enabled,
        "BootSourceOverrideEnabled@Redfish.AllowableValues": list(OVERRIDE_FREQUENCIES),
        "BootSourceOverrideTarget": _name_of(BOOT_TARGETS, device),
        "BootSourceOverrideTarget@Redfish.AllowableValues": list(BOOT_TARGETS),
        "BootSourceOverrideMode": _name_of(BOOT_MODES, machine.boot_mode),
        "BootSourceOverrideMode@Redfish.AllowableValues": list(BOOT_MODES),
    }


def _name_of(names: Mapping[str, Any], value: Any) -> str:
    """Return the first key of *names* whose value is *value*."""
    return next(name for name, known in names.items() if known == value)


def _reset(exchange: Exchange) -> Operation:
    """Return the operation of the action ``ComputerSystem.Reset``; raise RedfishError if the reset type is not valid."""
    machine = exchange.machine
    body = exchange.json()
    for name in body:
        if name != "ResetType":
            raise unknown_parameter("ComputerSystem.Reset", name)
    if "ResetType" not in body:
        raise missing_parameter("ComputerSystem.Reset", "ResetType")
    kind = body["ResetType"]
    if not isinstance(kind, str) or kind not in RESETS:
        raise not_in_list("ResetType", kind, RESETS)
    if kind == "Nmi":
        return make_command("inject_nmi", lambda _: machine.inject_nmi())
    power = machine.power
    state = RESETS[kind] or (PowerState.SOFT_OFF if power is Power.ON else PowerState.ON)
    if exchange.bmc.options.strict_power:
        _check_power_change(kind, state, power)
    return make_command("set_power", lambda fault: _set_power(machine, state, fault), state=state.value, reset_type=kind)


def _check_power_change(kind: str, state: PowerState, power: Power) -> None:
    """Raise RedfishError (HTTP 409) if a reset of type *kind* to *state* would not change the present *power*.

    A restart of a system that is off is refused too.
    """
    if power is (Power.ON if state is PowerState.ON else Power.OFF):
        text = f"The reset type {kind} is not possible while the system is {POWER_STATES[power]}."
        raise RedfishError(409, "ActionNotSupported", text, args=[kind])


def _set_power(machine: Machine, state: PowerState, fault: Fault | None) -> None:
    """Send a power command to *machine*. The faults ``late`` and ``bounce`` delay or revert its effect."""
    before = machine.power
    machine.command_power(state, fault.seconds if fault and fault.effect is Effect.LATE else 0.0)
    if fault and fault.effect is Effect.BOUNCE:
        machine.bounce(fault.seconds, before)


def _patch(exchange: Exchange) -> Operation:
    """Return the operation that changes the boot settings or the indicator light of a system.

    Raises RedfishError if any property is unknown, read-only or has a wrong value.
    """
    machine = exchange.machine
    effects: list[Callable[[], None]] = []
    arguments: dict[str, Any] = {}
    name = "set_system"
    for key, value in exchange.json().items():
        if key == "Boot":
            name, boot_effects = _boot_changes(machine, value, arguments, exchange.bmc.options.forgets_boot_mode)
            effects.extend(boot_effects)
        elif key == ("LocationIndicatorActive" if exchange.bmc.options.location_light else "IndicatorLED"):
            effects.append(_light_change(machine, value))
            name = "set_indicator"
        else:
            raise _refuse_property(key)

    # No effect happens before all properties are valid, so a refused PATCH changes nothing.
    def carry_out(_: Fault | None) -> None:
        for effect in effects:
            effect()

    return make_command(name, carry_out, **arguments)


def _refuse_property(key: str) -> RedfishError:
    """Return the error for the property *key*, which a PATCH cannot change."""
    read_only = ("Id", "Name", "PowerState", "UUID", "SerialNumber", "Status", "Model", "Manufacturer", "BiosVersion", "AssetTag")
    return read_only_property(key) if key in read_only else unknown_property(key)


def _light_change(machine: Machine, value: Any) -> Callable[[], None]:
    """Return a function that sets the indicator light of *machine* to *value*; raise RedfishError if the value is not valid."""
    state: IndicatorState | None = None
    if isinstance(value, bool):
        state = IndicatorState.ON if value else IndicatorState.OFF
    elif isinstance(value, str):
        state = LIGHTS.get(value)
    if state is None:
        raise not_in_list("IndicatorLED", value, LIGHTS)
    return lambda: setattr(machine, "indicator", state)


def _boot_changes(
    machine: Machine, boot: Any, arguments: dict[str, Any], forgets_mode: bool
) -> tuple[str, list[Callable[[], None]]]:
    """Return the name of the operation that sets *boot*, and the functions that carry it out; add its log entry to *arguments*.

    The name is ``set_boot_device`` if *boot* sets a target or a frequency, and ``set_boot_mode`` otherwise. With
    *forgets_mode*, a new device resets the boot mode to legacy. Raises RedfishError if a value is not valid.
    """
    if not isinstance(boot, Mapping):
        raise wrong_type("Boot", boot, "object")
    _check_boot(boot)
    effects: list[Callable[[], None]] = []
    arguments.update({name.removeprefix(_BOOT_PREFIX).lower(): value for name, value in boot.items()})
    name = "set_boot_mode"
    if "BootSourceOverrideTarget" in boot or "BootSourceOverrideEnabled" in boot:
        name = "set_boot_device"
        effects.append(_device_change(machine, boot))
        if forgets_mode:
            effects.append(lambda: machine.set_boot_mode(BootMode.BIOS))
    if "BootSourceOverrideMode" in boot:
        mode = BOOT_MODES[boot["BootSourceOverrideMode"]]
        effects.append(lambda: machine.set_boot_mode(mode))
    return name, effects


def _check_boot(boot: Mapping[str, Any]) -> None:
    """Raise RedfishError if *boot* holds an unknown property or a value that is not allowed."""
    allowed: dict[str, list[str]] = {
        "BootSourceOverrideTarget": list(BOOT_TARGETS),
        "BootSourceOverrideEnabled": list(OVERRIDE_FREQUENCIES),
        "BootSourceOverrideMode": list(BOOT_MODES),
    }
    for name, value in boot.items():
        if name not in allowed:
            raise unknown_property(f"Boot/{name}")
        if not isinstance(value, str) or value not in allowed[name]:
            raise not_in_list(f"Boot/{name}", value, allowed[name])


def _device_change(machine: Machine, boot: Mapping[str, Any]) -> Callable[[], None]:
    """Return a function that sets the target or the frequency of the boot override as *boot* says.

    A target without a frequency applies once, unless the present override is persistent. A frequency without a target keeps
    the present target.
    """
    device, persistent = machine.boot_override
    if "BootSourceOverrideTarget" in boot:
        device = BOOT_TARGETS[boot["BootSourceOverrideTarget"]]
    enabled = boot.get("BootSourceOverrideEnabled", "Continuous" if persistent else "Once")
    if enabled == "Disabled":
        device = None
    return lambda: machine.set_boot_device(device, enabled == "Continuous")
