"""Rules about reads: repeated reads return values of the types of the contract, and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from baremetal_interfaces.conformance.outcome import NotOffered, Violation, demand
from baremetal_interfaces.conformance.reads import CAPABILITIES, READS, Read
from baremetal_interfaces.conformance.subject import Subject, failure
from baremetal_interfaces.errors import BareMetalError, InvalidInput, NotSupported
from baremetal_interfaces.values import Kind

_REPEATS = 3


_NAMES: Mapping[str, str] = {
    "get_power_state": "power_state_is_read",
    "get_supported_boot_devices": "supported_boot_devices_are_told",
    "get_boot_device": "boot_device_is_read",
    "get_boot_mode": "boot_mode_is_read",
    "get_secure_boot": "secure_boot_is_read",
    "get_supported_indicators": "indicators_are_told",
    "get_sensors_data": "sensors_are_read",
    "get_node_health": "health_is_read",
    "get_virtual_media": "virtual_media_are_told",
    "get_settings": "bios_settings_are_read",
    "get_components": "firmware_components_are_read",
    "vif_list": "vifs_are_listed",
    "should_write_image": "storage_says_whether_it_wants_an_image",
}
"""Method of a read -> name of its rule."""


def _rule(read: Read) -> Callable[[Subject], None]:
    """Return the rule that repeats one read and checks the type of each answer."""

    def rule(subject: Subject) -> None:
        subject.interface(read.kind)
        if read.capability is not None:
            subject.capable(read.capability)
        for _ in range(_REPEATS):
            try:
                answer = subject.task().call(read.kind, read.method)
            except NotSupported as exc:
                raise NotOffered(str(exc)) from None
            except BareMetalError as exc:
                raise Violation(f"{read.method} fails: {exc}") from None
            wrong = read.wrong(answer)
            demand(wrong is None, f"{read.method}: {wrong}")

    rule.__name__ = _NAMES[read.method]
    rule.__doc__ = f"Repeated reads of {read.what} return values of the right type."
    return rule


READING_RULES: tuple[Callable[[Subject], None], ...] = tuple(_rule(read) for read in READS)
"""A rule for each read of the contract."""


def asking_changes_nothing(subject: Subject) -> None:
    """Reads and validation change neither the power state, nor the boot device, nor any other setting."""
    before = subject.snapshot()
    for read in subject.reads():
        failure(subject.task(), read.kind, read.method)
    for kind in subject.interfaces:
        failure(subject.task(), kind, "validate")
    after = subject.snapshot()
    changed = [f"{name}: {before[name]} before, {after.get(name)} after" for name in before if after.get(name) != before[name]]
    demand(not changed, f"reads changed settings of the machine: {'; '.join(changed)}")


def capabilities_are_declared(subject: Subject) -> None:
    """An interface with a method of an optional capability inherits its mix-in; otherwise the runtime never calls it."""
    for kind, capabilities in CAPABILITIES.items():
        interface = subject.interfaces.get(kind)
        for capability in capabilities if interface is not None else ():
            methods = [name for name in capability.__abstractmethods__ if hasattr(interface, name)]  # type: ignore[attr-defined]
            declared = isinstance(interface, capability)
            name = type(interface).__name__
            demand(declared or not methods, f"{name} has {', '.join(methods)} and does not inherit {capability.__name__}")


def what_is_not_offered_is_not_supported(subject: Subject) -> None:
    """If validate() of an interface raises NotSupported, its reads do too; so do methods of undeclared management mix-ins."""
    refused = False
    for kind, interface in subject.interfaces.items():
        error = failure(subject.task(), kind, "validate")
        if error is not None and not isinstance(error, InvalidInput | NotSupported):
            raise Violation(f"validate() of {kind} raises {type(error).__name__}: {error}")
        if not isinstance(error, NotSupported):
            continue
        refused = True
        for read in (read for read in subject.reads() if read.kind is kind):
            again = failure(subject.task(), kind, read.method)
            fits = isinstance(again, NotSupported)
            demand(fits, f"validate() of {type(interface).__name__} raises NotSupported, and {read.method} ends with {again!r}")
    management = subject.interfaces.get(Kind.MANAGEMENT)
    if not refused and all(isinstance(management, capability) for capability in CAPABILITIES[Kind.MANAGEMENT]):
        raise NotOffered("the plugin supports all its kinds and all mix-ins, so that it has no method that must be refused")
    for capability in CAPABILITIES[Kind.MANAGEMENT]:
        if Kind.MANAGEMENT in subject.interfaces and not isinstance(subject.management, capability):
            for name in capability.__abstractmethods__:  # type: ignore[attr-defined]
                error = failure(subject.task(), Kind.MANAGEMENT, name)
                demand(isinstance(error, NotSupported), f"{capability.__name__} is not offered, and {name} ends with {error!r}")
