"""Rules about the kinds boot, inspect, BIOS, RAID, firmware, console, rescue, network, storage and vendor."""

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
_HTTP_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_INVALID_DISKS = {"logical_disks": [{"size_gb": -1, "raid_level": "no such level"}]}
_NEEDS_PERMISSION = "the rule was not checked: its changes cannot be undone; permit them with --destructive"


def boot_is_prepared_and_undone(subject: Subject) -> None:
    """A boot can be prepared, or the error names the missing fields; the preparation can be undone repeatedly."""
    subject.interface(Kind.BOOT)
    with _boot_device_left_as_found(subject):
        refusals = [_prepare(subject, "prepare_instance"), _prepare(subject, "prepare_ramdisk", {})]
        for method in ("clean_up_instance", "clean_up_ramdisk") * 2:
            error = failure(subject.task(), Kind.BOOT, method)
            demand(error is None or isinstance(error, NotSupported), f"boot.{method} fails: {error}")
    if all(refusals):
        raise NotOffered(str(refusals[0]))


def inspection_finds_what_can_be_stored(subject: Subject) -> None:
    """An inspection returns an Inspection with valid MAC addresses, or a Wait; the power state is restored."""
    subject.interface(Kind.INSPECT)
    with subject.power_left_as_found():
        found = _call(subject, Kind.INSPECT, "inspect")
        if isinstance(found, Wait):
            failure(subject.task(), Kind.INSPECT, "abort")
            return
    demand(isinstance(found, Inspection), f"inspect gives {found!r}, neither an Inspection nor a Wait")
    wrong = [port.address for port in found.ports if not _MAC.match(port.address)]
    demand(not wrong, f"inspect returns ports whose addresses are not in lower case with colons: {wrong}")
    addresses = [port.address for port in found.ports]
    demand(len(addresses) == len(set(addresses)), f"inspect returns a port more than once: {sorted(addresses)}")


def unknown_bios_setting_is_refused(subject: Subject) -> None:
    """An unknown BIOS setting is refused with InvalidInput, and no setting changes."""
    before = {setting.name: setting.value for setting in _call(subject, Kind.BIOS, "get_settings")}
    error = failure(subject.task(), Kind.BIOS, "apply_configuration", [{"name": "NoSuchSetting9", "value": "x"}])
    demand(isinstance(error, InvalidInput), f"a BIOS setting that does not exist is applied, or ends with {error!r}")
    after = {setting.name: setting.value for setting in _call(subject, Kind.BIOS, "get_settings")}
    demand(after == before, "a change of BIOS settings was refused, and settings have changed")


def raid_configuration_is_checked_at_once(subject: Subject) -> None:
    """An impossible RAID configuration is refused with all its problems at once."""
    raid = subject.interface(Kind.RAID)
    error = failure(subject.task(), Kind.RAID, "validate_raid_config", _INVALID_DISKS)
    if isinstance(error, NotSupported):
        raise NotOffered(str(error))
    demand(isinstance(error, InvalidInput), f"a disk of -1 GiB with an unknown RAID level ends with {error!r}, not InvalidInput")
    fields = {problem.field for problem in error.problems} if isinstance(error, InvalidInput) else set()
    missing = [name for name in ("size_gb", "raid_level") if not any(name in field for field in fields)]
    demand(not missing, f"the error for an invalid RAID configuration does not name {', '.join(missing)}: {error}")
    demand(
        isinstance(raid, RAIDInterface) and raid.get_logical_disk_properties(),
        "get_logical_disk_properties() describes no property",
    )


def unknown_firmware_component_is_refused(subject: Subject) -> None:
    """An update of an unknown firmware component is refused with InvalidInput or NotSupported."""
    _call(subject, Kind.FIRMWARE, "get_components")
    wanted = [{"component": "no-such-component", "url": "http://192.0.2.1/firmware.bin"}]
    error = failure(subject.task(), Kind.FIRMWARE, "update", wanted)
    demand(isinstance(error, InvalidInput | NotSupported), f"the update of a component that does not exist ends with {error!r}")


def console_is_started_and_stopped(subject: Subject) -> None:
    """A console can be started, reached and stopped; repeated calls are not errors, and its state is restored."""
    subject.interface(Kind.CONSOLE)
    started = failure(subject.task(), Kind.CONSOLE, "get_console") is None

    def put_back() -> None:
        failure(subject.task(), Kind.CONSOLE, "start_console" if started else "stop_console")

    with at_the_end(put_back):
        for _ in range(2):
            _call(subject, Kind.CONSOLE, "start_console")
        found = _call(subject, Kind.CONSOLE, "get_console")
        demand(isinstance(found, ConsoleAccess) and found.url, f"get_console gives {found!r}, not a ConsoleAccess with a URL")
        for _ in range(2):
            _call(subject, Kind.CONSOLE, "stop_console")


