"""IPMI chassis commands of a simulated BMC: power, boot options and identify light (IPMI 2.0, chapter 28)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from baremetal_fake.faults import Effect, Fault
from baremetal_fake.ipmi.commands import (
    BMCState,
    Call,
    Code,
    Command,
    CommandError,
    Level,
    Operation,
    Table,
    make_change,
    make_reader,
)
from baremetal_fake.ipmi.event_log import POWER_STATE_SENSOR, POWER_STATE_TYPE
from baremetal_fake.machine import Power
from baremetal_interfaces import BootDevice, BootMode, IndicatorState, PowerState

CHASSIS = 0x00
"""IPMI network function of the chassis commands."""
BOOT_FLAGS_LIFETIME_S = 60.0
"""Seconds after which the BMC clears boot flags, unless a power command follows earlier."""
_DEFAULT_IDENTIFY_S = 15
_VALID_BIT_CLEARING, _ACKNOWLEDGE, _BOOT_FLAGS = 3, 4, 5
"""Parameter numbers of the system boot options."""
_PARAMETER_VERSION = 0x01
_KEEP_ON_TIMEOUT = 0x08
"""Bit of the boot option "valid bit clearing": keep the boot flags even if no power command follows within 60 seconds."""
_VALID, _PERSISTENT, _UEFI = 0x80, 0x40, 0x20
"""Bits of the first byte of the boot flags: flags valid, every boot, and boot mode UEFI."""
_S0_EVENT, _S5_EVENT = 0, 5
"""Offsets of the events of the ACPI power state sensor: working (S0), and soft-off (S5)."""

CONTROLS: Mapping[int, PowerState | None] = {
    0x00: PowerState.OFF,
    0x01: PowerState.ON,
    0x02: PowerState.REBOOT,
    0x03: PowerState.REBOOT,
    0x04: None,
    0x05: PowerState.SOFT_OFF,
}
"""Power state that each action of Chassis Control sets; None stands for the diagnostic interrupt."""

DEVICES: Mapping[int, BootDevice | None] = {
    0x00: None,
    0x04: BootDevice.PXE,
    0x08: BootDevice.DISK,
    0x0C: BootDevice.SAFE,
    0x14: BootDevice.CDROM,
    0x18: BootDevice.BIOS,
    0x3C: BootDevice.FLOPPY,
}
"""Boot device for each boot device selector, a value of bits 5 to 2 of the second byte of the boot flags (table 28-14)."""


def commands() -> Table:
    """Return the table of the IPMI chassis commands that the simulated BMC supports."""
    return {
        (CHASSIS, 0x00): make_reader("get_chassis", lambda call: b"\x00\x20\x20\x20\x20\x20"),
        (CHASSIS, 0x01): make_reader("get_power", _get_status),
        (CHASSIS, 0x02): Command(Level.OPERATOR, _control),
        (CHASSIS, 0x04): Command(Level.OPERATOR, _identify),
        (CHASSIS, 0x08): Command(Level.OPERATOR, _set_boot_option),
        (CHASSIS, 0x09): Command(Level.OPERATOR, _get_boot_option),
    }


def _get_status(call: Call) -> bytes:
    """Return the answer to Get Chassis Status: the power and the state of the identify light."""
    bmc = call.bmc
    power = bmc.machine.power
    identify = {IndicatorState.OFF: 0, IndicatorState.BLINKING: 1}.get(_identify_state(bmc), 2)
    return bytes((power in (Power.ON, Power.POWERING_OFF), 0x00, 0x40 | identify << 4, 0x00))


def _control(call: Call) -> Operation:
    """Return the operation of Chassis Control; raise CommandError if the present power does not allow the action.

    An unknown action also raises CommandError.
    """
    action = call.require(1)[0] & 0x0F
    if action not in CONTROLS:
        raise CommandError(Code.INVALID_FIELD)
    state = CONTROLS[action]
    if state is None:
        return make_change("inject_nmi", call.bmc.machine.inject_nmi)
    power = call.bmc.machine.power
    changes_nothing = power is (Power.ON if state is PowerState.ON else Power.OFF)
    # A machine that is off cannot be reset or power-cycled, whatever the options say.
    if changes_nothing and (call.bmc.options.strict_power or state is PowerState.REBOOT):
        raise CommandError(Code.WRONG_STATE)
    return Operation("set_power", lambda fault: _set_power(call.bmc, state, fault), {"state": state.value}, changes=True)


def _set_power(bmc: BMCState, state: PowerState, fault: Fault | None) -> bytes:
    # Flags that expired must not affect this boot; valid ones no longer expire, because a power command followed.
    """Send a power command to the machine, and log an event. The faults ``late`` and ``bounce`` delay or revert its effect."""
    clear_expired_boot_flags(bmc)
    bmc.boot_flags_set_at = None
    before = bmc.machine.power
    bmc.machine.command_power(state, fault.seconds if fault and fault.effect is Effect.LATE else 0.0)
    if fault and fault.effect is Effect.BOUNCE:
        bmc.machine.bounce(fault.seconds, before)
    event = _S5_EVENT if state in (PowerState.OFF, PowerState.SOFT_OFF) else _S0_EVENT
    bmc.events.add_event(POWER_STATE_TYPE, POWER_STATE_SENSOR, event)
    return b""


def _identify_state(bmc: BMCState) -> IndicatorState:
    """Return the state of the indicator light, after switching it off if its time has passed."""
    if bmc.identify_until is not None and bmc.rack.clock() >= bmc.identify_until:
        bmc.identify_until, bmc.machine.indicator = None, IndicatorState.OFF
    return bmc.machine.indicator


def _identify(call: Call) -> Operation:
    """Return the operation of Chassis Identify. The light blinks for some seconds, or shines until it is switched off."""
    seconds = call.data[0] if call.data else _DEFAULT_IDENTIFY_S
    forced = len(call.data) > 1 and bool(call.data[1] & 1)
    if forced and not call.bmc.options.unlimited_identify:
        raise CommandError(Code.WRONG_LENGTH)
    state = IndicatorState.BLINKING if seconds else IndicatorState.OFF
    if forced:
        state = IndicatorState.ON
    until = None if forced or not seconds else call.bmc.rack.clock() + seconds

    def set_light() -> None:
        call.bmc.machine.indicator = state
        call.bmc.identify_until = until

    return make_change("set_indicator", set_light, state=state.value)


def _set_boot_option(call: Call) -> Operation:
    """Return the operation that sets a boot option; raise CommandError if the BMC does not support the option or its value."""
    data = call.require(1)
    parameter, bmc = data[0] & 0x7F, call.bmc
    if parameter == _VALID_BIT_CLEARING and bmc.options.keeps_flag_timeout:
        raise CommandError(Code.PARAMETER_NOT_SUPPORTED)
    if parameter == _VALID_BIT_CLEARING:
        keeps = bool(call.require(2)[1] & _KEEP_ON_TIMEOUT)
        return make_change("set_boot_option", lambda: setattr(bmc, "keeps_boot_flags", keeps))
    if parameter in (0, _ACKNOWLEDGE):
        return make_change("set_boot_option", lambda: None)
    if parameter != _BOOT_FLAGS:
        raise CommandError(Code.PARAMETER_NOT_SUPPORTED)
    return _set_boot_flags(bmc, call.require(6)[1:])


def _set_boot_flags(bmc: BMCState, flags: bytes) -> Operation:
    # WANBOOT marks a selector that this BMC does not support; IPMI has no selector of that name.
    """Return the operation that sets boot device and boot mode as *flags* say; raise CommandError if they are not supported."""
    device = DEVICES.get(flags[1] & 0x3C, BootDevice.WANBOOT)
    uefi = bool(flags[0] & _UEFI)
    if device is BootDevice.WANBOOT or (uefi and not bmc.options.uefi):
        raise CommandError(Code.INVALID_FIELD)
    if device is BootDevice.BIOS and not uefi and bmc.options.bios_needs_uefi:
        raise CommandError(Code.INVALID_FIELD)
    valid = bool(flags[0] & _VALID)
    persistent = bool(flags[0] & _PERSISTENT)

    def change() -> None:
        bmc.last_boot_flags = flags[:5]
        bmc.machine.set_boot_device(device if valid else None, persistent)
        if valid and device is not None:
            bmc.machine.set_boot_mode(BootMode.UEFI if uefi else BootMode.BIOS)
        bmc.boot_flags_set_at = bmc.rack.clock() if valid else None

    return make_change("set_boot_device", change, device=device and device.value, persistent=persistent, uefi=uefi)


def clear_expired_boot_flags(bmc: BMCState) -> None:
    """Clear the boot flags if no power command followed within 60 seconds.

    A BMC that keeps its boot flags does not clear them.
    """
    set_at = bmc.boot_flags_set_at
    if set_at is not None and not bmc.keeps_boot_flags and bmc.rack.clock() - set_at >= BOOT_FLAGS_LIFETIME_S:
        bmc.boot_flags_set_at = None
        bmc.machine.set_boot_device(None)


def _get_boot_option(call: Call) -> Operation:
    """Return the operation that reads a boot option; raise CommandError if the BMC does not support the option."""
    parameter, bmc = call.require(3)[0] & 0x7F, call.bmc
    readers: dict[int, Callable[[], bytes]] = {
        0: lambda: b"\x00",
        _VALID_BIT_CLEARING: lambda: bytes((_KEEP_ON_TIMEOUT if bmc.keeps_boot_flags else 0,)),
        _ACKNOWLEDGE: lambda: b"\x00\x00",
        _BOOT_FLAGS: lambda: _boot_flags(bmc),
    }
    if parameter not in readers:
        raise CommandError(Code.PARAMETER_NOT_SUPPORTED)
    name = "get_boot_device" if parameter == _BOOT_FLAGS else "get_boot_option"
    return Operation(name, lambda _: bytes((_PARAMETER_VERSION, parameter)) + readers[parameter]())


def _boot_flags(bmc: BMCState) -> bytes:
    """Return the five bytes of the boot flags that are in effect."""
    clear_expired_boot_flags(bmc)
    device, persistent = bmc.machine.boot_override
    if device is None and bmc.options.keeps_cleared_flags:
        return bytes((bmc.last_boot_flags[0] & ~_VALID & 0xFF,)) + bmc.last_boot_flags[1:]
    if device is None:
        return bytes(5)
    selector = next((number for number, known in DEVICES.items() if known is device), 0x00)
    uefi = _UEFI if bmc.machine.boot_mode is BootMode.UEFI else 0
    return bytes((_VALID | (_PERSISTENT if persistent else 0) | uefi, selector, 0, 0, 0))
