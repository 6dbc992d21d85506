"""The chassis commands: power, boot options, identify (IPMI 2.0, chapter 28)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from baremetal_fake.faults import Effect, Fault
from baremetal_fake.ipmi.bmc import IPMIBMC
from baremetal_fake.ipmi.commands import Call, Code, Command, Level, Operation, Refused, Table, changing, reading
from baremetal_fake.ipmi.event_log import POWER_STATE_SENSOR, POWER_STATE_TYPE
from baremetal_fake.machine import Power
from baremetal_interfaces import BootDevice, BootMode, IndicatorState, PowerState

CHASSIS = 0x00
BOOT_FLAGS_SECONDS = 60.0
"""How long boot flags live when no power command follows."""
_IDENTIFY_SECONDS = 15
_VALID_BIT_CLEARING, _ACKNOWLEDGE, _BOOT_FLAGS = 3, 4, 5
_VERSION = 0x01
_KEEP = 0x08
_VALID, _PERSISTENT, _UEFI = 0x80, 0x40, 0x20

CONTROLS: Mapping[int, PowerState | None] = {
    0x00: PowerState.OFF,
    0x01: PowerState.ON,
    0x02: PowerState.REBOOT,
    0x03: PowerState.REBOOT,
    0x04: None,
    0x05: PowerState.SOFT_OFF,
}
"""What chassis control asks for; None: the diagnostic interrupt."""

DEVICES: Mapping[int, BootDevice | None] = {
    0x00: None,
    0x04: BootDevice.PXE,
    0x08: BootDevice.DISK,
    0x0C: BootDevice.SAFE,
    0x14: BootDevice.CDROM,
    0x18: BootDevice.BIOS,
    0x3C: BootDevice.FLOPPY,
}
"""Boot device selectors, in their place in the byte (table 28-14)."""


def commands() -> Table:
    """The commands of this module."""
    return {
        (CHASSIS, 0x00): reading("get_chassis", lambda call: b"\x00\x20\x20\x20\x20\x20"),
        (CHASSIS, 0x01): reading("get_power", _status),
        (CHASSIS, 0x02): Command(Level.OPERATOR, _control),
        (CHASSIS, 0x04): Command(Level.OPERATOR, _identify),
        (CHASSIS, 0x08): Command(Level.OPERATOR, _set_boot_option),
        (CHASSIS, 0x09): Command(Level.OPERATOR, _get_boot_option),
    }


def _status(call: Call) -> bytes:
    bmc = call.bmc
    power = bmc.machine.power
    identify = {IndicatorState.OFF: 0, IndicatorState.BLINKING: 1}.get(_light(bmc), 2)
    return bytes((power in (Power.ON, Power.POWERING_OFF), 0x00, 0x40 | identify << 4, 0x00))


def _control(call: Call) -> Operation:
    action = call.need(1)[0] & 0x0F
    if action not in CONTROLS:
        raise Refused(Code.INVALID_FIELD)
    state = CONTROLS[action]
    if state is None:
        return changing("inject_nmi", call.bmc.machine.inject_nmi)
    power = call.bmc.machine.power
    idle = power is (Power.ON if state is PowerState.ON else Power.OFF)
    if idle and (call.bmc.options.strict_power or state is PowerState.REBOOT):
        raise Refused(Code.WRONG_STATE)
    return Operation("set_power", lambda fault: _set_power(call.bmc, state, fault), {"state": state.value}, changes=True)


def _set_power(bmc: IPMIBMC, state: PowerState, fault: Fault | None) -> bytes:
    forget_old_flags(bmc)
    bmc.boot_flags_at = None
    before = bmc.machine.power
    bmc.machine.command_power(state, fault.seconds if fault and fault.effect is Effect.LATE else 0.0)
    if fault and fault.effect is Effect.BOUNCE:
        bmc.machine.bounce(fault.seconds, before)
    bmc.events.add_event(POWER_STATE_TYPE, POWER_STATE_SENSOR, 5 if state in (PowerState.OFF, PowerState.SOFT_OFF) else 0)
    return b""


def _light(bmc: IPMIBMC) -> IndicatorState:
    if bmc.identify_until is not None and bmc.rack.clock() >= bmc.identify_until:
        bmc.identify_until, bmc.machine.indicator = None, IndicatorState.OFF
    return bmc.machine.indicator


def _identify(call: Call) -> Operation:
    seconds = call.data[0] if call.data else _IDENTIFY_SECONDS
    forced = len(call.data) > 1 and bool(call.data[1] & 1)
    state = IndicatorState.ON if forced else IndicatorState.BLINKING if seconds else IndicatorState.OFF
    until = None if forced or not seconds else call.bmc.rack.clock() + seconds

    def light() -> None:
        call.bmc.machine.indicator = state
        call.bmc.identify_until = until

    return changing("set_indicator", light, state=state.value)


def _set_boot_option(call: Call) -> Operation:
    data = call.need(1)
    parameter, bmc = data[0] & 0x7F, call.bmc
    if parameter == _VALID_BIT_CLEARING:
        keeps = bool(call.need(2)[1] & _KEEP)
        return changing("set_boot_option", lambda: setattr(bmc, "keeps_boot_flags", keeps))
    if parameter in (0, _ACKNOWLEDGE):
        return changing("set_boot_option", lambda: None)
    if parameter != _BOOT_FLAGS:
        raise Refused(Code.PARAMETER_NOT_SUPPORTED)
    return _set_boot_flags(bmc, call.need(6)[1:])


def _set_boot_flags(bmc: IPMIBMC, flags: bytes) -> Operation:
    device = DEVICES.get(flags[1] & 0x3C, BootDevice.WANBOOT)
    uefi = bool(flags[0] & _UEFI)
    if device is BootDevice.WANBOOT or (uefi and not bmc.options.uefi):
        raise Refused(Code.INVALID_FIELD)
    valid = bool(flags[0] & _VALID)
    persistent = bool(flags[0] & _PERSISTENT)

    def change() -> None:
        bmc.machine.set_boot_device(device if valid else None, persistent)
        if valid and device is not None:
            bmc.machine.set_boot_mode(BootMode.UEFI if uefi else BootMode.BIOS)
        bmc.boot_flags_at = bmc.rack.clock() if valid else None

    return changing("set_boot_device", change, device=device and device.value, persistent=persistent, uefi=uefi)


def forget_old_flags(bmc: IPMIBMC) -> None:
    """Drop boot flags that no power command followed in time, unless the BMC was told to keep them."""
    at = bmc.boot_flags_at
    if at is not None and not bmc.keeps_boot_flags and bmc.rack.clock() - at >= BOOT_FLAGS_SECONDS:
        bmc.boot_flags_at = None
        bmc.machine.set_boot_device(None)


def _get_boot_option(call: Call) -> Operation:
    parameter, bmc = call.need(3)[0] & 0x7F, call.bmc
    known: dict[int, Callable[[], bytes]] = {
        0: lambda: b"\x00",
        _VALID_BIT_CLEARING: lambda: bytes((_KEEP if bmc.keeps_boot_flags else 0,)),
        _ACKNOWLEDGE: lambda: b"\x00\x00",
        _BOOT_FLAGS: lambda: _boot_flags(bmc),
    }
    if parameter not in known:
        raise Refused(Code.PARAMETER_NOT_SUPPORTED)
    name = "get_boot_device" if parameter == _BOOT_FLAGS else "get_boot_option"
    return Operation(name, lambda _: bytes((_VERSION, parameter)) + known[parameter]())


def _boot_flags(bmc: IPMIBMC) -> bytes:
    forget_old_flags(bmc)
    device, persistent = bmc.machine.boot_override
    if device is None:
        return bytes(5)
    selector = next((number for number, one in DEVICES.items() if one is device), 0x00)
    uefi = _UEFI if bmc.machine.boot_mode is BootMode.UEFI else 0
    return bytes((_VALID | (_PERSISTENT if persistent else 0) | uefi, selector, 0, 0, 0))