def console_that_is_stopped_has_no_address(subject: Subject) -> None:
    """The address of a console is available only while access to it is started."""
    subject.interface(Kind.CONSOLE)
    if failure(subject.task(), Kind.CONSOLE, "get_console") is None:
        raise NotOffered("access to the console is started, and the rule does not stop it")
    error = failure(subject.task(), Kind.CONSOLE, "get_console")
    if isinstance(error, NotSupported):
        raise NotOffered(str(error))
    demand(isinstance(error, Conflict | DriverError), f"the console is stopped, and get_console ends with {error!r}")


def networks_are_attached_and_detached(subject: Subject) -> None:
    """A machine can be attached to each network and detached from it; repeated calls are not errors."""
    subject.interface(Kind.NETWORK)
    for purpose in NetworkPurpose:
        for method in ("attach", "attach", "detach", "detach"):
            error = failure(subject.task(), Kind.NETWORK, method, purpose)
            demand(error is None or isinstance(error, NotSupported), f"network.{method} for {purpose} fails: {error}")


def volumes_are_attached_and_detached(subject: Subject) -> None:
    """Volumes can be attached and detached; repeated calls are not errors."""
    subject.interface(Kind.STORAGE)
    for method in ("attach_volumes", "attach_volumes", "detach_volumes", "detach_volumes"):
        _call(subject, Kind.STORAGE, method)


def vendor_methods_can_be_called(subject: Subject) -> None:
    """Each vendor method has a description and HTTP methods, and accepts the task unless it is a method of the driver."""
    vendor = subject.interface(Kind.VENDOR)
    declared = [*vendor.passthrus.values(), *vendor.driver_passthrus.values()] if isinstance(vendor, VendorInterface) else []
    if not declared:
        raise NotOffered("the vendor interface has no methods")
    for method in declared:
        demand(method.description.strip(), f"the vendor method {method.name} has no description")
        known = method.http_methods and method.http_methods <= _HTTP_METHODS
        demand(known, f"the vendor method {method.name} has unknown HTTP methods: {sorted(method.http_methods)}")
        parameters = inspect.signature(getattr(vendor, method.method)).parameters.values()
        positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
        demand(method.of_driver or positional, f"the vendor method {method.name} does not accept the task")


def raid_is_made_and_deleted(subject: Subject) -> None:
    """Logical disks can be deleted, even if none exist. The rule needs permission, because it destroys data."""
    subject.interface(Kind.RAID)
    if not subject.destructive:
        raise NotOffered(_NEEDS_PERMISSION)
    for _ in range(2):
        _run_step(subject, Kind.RAID, "delete_configuration")


def rescue_boots_and_ends(subject: Subject) -> None:
    """A rescue system can be booted, and then the instance; a repeated clean_up is not an error. The rule needs permission."""
    subject.interface(Kind.RESCUE)
    if not subject.destructive:
        raise NotOffered(_NEEDS_PERMISSION)
    with subject.power_left_as_found():
        for method in ("rescue", "unrescue"):
            _run_step(subject, Kind.RESCUE, method)
        for _ in range(2):
            _call(subject, Kind.RESCUE, "clean_up")


def _run_step(subject: Subject, kind: Kind, method: str) -> None:
    """Call a method that may work in the background, and check the type of its result."""
    found = _call(subject, kind, method)
    demand(found is None or isinstance(found, Wait), f"{kind}.{method} gives {found!r}, neither None nor a Wait")


def _call(subject: Subject, kind: Kind, method: str, *args: Any) -> Any:
    """Return the answer of a call that must succeed. Raises NotOffered if it is refused, or if the node lacks needed fields."""
    subject.interface(kind)
    try:
        return subject.task().call(kind, method, *args)
    except (NotSupported, InvalidInput) as exc:
        raise NotOffered(str(exc)) from None
    except BareMetalError as exc:
        raise Violation(f"{kind}.{method} fails: {type(exc).__name__}: {exc}") from None


def _prepare(subject: Subject, method: str, *args: Any) -> BareMetalError | None:
    """Call a preparation and return its error, or None. Raises Violation for an error that the contract does not allow."""
    error = failure(subject.task(), Kind.BOOT, method, *args)
    named = not isinstance(error, InvalidInput) or error.problems
    demand(named, f"boot.{method} refuses the node and names no field: {error}")
    fits = error is None or isinstance(error, InvalidInput | NotSupported | DriverError)
    demand(fits, f"boot.{method} ends with {error!r}, which the contract does not allow")
    return error


def _boot_device_left_as_found(subject: Subject) -> Any:
    """Restore the boot device at the end of a ``with`` block, if the management interface reports it."""
    is_reported = Kind.MANAGEMENT in subject.interfaces and failure(subject.task(), Kind.MANAGEMENT, "get_boot_device") is None
    return subject.boot_device_left_as_found() if is_reported else at_the_end(lambda: None)
