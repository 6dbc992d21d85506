"""Rules about what management can set: each is set, read back, and put back."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces.conformance.outcome import NotOffered, Violation, demand
from baremetal_interfaces.conformance.subject import Subject, at_the_end, failure
from baremetal_interfaces.errors import BareMetalError, InvalidInput, NotFound, NotSupported
from baremetal_interfaces.kinds.management import (
    BootModeControl,
    IndicatorControl,
    NMIControl,
    SecureBootControl,
    VirtualMediaControl,
)
from baremetal_interfaces.values import BootDevice, BootMode, IndicatorState, Kind, PowerState, VirtualMediaDevice

IMAGE = "http://192.0.2.1/conformance.iso"
"""An image that nobody has; a BMC that looks for it first refuses it."""

_KIND = Kind.MANAGEMENT


def boot_modes_are_set_and_read_back(subject: Subject) -> None:
    """Every declared boot mode can be set, and is read back; a machine may refuse one with NotSupported."""
    subject.capable(BootModeControl)
    declared = subject.management.supported_boot_modes  # type: ignore[attr-defined]
    demand(all(isinstance(mode, BootMode) for mode in declared), f"supported_boot_modes holds what is no BootMode: {declared}")
    _set_each(subject, "get_boot_mode", "set_boot_mode", sorted(declared))


def secure_boot_is_set_and_read_back(subject: Subject) -> None:
    """Secure boot can be enabled and disabled, and is read back."""
    subject.capable(SecureBootControl)
    _set_each(subject, "get_secure_boot", "set_secure_boot", [True, False])


def indicators_are_set_and_read_back(subject: Subject) -> None:
    """Every light takes the states that it is said to take, is read back, and one that is not there is refused."""
    subject.capable(IndicatorControl)
    lights = subject.task().call(_KIND, "get_supported_indicators")
    for component, indicators in lights.items():
        for indicator, described in indicators.items():
            state = subject.task().call(_KIND, "get_indicator_state", component, indicator)
            demand(isinstance(state, IndicatorState), f"get_indicator_state gives {state!r}, no IndicatorState")
            if not described.get("readonly"):
                states = [IndicatorState(one) for one in described.get("states", ())]
                _set_each(subject, "get_indicator_state", "set_indicator_state", states, component, indicator)
    error = failure(subject.task(), _KIND, "get_indicator_state", "no-such-component", "no-such-light")
    fits = isinstance(error, InvalidInput | NotFound | NotSupported)
    demand(fits, f"a light that is not there has a state, or is refused with {error!r} and not with InvalidInput")


def virtual_media_are_attached_and_detached(subject: Subject) -> None:
    """An image that is attached is told, and gone when it is detached, which may be repeated. What was there is put back."""
    subject.capable(VirtualMediaControl)
    before = _inserted(subject)
    free = [device for device in VirtualMediaDevice if device not in before]
    if not free:
        raise NotOffered("every drive holds an image")

    def empty() -> None:
        failure(subject.task(), _KIND, "detach_virtual_media", free)

    taken = False
    with at_the_end(empty):
        for device in free:
            error = failure(subject.task(), _KIND, "attach_virtual_media", device, IMAGE)
            if error is not None:
                continue
            taken = True
            demand(_inserted(subject).get(device) == IMAGE, f"{IMAGE} was attached as {device}, and is not told")
            for time in ("", " again"):
                error = failure(subject.task(), _KIND, "detach_virtual_media", [device])
                demand(error is None, f"detaching {device}{time} fails: {error}")
            demand(device not in _inserted(subject), f"{device} was detached, and an image is still told")
    if not taken:
        raise NotOffered(f"this BMC takes no image that it cannot fetch ({IMAGE})")


def undeclared_boot_device_is_not_set(subject: Subject) -> None:
    """A boot device that is not supported is refused, and the boot device stays as it was."""
    _ = subject.management
    supported = subject.task().call(_KIND, "get_supported_boot_devices")
    others = sorted(set(BootDevice) - supported)
    if not others:
        raise NotOffered("every boot device of the contract is supported")
    before = subject.task().call(_KIND, "get_boot_device")
    with subject.boot_device_left_as_found():
        for device in others:
            error = failure(subject.task(), _KIND, "set_boot_device", device)
            after = subject.task().call(_KIND, "get_boot_device")
            kept = error is not None or after == before
            demand(kept, f"{device} is not among the supported boot devices, and was set: {after}")


def interrupt_is_sent(subject: Subject) -> None:
    """A non-maskable interrupt is taken by a machine that runs. It may crash the running system: only where that is allowed."""
    subject.capable(NMIControl)
    if not subject.destructive:
        raise NotOffered("it may crash the running system, and nobody allowed that (--destructive)")
    with subject.power_left_as_found() as found:
        if found is not PowerState.ON:
            subject.task().power.set(PowerState.ON)
        error = failure(subject.task(), _KIND, "inject_nmi")
        if isinstance(error, NotSupported):
            raise NotOffered(str(error))
        demand(error is None, f"the interrupt is offered, and sending it fails: {error}")


def _set_each(subject: Subject, getter: str, setter: str, values: list[Any], *names: Any) -> None:
    """Set each of *values*, read it back, and put back what was there."""
    try:
        found = subject.task().call(_KIND, getter, *names)
    except NotSupported as exc:
        raise NotOffered(str(exc)) from None

    def put_back() -> None:
        if found in values and subject.task().call(_KIND, getter, *names) != found:
            subject.task().call(_KIND, setter, *names, found)

    taken = False
    with at_the_end(put_back):
        for value in values:
            try:
                subject.task().call(_KIND, setter, *names, value)
            except NotSupported:
                continue
            except BareMetalError as exc:
                raise Violation(f"{setter}: {value!r} is offered, and setting it fails: {exc}") from None
            taken = True
            again = subject.task().call(_KIND, getter, *names)
            demand(again == value, f"{setter}: {value!r} was set, and {again!r} is read back")
    if not taken and values:
        raise NotOffered(f"this machine refuses everything that {setter} could set")


def _inserted(subject: Subject) -> dict[VirtualMediaDevice, Any]:
    """Device -> image, of what is inserted."""
    try:
        told = subject.task().call(_KIND, "get_virtual_media")
    except NotSupported as exc:
        raise NotOffered(str(exc)) from None
    inserted = [one for one in told if one["inserted"]]
    return {device: one["image"] for one in inserted for device in VirtualMediaDevice if device.value in _types(one)}


def _types(drive: Any) -> set[str]:
    """The media types of a drive in the words of the contract; BMCs say "CD" and "USBStick", too."""
    words = {"cd": "cdrom", "dvd": "cdrom", "usbstick": "disk"}
    return {words.get(str(one).lower(), str(one).lower()) for one in drive["media_types"]}
