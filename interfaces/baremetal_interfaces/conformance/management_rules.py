"""Rules about settings of the management interface: each is set, read back, and restored."""

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

IMAGE_URL = "http://192.0.2.1/conformance.iso"
"""URL of an image that does not exist (RFC 5737). A BMC that checks images before it attaches them refuses it."""

_KIND = Kind.MANAGEMENT


def boot_modes_are_set_and_read_back(subject: Subject) -> None:
    """Each declared boot mode can be set and reads back as set; a machine may refuse modes with NotSupported."""
    subject.capable(BootModeControl)
    declared = subject.management.supported_boot_modes  # type: ignore[attr-defined]
    demand(
        all(isinstance(mode, BootMode) for mode in declared),
        f"supported_boot_modes contains values that are not a BootMode: {declared}",
    )
    _set_each(subject, "get_boot_mode", "set_boot_mode", sorted(declared))


def secure_boot_is_set_and_read_back(subject: Subject) -> None:
    """Secure boot can be enabled and disabled, and reads back as set."""
    subject.capable(SecureBootControl)
    _set_each(subject, "get_secure_boot", "set_secure_boot", [True, False])


def indicators_are_set_and_read_back(subject: Subject) -> None:
    """Each indicator light can be set to its declared states and reads back as set; an unknown light is refused."""
    subject.capable(IndicatorControl)
    lights = subject.task().call(_KIND, "get_supported_indicators")
    for component, indicators in lights.items():
        for indicator, described in indicators.items():
            state = subject.task().call(_KIND, "get_indicator_state", component, indicator)
            demand(isinstance(state, IndicatorState), f"get_indicator_state gives {state!r}, not an IndicatorState")
            if not described.get("readonly"):
                states = [IndicatorState(state) for state in described.get("states", ())]
                _set_each(subject, "get_indicator_state", "set_indicator_state", states, component, indicator)
    error = failure(subject.task(), _KIND, "get_indicator_state", "no-such-component", "no-such-light")
    fits = isinstance(error, InvalidInput | NotFound | NotSupported)
    demand(fits, f"a light that does not exist has a state, or is refused with {error!r} instead of InvalidInput")


def virtual_media_are_attached_and_detached(subject: Subject) -> None:
    """An attached image is reported, a detached image is not, and a repeated detach is not an error."""
    subject.capable(VirtualMediaControl)
    before = _read_inserted(subject)
    free = [device for device in VirtualMediaDevice if device not in before]
    if not free:
        raise NotOffered("each virtual drive already contains an image, and the rule does not replace it")

    def detach_all() -> None:
        failure(subject.task(), _KIND, "detach_virtual_media", free)

    accepted = False
    with at_the_end(detach_all):
        for device in free:
            error = failure(subject.task(), _KIND, "attach_virtual_media", device, IMAGE_URL)
            if error is not None:
                continue
            accepted = True
            demand(_read_inserted(subject).get(device) == IMAGE_URL, f"{IMAGE_URL} was attached as {device}, and is not reported")
            for again in ("", " again"):
                error = failure(subject.task(), _KIND, "detach_virtual_media", [device])
                demand(error is None, f"detaching {device}{again} fails: {error}")
            demand(device not in _read_inserted(subject), f"{device} was detached, and an image is still reported")
    if not accepted:
        raise NotOffered(f"this BMC accepts no image that it cannot fetch ({IMAGE_URL})")


def undeclared_boot_device_is_not_set(subject: Subject) -> None:
    """An unsupported boot device is refused, and the boot device does not change."""
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
    """A running machine accepts a non-maskable interrupt. The rule needs permission, because it may crash the system."""
    subject.capable(NMIControl)
    if not subject.destructive:
        raise NotOffered("the rule was not checked: the interrupt may crash the running system; permit it with --destructive")
    with subject.power_left_as_found() as found:
        if found is not PowerState.ON:
            subject.task().power.set(PowerState.ON)
        error = failure(subject.task(), _KIND, "inject_nmi")
        if isinstance(error, NotSupported):
            raise NotOffered(str(error))
        demand(error is None, f"the interrupt is offered, and sending it fails: {error}")


def _set_each(subject: Subject, getter: str, setter: str, values: list[Any], *names: Any) -> None:
    """Set each of *values* and read it back; finally restore the original value. *names* select the setting."""
    try:
        found = subject.task().call(_KIND, getter, *names)
    except NotSupported as exc:
        raise NotOffered(str(exc)) from None

    def put_back() -> None:
        if found in values and subject.task().call(_KIND, getter, *names) != found:
            subject.task().call(_KIND, setter, *names, found)

    accepted = False
    with at_the_end(put_back):
        for value in values:
            try:
                subject.task().call(_KIND, setter, *names, value)
            except NotSupported:
                continue
            except BareMetalError as exc:
                raise Violation(f"{setter}: {value!r} is offered, and setting it fails: {exc}") from None
            accepted = True
            again = subject.task().call(_KIND, getter, *names)
            demand(again == value, f"{setter}: {value!r} was set, and {again!r} is read back")
    if not accepted and values:
        raise NotOffered(f"this machine refuses all values of {setter}")


def _read_inserted(subject: Subject) -> dict[VirtualMediaDevice, Any]:
    """Return the inserted images: device -> image."""
    try:
        drives = subject.task().call(_KIND, "get_virtual_media")
    except NotSupported as exc:
        raise NotOffered(str(exc)) from None
    inserted = [drive for drive in drives if drive["inserted"]]
    return {device: drive["image"] for drive in inserted for device in VirtualMediaDevice if device.value in _media_types(drive)}


def _media_types(drive: Any) -> set[str]:
    """Return the media types of a drive as words of the contract. BMCs also use "CD", "DVD" and "USBStick"."""
    words = {"cd": "cdrom", "dvd": "cdrom", "usbstick": "disk"}
    return {words.get(name, name) for name in (str(media_type).lower() for media_type in drive["media_types"])}
