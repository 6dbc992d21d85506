"""Accelerators and trusted platform modules of a machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baremetal_redfish.links import get_nested, get_objects, get_path, get_text
from baremetal_redfish.resource_reader import ResourceReader
from baremetal_redfish.values import is_present

_KINDS = frozenset({"GPU", "FPGA", "DSP", "Accelerator"})
_DEVICE_CLASSES = {"DisplayController": "GPU", "ProcessingAccelerators": "Accelerator"}
_CONSOLE_VENDORS = frozenset({"0x102b", "0x1a03"})
"""PCI identifiers of Matrox and ASPEED, whose display controllers are the console of a BMC."""
_NO_VENDOR = "0x0000"
_CONSOLE_WORDS = ("matrox", "aspeed", "vga", "video controller")


@dataclass(frozen=True)
class Accelerator:
    """Processor other than a CPU, such as a GPU. *kind* is its type in Redfish's words."""

    name: str | None
    kind: str
    vendor: str | None
    model: str | None
    serial: str | None
    firmware: str | None


@dataclass(frozen=True)
class TrustedModule:
    """Trusted platform module. *kind* is its interface in Redfish's words, such as ``TPM2_0``."""

    kind: str | None
    firmware: str | None
    state: str | None


def read_accelerators(
    reader: ResourceReader,
    system: Mapping[str, Any],
    processors: Iterable[Mapping[str, Any]],
    chassis: Iterable[Mapping[str, Any]],
) -> list[Accelerator]:
    """Return the accelerators among *processors*. Without any, search the PCIe devices of the system and its *chassis*."""
    found = [_parse(item, str(item.get("ProcessorType"))) for item in processors if item.get("ProcessorType") in _KINDS]
    return found or list(_iterate_pcie_accelerators(reader, system, chassis))


def read_trusted_modules(system: Mapping[str, Any]) -> list[TrustedModule]:
    """Return the trusted platform modules that are installed."""
    return [
        TrustedModule(
            get_text(module.get("InterfaceType")),
            get_text(module.get("FirmwareVersion")),
            get_text(get_nested(module.get("Status"), "State")),
        )
        for module in get_objects(system.get("TrustedModules"))
        if is_present(module)
    ]


def _iterate_pcie_accelerators(
    reader: ResourceReader, system: Mapping[str, Any], chassis: Iterable[Mapping[str, Any]]
) -> Iterator[Accelerator]:
    seen: set[tuple[str | None, ...]] = set()
    for device in _iterate_pcie_devices(reader, system, chassis):
        functions = [*reader.members(device.get("PCIeFunctions")), *reader.follow_links(_list_functions(device))]
        kind = next(filter(None, (_find_kind(device, function) for function in functions)), None)
        key = (get_text(device.get("Id")), get_text(device.get("SerialNumber")))
        if kind is not None and key not in seen:
            # The system and its chassis may list one device at two paths.
            seen.add(key)
            yield _parse(device, kind)


def _iterate_pcie_devices(
    reader: ResourceReader, system: Mapping[str, Any], chassis: Iterable[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    listed = system.get("PCIeDevices")
    seen = set()
    for documents in (
        reader.follow_links(listed) if isinstance(listed, list) else reader.members(listed),
        *(reader.members(member.get("PCIeDevices")) for member in chassis),
    ):
        for device in documents:
            if get_path(device) not in seen and is_present(device):
                seen.add(get_path(device))
                yield device


def _list_functions(device: Mapping[str, Any]) -> Sequence[Any]:
    """Return the references to the functions of a device in the older form of the schema."""
    return get_objects(get_nested(device, "Links", "PCIeFunctions"))


def _find_kind(device: Mapping[str, Any], function: Mapping[str, Any]) -> str | None:
    """Return the kind of an accelerator with *function*, or None for other devices and for the console of the BMC."""
    kind = _DEVICE_CLASSES.get(str(function.get("DeviceClass")))
    vendor = str(function.get("VendorId") or _NO_VENDOR).lower()
    names = " ".join(str(document.get(name)) for document in (device, function) for name in ("Name", "Model", "Manufacturer"))
    is_console = vendor in _CONSOLE_VENDORS or any(word in names.lower() for word in _CONSOLE_WORDS)
    return None if is_console else kind


def _parse(document: Mapping[str, Any], kind: str) -> Accelerator:
    return Accelerator(
        name=get_text(document.get("Id")) or get_text(document.get("Name")),
        kind=kind,
        vendor=get_text(document.get("Manufacturer")),
        model=get_text(document.get("Model")),
        serial=get_text(document.get("SerialNumber")),
        firmware=get_text(document.get("FirmwareVersion")),
    )
