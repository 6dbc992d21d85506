"""Everything that the contract lets anybody ask, and what an answer has to look like."""

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
"""The mix-ins by which an interface says what only some machines have."""

OBSERVABLE = (PowerState.ON, PowerState.OFF, PowerState.UNKNOWN)
_UNIQUE = "names one more than once"


class Read(NamedTuple):
    """One question: the *method* of an interface of *kind*, which mix-in offers it, and what is *wrong* with an answer.

    *asks* says whether it can only be answered by the BMC; *wrong* gives a text, or None where the answer is right.
    """

    what: str
    kind: Kind
    method: str
    capability: type | None
    wrong: Callable[[Any], str | None]
    asks: bool = True


def _is(expected: type) -> Callable[[Any], str | None]:
    def wrong(answer: Any) -> str | None:
        return None if type(answer) is expected or isinstance(answer, expected) else f"{answer!r} is no {expected.__name__}"

    return wrong


def _power(answer: Any) -> str | None:
    fits = isinstance(answer, PowerState) and answer in OBSERVABLE
    return None if fits else f"{answer!r} is not PowerState.ON, OFF or UNKNOWN"


def _devices(answer: Any) -> str | None:
    if not isinstance(answer, frozenset):
        return f"{answer!r} is no frozenset"
    others = [one for one in answer if not isinstance(one, BootDevice)]
    return f"it holds what is no BootDevice: {others}" if others else None


def _setting(answer: Any) -> str | None:
    if not isinstance(answer, BootDeviceSetting):
        return f"{answer!r} is no BootDeviceSetting"
    fits = answer.device is None or isinstance(answer.device, BootDevice)
    return None if fits else f"its device {answer.device!r} is no BootDevice"


def _health(answer: Any) -> str | None:
    return None if answer is None or isinstance(answer, Health) else f"{answer!r} is neither a Health nor None"


def _named(expected: type, name: str) -> Callable[[Any], str | None]:
    def wrong(answer: Any) -> str | None:
        if isinstance(answer, str) or not isinstance(answer, Sequence):
            return f"{answer!r} is no sequence"
        others = [one for one in answer if not isinstance(one, expected)]
        if others:
            return f"it holds what is no {expected.__name__}: {others[:3]}"
        names = [getattr(one, name) for one in answer]
        return None if len(names) == len(set(names)) else f"{_UNIQUE}: {sorted(names)}"

    return wrong


def _nested(depth: int) -> Callable[[Any], str | None]:
    def wrong(answer: Any, left: int = depth) -> str | None:
        if not isinstance(answer, Mapping):
            return f"{answer!r} is no mapping"
        if any(not isinstance(name, str) for name in answer):
            return f"its names are not all text: {list(answer)[:3]}"
        found = (wrong(one, left - 1) for one in answer.values()) if left > 1 else ()
        return next((text for text in found if text), None)

    return wrong


def _objects(*names: str) -> Callable[[Any], str | None]:
    def wrong(answer: Any) -> str | None:
        if isinstance(answer, str) or not isinstance(answer, Sequence):
            return f"{answer!r} is no sequence"
        for one in answer:
            if not isinstance(one, Mapping) or not set(names) <= set(one):
                return f"{one!r} does not have {', '.join(names)}"
        return None

    return wrong


READS: tuple[Read, ...] = (
    Read("the power state", Kind.POWER, "get_power_state", None, _power),
    Read("supported boot devices", Kind.MANAGEMENT, "get_supported_boot_devices", None, _devices, asks=False),
    Read("the boot device", Kind.MANAGEMENT, "get_boot_device", None, _setting),
    Read("the boot mode", Kind.MANAGEMENT, "get_boot_mode", BootModeControl, _is(BootMode)),
    Read("secure boot", Kind.MANAGEMENT, "get_secure_boot", SecureBootControl, _is(bool)),
    Read("supported indicators", Kind.MANAGEMENT, "get_supported_indicators", IndicatorControl, _nested(3), asks=False),
    Read("sensors", Kind.MANAGEMENT, "get_sensors_data", SensorReport, _nested(3)),
    Read("health", Kind.MANAGEMENT, "get_node_health", HealthReport, _health),
    Read(
        "virtual media",
        Kind.MANAGEMENT,
        "get_virtual_media",
        VirtualMediaControl,
        _objects("media_types", "inserted", "image"),
    ),
    Read("BIOS settings", Kind.BIOS, "get_settings", None, _named(BIOSSetting, "name")),
    Read("firmware components", Kind.FIRMWARE, "get_components", None, _named(FirmwareComponent, "component")),
    Read("VIFs", Kind.NETWORK, "vif_list", None, _objects("id"), asks=False),
    Read("whether storage wants an image", Kind.STORAGE, "should_write_image", None, _is(bool), asks=False),
)
"""All questions, in the order of the kinds."""
