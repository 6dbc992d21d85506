"""Chassis commands: power, boot flags and identify light (IPMI 2.0, chapter 28)."""

from __future__ import annotations

from enum import IntEnum

from baremetal_interfaces import BootDevice, BootDeviceSetting, Deadline, IndicatorState, NotSupported, PowerState
from baremetal_ipmi.errors import CommandRefused, IPMIError
from baremetal_ipmi.session import IPMISession

_CHASSIS = 0x00
_GET_STATUS, _CONTROL, _IDENTIFY, _SET_BOOT_OPTIONS, _GET_BOOT_OPTIONS = 0x01, 0x02, 0x04, 0x08, 0x09
_IDENTIFY_SUPPORTED = 0x40
_MAX_IDENTIFY_S = 0xFF
_WRONG_LENGTH, _INVALID_FIELD = 0xC7, 0xCC
_VALID_BIT_CLEARING, _BOOT_FLAGS = 3, 5
_KEEP_WITHOUT_POWER_COMMAND = 0x08
_VALID, _PERSISTENT, _UEFI = 0x80, 0x40, 0x20
_PARAMETER_LOCKED = 0x80
_DEVICE_MASK = 0x3C

_DEVICE_SELECTORS = {
    BootDevice.PXE: 0x04,
    BootDevice.DISK: 0x08,
    BootDevice.SAFE: 0x0C,
    BootDevice.CDROM: 0x14,
    BootDevice.BIOS: 0x18,
}
_DEVICES = {selector: device for device, selector in _DEVICE_SELECTORS.items()}

BOOT_DEVICES = frozenset(_DEVICE_SELECTORS)
"""Devices that the boot flags can name. A BMC may refuse some of them, and IPMI has no command that lists the others."""


_LIGHT_STATES = {0: IndicatorState.OFF, 1: IndicatorState.BLINKING, 2: IndicatorState.ON}


class Control(IntEnum):
    """Actions of the Chassis Control command (table 28-4)."""

    POWER_DOWN = 0
    POWER_UP = 1
    HARD_RESET = 3
    DIAGNOSTIC_INTERRUPT = 4
    SOFT_SHUTDOWN = 5


def get_power_state(session: IPMISession, deadline: Deadline) -> PowerState:
    """Return the power state of the chassis, on or off. Raises IPMIError for an empty status."""
    answer = session.request(_CHASSIS, _GET_STATUS, deadline=deadline)
    if not answer:
        raise IPMIError("the power state cannot be read: the BMC's response has no chassis status")
    return PowerState.ON if answer[0] & 1 else PowerState.OFF


def send_control(session: IPMISession, action: Control, deadline: Deadline) -> None:
    """Send a Chassis Control command. Return when the BMC has accepted the command, perhaps before it takes effect."""
    session.request(_CHASSIS, _CONTROL, [action], deadline=deadline)


def send_interrupt(session: IPMISession, deadline: Deadline) -> None:
    """Send the diagnostic interrupt. Raises NotSupported if the chassis has none, because IPMI does not require it."""
    try:
        send_control(session, Control.DIAGNOSTIC_INTERRUPT, deadline)
    except CommandRefused as exc:
        if exc.code != _INVALID_FIELD:
            raise
        raise NotSupported(f"the BMC does not support NMI: {exc}") from None


def get_light(session: IPMISession, deadline: Deadline) -> IndicatorState:
    """Return the state of the identify light.

    ``BLINKING`` stands for a light that is on for a limited time, ``UNKNOWN`` for a BMC that does not report the light.
    """
    answer = session.request(_CHASSIS, _GET_STATUS, deadline=deadline)
    if len(answer) < 3 or not answer[2] & _IDENTIFY_SUPPORTED:
        return IndicatorState.UNKNOWN
    return _LIGHT_STATES.get(answer[2] >> 4 & 0x03, IndicatorState.UNKNOWN)


def set_light(session: IPMISession, on: bool, deadline: Deadline) -> None:
    """Switch the identify light on or off.

    The light stays on until it is switched off. A BMC without that option lights it for the longest possible time, 255
    seconds.
    """
    try:
        session.request(_CHASSIS, _IDENTIFY, [0, 1] if on else [0], deadline=deadline)
    except CommandRefused as exc:
        if not on or exc.code not in (_WRONG_LENGTH, _INVALID_FIELD):
            raise
        session.request(_CHASSIS, _IDENTIFY, [_MAX_IDENTIFY_S], deadline=deadline)


def set_boot_device(session: IPMISession, device: BootDevice, *, persistent: bool, uefi: bool, deadline: Deadline) -> None:
    """Set the boot flags to *device*: for every boot if *persistent*, else for the next one; in UEFI mode if *uefi*."""
    flags = _VALID | (_PERSISTENT if persistent else 0) | (_UEFI if uefi else 0)
    session.request(_CHASSIS, _SET_BOOT_OPTIONS, [_BOOT_FLAGS, flags, _DEVICE_SELECTORS[device], 0, 0, 0], deadline=deadline)


def keep_boot_device(session: IPMISession, deadline: Deadline) -> None:
    """Disable the BMC's timeout that clears the boot flags if no power command follows within 60 seconds."""
    session.request(_CHASSIS, _SET_BOOT_OPTIONS, [_VALID_BIT_CLEARING, _KEEP_WITHOUT_POWER_COMMAND], deadline=deadline)


def get_boot_device(session: IPMISession, deadline: Deadline) -> BootDeviceSetting:
    """Return the boot device in the boot flags.

    Both values are None if the flags are not valid. The device is None if the contract has no name for it.
    """
    answer = session.request(_CHASSIS, _GET_BOOT_OPTIONS, [_BOOT_FLAGS, 0, 0], deadline=deadline)
    if len(answer) < 4:
        raise IPMIError(f"the boot device cannot be read: the BMC's response has {len(answer)} bytes, and 4 or more are required")
    parameter, flags, selector = answer[1:4]
    if parameter & _PARAMETER_LOCKED or not flags & _VALID:
        return BootDeviceSetting(device=None, persistent=None)
    return BootDeviceSetting(device=_DEVICES.get(selector & _DEVICE_MASK), persistent=bool(flags & _PERSISTENT))
