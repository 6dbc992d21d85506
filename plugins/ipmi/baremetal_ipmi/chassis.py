"""The chassis commands: power and boot device (IPMI 2.0, chapter 28)."""

from __future__ import annotations

from enum import IntEnum

from baremetal_interfaces import BootDevice, BootDeviceSetting, Deadline, IndicatorState, NotSupported, PowerState
from baremetal_ipmi.errors import CommandRefused, IPMIError
from baremetal_ipmi.session import IPMISession

_CHASSIS = 0x00
_GET_STATUS, _CONTROL, _IDENTIFY, _SET_BOOT_OPTIONS, _GET_BOOT_OPTIONS = 0x01, 0x02, 0x04, 0x08, 0x09
_IDENTIFY_TOLD = 0x40
_LONGEST_IDENTIFY = 0xFF
_WRONG_LENGTH, _INVALID_FIELD = 0xC7, 0xCC
_VALID_BIT_CLEARING, _BOOT_FLAGS = 3, 5
_KEEP_WITHOUT_POWER_COMMAND = 0x08
_VALID, _PERSISTENT, _UEFI = 0x80, 0x40, 0x20
_LOCKED = 0x80
_DEVICE_MASK = 0x3C

_SELECTORS = {
    BootDevice.PXE: 0x04,
    BootDevice.DISK: 0x08,
    BootDevice.SAFE: 0x0C,
    BootDevice.CDROM: 0x14,
    BootDevice.BIOS: 0x18,
}
_DEVICES = {selector: device for device, selector in _SELECTORS.items()}

BOOT_DEVICES = frozenset(_SELECTORS)
"""What the boot flags can name. A BMC may refuse some of them, and cannot be asked which."""


_LIGHTS = {0: IndicatorState.OFF, 1: IndicatorState.BLINKING, 2: IndicatorState.ON}


class Control(IntEnum):
    """What the chassis can be told to do."""

    POWER_DOWN = 0
    POWER_UP = 1
    HARD_RESET = 3
    DIAGNOSTIC_INTERRUPT = 4
    SOFT_SHUTDOWN = 5


def power_state(session: IPMISession, deadline: Deadline) -> PowerState:
    """Ask whether the power is on."""
    answer = session.request(_CHASSIS, _GET_STATUS, deadline=deadline)
    if not answer:
        raise IPMIError("the chassis status is empty")
    return PowerState.ON if answer[0] & 1 else PowerState.OFF


def control(session: IPMISession, action: Control, deadline: Deadline) -> None:
    """Do something to the power."""
    session.request(_CHASSIS, _CONTROL, [action], deadline=deadline)


def interrupt(session: IPMISession, deadline: Deadline) -> None:
    """Send the diagnostic interrupt, which a chassis need not have."""
    try:
        control(session, Control.DIAGNOSTIC_INTERRUPT, deadline)
    except CommandRefused as exc:
        if exc.code != _INVALID_FIELD:
            raise
        raise NotSupported(f"the machine cannot be sent an interrupt: {exc}") from None


def light(session: IPMISession, deadline: Deadline) -> IndicatorState:
    """Ask for the light that identifies the machine; ``BLINKING`` is for a while, ``UNKNOWN`` where the BMC does not say."""
    answer = session.request(_CHASSIS, _GET_STATUS, deadline=deadline)
    if len(answer) < 3 or not answer[2] & _IDENTIFY_TOLD:
        return IndicatorState.UNKNOWN
    return _LIGHTS.get(answer[2] >> 4 & 0x03, IndicatorState.UNKNOWN)


def set_light(session: IPMISession, on: bool, deadline: Deadline) -> None:
    """Switch the light on, until it is switched off where the BMC knows that and else for four minutes; or off."""
    try:
        session.request(_CHASSIS, _IDENTIFY, [0, 1] if on else [0], deadline=deadline)
    except CommandRefused as exc:
        if not on or exc.code not in (_WRONG_LENGTH, _INVALID_FIELD):
            raise
        session.request(_CHASSIS, _IDENTIFY, [_LONGEST_IDENTIFY], deadline=deadline)


def set_boot_device(session: IPMISession, device: BootDevice, *, persistent: bool, uefi: bool, deadline: Deadline) -> None:
    """Boot from *device* the next time or every time, in UEFI mode where *uefi* is set."""
    flags = _VALID | (_PERSISTENT if persistent else 0) | (_UEFI if uefi else 0)
    session.request(_CHASSIS, _SET_BOOT_OPTIONS, [_BOOT_FLAGS, flags, _SELECTORS[device], 0, 0, 0], deadline=deadline)


def keep_boot_device(session: IPMISession, deadline: Deadline) -> None:
    """Let boot flags live on when no power command follows them within 60 seconds."""
    session.request(_CHASSIS, _SET_BOOT_OPTIONS, [_VALID_BIT_CLEARING, _KEEP_WITHOUT_POWER_COMMAND], deadline=deadline)


def boot_device(session: IPMISession, deadline: Deadline) -> BootDeviceSetting:
    """Ask what the boot flags name; nothing where they are not valid or name what has no word here."""
    answer = session.request(_CHASSIS, _GET_BOOT_OPTIONS, [_BOOT_FLAGS, 0, 0], deadline=deadline)
    if len(answer) < 4:
        raise IPMIError(f"the boot flags are {len(answer)} bytes long, and have to be 4 or more")
    parameter, flags, selector = answer[1:4]
    if parameter & _LOCKED or not flags & _VALID:
        return BootDeviceSetting(device=None, persistent=None)
    return BootDeviceSetting(device=_DEVICES.get(selector & _DEVICE_MASK), persistent=bool(flags & _PERSISTENT))
