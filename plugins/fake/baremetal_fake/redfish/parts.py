"""Read-only resources of a simulated Redfish BMC for processors, network interfaces and disks of a system."""

from __future__ import annotations

from typing import Any

from baremetal_fake.inventory import NIC, Disk
from baremetal_fake.redfish.errors import missing_resource
from baremetal_fake.redfish.exchange import Exchange, collection, link, make_reader
from baremetal_fake.redfish.routing import Route

GIB = 1024**3
_HEALTHY = {"State": "Enabled", "Health": "OK"}
_ARCHITECTURES = {"x86_64": ("x86", "x86-64"), "aarch64": ("ARM", "ARM-A64")}
_STORAGE = "1"


def routes() -> list[Route]:
    """Return the HTTP routes of a simulated BMC for processors, network interfaces, storage controllers and disks."""
    resources = {
        "Processors": _processors,
        "Processors/*": _processor,
        "EthernetInterfaces": _nics,
        "EthernetInterfaces/*": _nic,
        "SimpleStorage": _simple_storages,
        "SimpleStorage/*": _simple_storage,
        "Storage": _storages,
        "Storage/*": _storage,
        "Storage/*/Drives/*": _drive,
    }
    return [Route(f"Systems/*/{pattern}", {"GET": make_reader("get_inventory", read)}) for pattern, read in resources.items()]


def _path(exchange: Exchange, *below: str) -> tuple[str, ...]:
    return ("Systems", exchange.machine.name, *below)


def _require_name(exchange: Exchange, identifier: str) -> None:
    """Raise RedfishError (HTTP 404) unless the second name in the path is *identifier*."""
    if exchange.names[1] != identifier:
        raise missing_resource(exchange.request.path)


def _processors(exchange: Exchange) -> dict[str, Any]:
    return collection(_path(exchange, "Processors"), "ProcessorCollection", "Processors", ["CPU1"])


def _processor(exchange: Exchange) -> dict[str, Any]:
    _require_name(exchange, "CPU1")
    parts = exchange.machine.inventory
    architecture, instructions = _ARCHITECTURES.get(parts.cpu_arch, ("OEM", "OEM"))
    return {
        **link(*_path(exchange, "Processors", "CPU1")),
        "@odata.type": "#Processor.v1_18_0.Processor",
        "Id": "CPU1",
        "Name": "Processor",
        "ProcessorType": "CPU",
        "ProcessorArchitecture": architecture,
        "InstructionSet": instructions,
        "Model": parts.cpu_model,
        "TotalCores": max(1, parts.cpus // 2),
        "TotalThreads": parts.cpus,
        "Status": _HEALTHY,
    }


def _nics(exchange: Exchange) -> dict[str, Any]:
    names = [nic.name for nic in exchange.machine.inventory.nics]
    return collection(_path(exchange, "EthernetInterfaces"), "EthernetInterfaceCollection", "Ethernet interfaces", names)


def _nic(exchange: Exchange) -> dict[str, Any]:
    nic: NIC = _find_part(exchange, exchange.machine.inventory.nics)
    return {
        **link(*_path(exchange, "EthernetInterfaces", nic.name)),
        "@odata.type": "#EthernetInterface.v1_9_0.EthernetInterface",
        "Id": nic.name,
        "Name": f"Ethernet interface {nic.name}",
        "MACAddress": nic.mac.upper(),
        "PermanentMACAddress": nic.mac.upper(),
        "SpeedMbps": nic.speed_mbps if nic.linked else None,
        "LinkStatus": "LinkUp" if nic.linked else "LinkDown",
        "InterfaceEnabled": True,
        "Status": _HEALTHY,
    }


def _find_part(exchange: Exchange, parts: tuple[Any, ...]) -> Any:
    """Return the element of *parts* that the last name in the path names; raise RedfishError (HTTP 404) if none has that name."""
    for part in parts:
        if part.name == exchange.names[-1]:
            return part
    raise missing_resource(exchange.request.path)


def _simple_storages(exchange: Exchange) -> dict[str, Any]:
    return collection(_path(exchange, "SimpleStorage"), "SimpleStorageCollection", "Simple storage", [_STORAGE])


def _simple_storage(exchange: Exchange) -> dict[str, Any]:
    _require_name(exchange, _STORAGE)
    devices = [
        {"Name": disk.name, "CapacityBytes": disk.size_gb * GIB, "Model": "Simulated disk", "Status": _HEALTHY}
        for disk in exchange.machine.inventory.disks
    ]
    return {
        **link(*_path(exchange, "SimpleStorage", _STORAGE)),
        "@odata.type": "#SimpleStorage.v1_3_1.SimpleStorage",
        "Id": _STORAGE,
        "Name": "Disk controller",
        "Devices": devices,
    }


def _storages(exchange: Exchange) -> dict[str, Any]:
    return collection(_path(exchange, "Storage"), "StorageCollection", "Storage", [_STORAGE])


def _storage(exchange: Exchange) -> dict[str, Any]:
    _require_name(exchange, _STORAGE)
    path = _path(exchange, "Storage", _STORAGE)
    drives = [link(*path, "Drives", disk.name) for disk in exchange.machine.inventory.disks]
    controller = {
        **link(*path, "#StorageControllers", "0"),
        "MemberId": "0",
        "Name": "Disk controller",
        "Status": _HEALTHY,
        "SpeedGbps": 12,
        "SupportedRAIDTypes": ["RAID0", "RAID1", "RAID5", "RAID6", "RAID10"],
    }
    return {
        **link(*path),
        "@odata.type": "#Storage.v1_15_0.Storage",
        "Id": _STORAGE,
        "Name": "Storage",
        "Status": _HEALTHY,
        "StorageControllers": [controller],
        "Drives": drives,
        "Drives@odata.count": len(drives),
        "Volumes": link(*path, "Volumes"),
    }


def _drive(exchange: Exchange) -> dict[str, Any]:
    _require_name(exchange, _STORAGE)
    disk: Disk = _find_part(exchange, exchange.machine.inventory.disks)
    return {
        **link(*_path(exchange, "Storage", _STORAGE, "Drives", disk.name)),
        "@odata.type": "#Drive.v1_17_0.Drive",
        "Id": disk.name,
        "Name": f"Disk {disk.name}",
        "CapacityBytes": disk.size_gb * GIB,
        "BlockSizeBytes": 512,
        "MediaType": "HDD" if disk.rotational else "SSD",
        "Protocol": "SAS",
        "SerialNumber": disk.serial,
        "Status": _HEALTHY,
    }
