"""Rules about the other kinds of interface: boot, inspect, BIOS, RAID, firmware, console, rescue, network, storage, vendor."""

from __future__ import annotations

import inspect
import re
from typing import Any

from baremetal_interfaces.conformance.outcome import NotOffered, Violation, demand
from baremetal_interfaces.conformance.subject import Subject, at_the_end, failure
from baremetal_interfaces.errors import BareMetalError, Conflict, DriverError, InvalidInput, NotSupported
from baremetal_interfaces.kinds.network import NetworkPurpose
from baremetal_interfaces.kinds.raid import RAIDInterface
from baremetal_interfaces.kinds.vendor import VendorInterface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import ConsoleAccess, Inspection, Kind

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}\Z")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_WRONG_DISKS = {"logical_disks": [{"size_gb": -1, "raid_level": "no such level"}]}
_ALLOW = "it cannot be put back, and nobody allowed it (--destructive)"


def boot_is_prepared_and_undone(subject: Subject) -> None:
    """A boot is prepared, or the error names what the node lacks; undoing it, and undoing it again, is no error."""
    subject.interface(Kind.BOOT)
    with _everything_left_as_found(subject):
        refusals = [_prepared(subject, "prepare_instance"), _prepared(subject, "prepare_ramdisk", {})]
        for method in ("clean_up_instance", "clean_up_ramdisk") * 2:
            error = failure(subject.task(), Kind.BOOT, method)
            demand(error is None or isinstance(error, NotSupported), f"{method} fails: {error}")
    if all(refusals):
        raise NotOffered(str(refusals[0]))


def inspection_finds_what_can_be_stored(subject: Subject) -> None:
    """An inspection gives an Inspection with properties and MAC addresses, or waits for one; power is left as it was."""
    subject.interface(Kind.INSPECT)
    with subject.power_left_as_found():
        found = _answer(subject, Kind.INSPECT, "inspect")
        if isinstance(found, Wait):
            failure(subject.task(), Kind.INSPECT, "abort")
            return
    demand(isinstance(found, Inspection), f"inspect gives {found!r}, neither an Inspection nor a Wait")
    wrong = [port.address for port in found.ports if not _MAC.match(port.address)]
    demand(not wrong, f"these are no MAC addresses in lower case with colons: {wrong}")
    addresses = [port.address for port in found.ports]
    demand(len(addresses) == len(set(addresses)), f"a port is told more than once: {sorted(addresses)}")


def unknown_bios_setting_is_refused(subject: Subject) -> None:
    """A setting that the machine does not have is refused with InvalidInput, and nothing is changed."""
    before = {one.name: one.value for one in _answer(subject, Kind.BIOS, "get_settings")}
    error = failure(subject.task(), Kind.BIOS, "apply_configuration", [{"name": "NoSuchSetting9", "value": "x"}])
    demand(isinstance(error, InvalidInput), f"a setting that does not exist is applied, or ends with {error!r}")
    after = {one.name: one.value for one in _answer(subject, Kind.BIOS, "get_settings")}
    demand(after == before, "a change of settings was refused, and settings are changed")


def raid_configuration_is_checked_at_once(subject: Subject) -> None:
    """A RAID configuration that cannot be made is refused with all of its problems, before anything is made."""
    raid = subject.interface(Kind.RAID)
    error = failure(subject.task(), Kind.RAID, "validate_raid_config", _WRONG_DISKS)
    if isinstance(error, NotSupported):
        raise NotOffered(str(error))
    demand(isinstance(error, InvalidInput), f"a disk of -1 GiB at no such level ends with {error!r}, not with InvalidInput")
    fields = {problem.field for problem in error.problems} if isinstance(error, InvalidInput) else set()
    missing = [name for name in ("size_gb", "raid_level") if not any(name in field for field in fields)]
    demand(not missing, f"the error does not name {', '.join(missing)}: {error}")
    demand(isinstance(raid, RAIDInterface) and raid.get_logical_disk_properties(), "no property of a logical disk is explained")


def unknown_firmware_component_is_refused(subject: Subject) -> None:
    """An update of a component that the machine does not have is refused with InvalidInput."""
    _answer(subject, Kind.FIRMWARE, "get_components")
    wanted = [{"component": "no-such-component", "url": "http://192.0.2.1/firmware.bin"}]
    error = failure(subject.task(), Kind.FIRMWARE, "update", wanted)
    demand(isinstance(error, InvalidInput | NotSupported), f"no such component, and the update ends with {error!r}")


def console_is_started_and_stopped(subject: Subject) -> None:
    """A console can be started, reached and stopped, each of it repeatedly, and is left as it was."""
    subject.interface(Kind.CONSOLE)
    started = failure(subject.task(), Kind.CONSOLE, "get_console") is None

    def put_back() -> None:
        failure(subject.task(), Kind.CONSOLE, "start_console" if started else "stop_console")

    with at_the_end(put_back):
        for _ in range(2):
            _answer(subject, Kind.CONSOLE, "start_console")
        found = _answer(subject, Kind.CONSOLE, "get_console")
        demand(isinstance(found, ConsoleAccess) and found.url, f"get_console gives {found!r}, no ConsoleAccess with a URL")
        for _ in range(2):
            _answer(subject, Kind.CONSOLE, "stop_console")


