"""All reads that the contract defines, with a check for each answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from baremetal_interfaces.kinds.management import (
    BootModeControl,
    HealthReport,
    IndicatorControl,
    NMIControl,
    SecureBootControl,
    SensorReport,
    VirtualMediaControl,
)
from baremetal_interfaces.kinds.power import PowerSampling
from baremetal_interfaces.values import (
    BIOSSetting,
    BootDevice,
    BootDeviceSetting,
    BootMode,
    FirmwareComponent,
    Health,
    Kind,
    PowerState,
)

CAPABILITIES: dict[Kind, tuple[type, ...]] = {
    Kind.POWER: (PowerSampling,),
    Kind.MANAGEMENT: (
        BootModeControl,
        SecureBootControl,
        NMIControl,
        IndicatorControl,
        SensorReport,
        HealthReport,
        VirtualMediaControl,
    ),
}
"""Kind -> mix-ins for its optional capabilities."""

OBSERVABLE = (PowerState.ON, PowerState.OFF, PowerState.UNKNOWN)
"""The power states that a driver may report."""

_REPEATED = "names an element more than once"


class Read(NamedTuple):
    """A read: a *method* of an interface of *kind*, and the mix-in (*capability*) that offers it, or None.

    *what* names the value. *wrong* returns the problem of an answer, or None if the answer is valid. *asks* is True if only
    the BMC can answer.
    """

    what: str
    kind: Kind
    method: str
    capability: type | None
    wrong: Callable[[Any], str | None]
    asks: bool = True


def _check_type(expected: type) -> Callable[[Any], str | None]:
    def wrong(answer: Any) -> str | None:
        return None if type(answer) is expected or isinstance(answer, expected) else f"{answer!r} is not a {expected.__name__}"

    return wrong


def _check_power(answer: Any) -> str | None:
    fits = isinstance(answer, PowerState) and answer in OBSERVABLE
    return None if fits else f"{answer!r} is not PowerState.ON, OFF or UNKNOWN"


def _check_devices(answer: Any) -> str | None:
    if not isinstance(answer, frozenset):
        return f"{answer!r} is not a frozenset"
    others = [device for device in answer if not isinstance(device, BootDevice)]
    return f"it contains values that are not a BootDevice: {others}" if others else None


def _check_setting(answer: Any) -> str | None:
    if not isinstance(answer, BootDeviceSetting):
        return f"{answer!r} is not a BootDeviceSetting"
    fits = answer.device is None or isinstance(answer.device, BootDevice)
    return None if fits else f"its device {answer.device!r} is not a BootDevice"


def _check_health(answer: Any) -> str | None:
    return None if answer is None or isinstance(answer, Health) else f"{answer!r} is neither a Health nor None"


def _check_list(expected: type, name: str) -> Callable[[Any], str | None]:
    def wrong(answer: Any) -> str | None:
        if isinstance(answer, str) or not isinstance(answer, Sequence):
            return f"{answer!r} is not a sequence"
        others = [element for element in answer if not isinstance(element, expected)]
        if others:
            return f"it contains values that are not a {expected.__name__}: {others[:3]}"
        names = [getattr(element, name) for element in answer]
        return None if len(names) == len(set(names)) else f"{_REPEATED}: {sorted(names)}"

    return wrong


def _check_mapping(depth: int) -> Callable[[Any], str | None]:
    def wrong(answer: Any, left: int = depth) -> str | None:
        if not isinstance(answer, Mapping):
            return f"{answer!r} is not a mapping"
        if any(not isinstance(name, str) for name in answer):
            return f"some of its keys are not text: {list(answer)[:3]}"
        found = (wrong(value, left - 1) for value in answer.values()) if left > 1 else ()
        return next((text for text in found if text), None)

    return wrong


def _check_objects(*names: str) -> Callable[[Any], str | None]:
    def wrong(answer: Any) -> str | None:
        if isinstance(answer, str) or not isinstance(answer, Sequence):
            return f"{answer!r} is not a sequence"
        for element in answer:
            if not isinstance(element, Mapping) or not set(names) <= set(element):
                return f"{element!r} does not have all of {', '.join(names)}"
        return None

    return wrong


READS: tuple[Read, ...] = (
    Read("the power state", Kind.POWER, "get_power_state", None, _check_power),
    Read("supported boot devices", Kind.MANAGEMENT, "get_supported_boot_devices", None, _check_devices, asks=False),
    Read("the boot device", Kind.MANAGEMENT, "get_boot_device", None, _check_setting),
    Read("the boot mode", Kind.MANAGEMENT, "get_boot_mode", BootModeControl, _check_type(BootMode)),
    Read("secure boot", Kind.MANAGEMENT, "get_secure_boot", SecureBootControl, _check_type(bool)),
    Read("supported indicators", Kind.MANAGEMENT, "get_supported_indicators", IndicatorControl, _check_mapping(3), asks=False),
    Read("sensors", Kind.MANAGEMENT, "get_sensors_data", SensorReport, _check_mapping(3)),
    Read("health", Kind.MANAGEMENT, "get_node_health", HealthReport, _check_health),
    Read(
        "virtual media",
        Kind.MANAGEMENT,
        "get_virtual_media",
        VirtualMediaControl,
        _check_objects("media_types", "inserted", "image"),
    ),
    Read("BIOS settings", Kind.BIOS, "get_settings", None, _check_list(BIOSSetting, "name")),
    Read("firmware components", Kind.FIRMWARE, "get_components", None, _check_list(FirmwareComponent, "component")),
    Read("VIFs", Kind.NETWORK, "vif_list", None, _check_objects("id"), asks=False),
    Read("the need for an image on a local disk", Kind.STORAGE, "should_write_image", None, _check_type(bool), asks=False),
)
"""All reads, in the order of the kinds."""
