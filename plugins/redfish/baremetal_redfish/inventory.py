"""Hardware parts of a machine for an inspection, read from its Redfish resources.

Services omit many values and send some with the wrong type; both become None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from baremetal_interfaces import Task
from baremetal_redfish.accelerators import Accelerator, TrustedModule, read_accelerators, read_trusted_modules
from baremetal_redfish.disks import Disk, read_disks
from baremetal_redfish.links import get_nested, get_text
from baremetal_redfish.machine_resources import find_machine_resources
from baremetal_redfish.network_interfaces import NetworkInterface, read_network_interfaces
from baremetal_redfish.resource_reader import ResourceReader
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.values import is_present, parse_count, parse_number

_ARCHITECTURES = {"x86-64": "x86_64", "ARM-A64": "aarch64", "x86": "x86_64", "ARM": "aarch64", "MIPS64": "mips64"}
"""CPU architecture by instruction set or, without one, by processor architecture.

``Power`` is missing, because it does not say which byte order the processor uses.
"""
_ARM_MODELS = ("armv8", "armv9")
_BOOT_MODES = {"UEFI": "uefi", "Legacy": "bios"}
_MIB_IN_GIB = 1024
_PERSISTENT_MEMORY = ("IntelOptane", "NVDIMM")


@dataclass(frozen=True)
class SystemParts:
    """Hardware parts of one machine. None stands for a value that the BMC does not report. *memory_mb* is in MiB.

    *disks* are those that the machine sees, *drives* all physical drives.
    """

    cpus: int | None = None
    cpu_arch: str | None = None
    cpu_model: str | None = None
    cpu_mhz: int | None = None
    memory_mb: int | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None
    bios_version: str | None = None
    boot_mode: str | None = None
    nics: tuple[NetworkInterface, ...] = field(default=())
    disks: tuple[Disk, ...] = field(default=())
    drives: tuple[Disk, ...] = field(default=())
    accelerators: tuple[Accelerator, ...] = field(default=())
    trusted_modules: tuple[TrustedModule, ...] = field(default=())

    @classmethod
    def read(cls, session: RedfishSession, system: dict[str, Any], task: Task) -> Self:
        """Read all resources of the machine of *system*, the document of a system."""
        reader = ResourceReader(session, task, "the inspection")
        resources = find_machine_resources(reader, system)
        processors = [item for item in reader.members(system.get("Processors")) if is_present(item)]
        cpus = [item for item in processors if item.get("ProcessorType") in (None, "CPU")]
        for other in resources.systems:
            processors += [item for item in reader.members(other.get("Processors")) if is_present(item)]
        summary = system.get("ProcessorSummary")
        models = (get_text(document.get("Model")) for document in cpus)
        speeds = (parse_count(document.get("MaxSpeedMHz")) for document in cpus)
        disks = read_disks(reader, system, resources.chassis)
        return cls(
            cpus=_count_cpus(system, cpus),
            cpu_arch=_find_architecture(system, cpus),
            cpu_model=next(filter(None, models), None) or get_text(get_nested(summary, "Model")),
            cpu_mhz=next(filter(None, speeds), None),
            memory_mb=_read_memory_mb(reader, system),
            manufacturer=get_text(system.get("Manufacturer")),
            model=get_text(system.get("Model")),
            serial=get_text(system.get("SerialNumber")),
            bios_version=get_text(system.get("BiosVersion")),
            boot_mode=_BOOT_MODES.get(str(get_nested(system.get("Boot"), "BootSourceOverrideMode"))),
            nics=tuple(read_network_interfaces(reader, system, resources.chassis)),
            disks=disks.visible,
            drives=disks.drives,
            accelerators=tuple(read_accelerators(reader, system, processors, resources.chassis)),
            trusted_modules=tuple(read_trusted_modules(system)),
        )


def _count_cpus(system: Mapping[str, Any], cpus: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the number of logical processors, as an operating system counts them."""
    counts = [parse_count(cpu.get("TotalThreads")) or parse_count(cpu.get("TotalCores")) for cpu in cpus]
    if counts and all(counts):
        return sum(count for count in counts if count)
    summary = system.get("ProcessorSummary")
    return parse_count(get_nested(summary, "LogicalProcessorCount")) or parse_count(get_nested(summary, "CoreCount"))


def _read_memory_mb(reader: ResourceReader, system: Mapping[str, Any]) -> int | None:
    """Return the memory in the system's summary or, without one, the sum of its modules."""
    size = parse_number(get_nested(system.get("MemorySummary"), "TotalSystemMemoryGiB"))
    if size is not None:
        return round(size * _MIB_IN_GIB)
    modules = [module for module in reader.members(system.get("Memory")) if is_present(module) and not _is_persistent(module)]
    return sum(parse_count(module.get("CapacityMiB")) or 0 for module in modules) or None


def _is_persistent(module: Mapping[str, Any]) -> bool:
    return str(module.get("MemoryType")).startswith(_PERSISTENT_MEMORY)


def _find_architecture(system: Mapping[str, Any], cpus: Sequence[Mapping[str, Any]]) -> str | None:
    for cpu in cpus:
        for name in (str(cpu.get("InstructionSet")), str(cpu.get("ProcessorArchitecture"))):
            if name in _ARCHITECTURES:
                return _ARCHITECTURES[name]
    # NVIDIA's Grace systems report the architecture only as the model in the summary.
    model = str(get_nested(system.get("ProcessorSummary"), "Model")).lower()
    return "aarch64" if model.startswith(_ARM_MODELS) else None