def console_that_is_stopped_has_no_address(subject: Subject) -> None:
    """How to reach a console is told only while it is started."""
    subject.interface(Kind.CONSOLE)
    if failure(subject.task(), Kind.CONSOLE, "get_console") is None:
        raise NotOffered("the console is started, and is left so")
    error = failure(subject.task(), Kind.CONSOLE, "get_console")
    if isinstance(error, NotSupported):
        raise NotOffered(str(error))
    demand(isinstance(error, Conflict | DriverError), f"the console is stopped, and get_console ends with {error!r}")


def networks_are_attached_and_detached(subject: Subject) -> None:
    """A machine is attached to a network and detached from it, each of it repeatedly."""
    subject.interface(Kind.NETWORK)
    for purpose in NetworkPurpose:
        for method in ("attach", "attach", "detach", "detach"):
            error = failure(subject.task(), Kind.NETWORK, method, purpose)
            demand(error is None or isinstance(error, NotSupported), f"{method} for {purpose} fails: {error}")


def volumes_are_attached_and_detached(subject: Subject) -> None:
    """Volumes are attached and detached, each of it repeatedly."""
    subject.interface(Kind.STORAGE)
    for method in ("attach_volumes", "attach_volumes", "detach_volumes", "detach_volumes"):
        _answer(subject, Kind.STORAGE, method)


def vendor_methods_can_be_called(subject: Subject) -> None:
    """Every vendor method says what it is for and by which HTTP methods it is called, and takes the task, or nothing."""
    vendor = subject.interface(Kind.VENDOR)
    declared = [*vendor.passthrus.values(), *vendor.driver_passthrus.values()] if isinstance(vendor, VendorInterface) else []
    if not declared:
        raise NotOffered("the vendor interface has no methods")
    for one in declared:
        demand(one.description.strip(), f"the vendor method {one.name} has no description")
        demand(one.http_methods and one.http_methods <= _METHODS, f"{one.name} is called by {sorted(one.http_methods)}")
        parameters = inspect.signature(getattr(vendor, one.method)).parameters.values()
        positional = [name for name in parameters if name.kind in (name.POSITIONAL_ONLY, name.POSITIONAL_OR_KEYWORD)]
        demand(one.of_driver or positional, f"{one.name} takes no task")


def raid_is_made_and_deleted(subject: Subject) -> None:
    """Logical disks are deleted when that is asked for, also when there are none. It destroys what is on them."""
    subject.interface(Kind.RAID)
    if not subject.destructive:
        raise NotOffered(_ALLOW)
    for _ in range(2):
        _finished(subject, Kind.RAID, "delete_configuration")


def rescue_boots_and_ends(subject: Subject) -> None:
    """A rescue system is booted, and the instance again; cleaning up after it may be repeated."""
    subject.interface(Kind.RESCUE)
    if not subject.destructive:
        raise NotOffered(_ALLOW)
    with subject.power_left_as_found():
        for method in ("rescue", "unrescue"):
            _finished(subject, Kind.RESCUE, method)
        for _ in range(2):
            _answer(subject, Kind.RESCUE, "clean_up")


def _finished(subject: Subject, kind: Kind, method: str) -> None:
    found = _answer(subject, kind, method)
    demand(found is None or isinstance(found, Wait), f"{kind}.{method} gives {found!r}, neither None nor a Wait")


def _answer(subject: Subject, kind: Kind, method: str, *args: Any) -> Any:
    """The answer of a call that is to succeed; NotOffered where it is refused, or the node does not say what it needs."""
    subject.interface(kind)
    try:
        return subject.task().call(kind, method, *args)
    except (NotSupported, InvalidInput) as exc:
        raise NotOffered(str(exc)) from None
    except BareMetalError as exc:
        raise Violation(f"{kind}.{method} fails: {type(exc).__name__}: {exc}") from None


def _prepared(subject: Subject, method: str, *args: Any) -> BareMetalError | None:
    """Prepare; the refusal, where there is one that the contract knows."""
    error = failure(subject.task(), Kind.BOOT, method, *args)
    named = not isinstance(error, InvalidInput) or error.problems
    demand(named, f"{method} refuses what the node says and names no field: {error}")
    fits = error is None or isinstance(error, InvalidInput | NotSupported | DriverError)
    demand(fits, f"{method} ends with {error!r}")
    return error


def _everything_left_as_found(subject: Subject) -> Any:
    """The boot device as found, where there is a management interface that tells it."""
    told = Kind.MANAGEMENT in subject.interfaces and failure(subject.task(), Kind.MANAGEMENT, "get_boot_device") is None
    return subject.boot_device_left_as_found() if told else at_the_end(lambda: None)
