"""Resources of a simulated Redfish BMC for RAID volumes, which a client creates and deletes at once or as a Redfish task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.faults import Effect, Fault
from baremetal_fake.machine import Machine
from baremetal_fake.redfish.errors import RedfishError, missing_resource, not_in_list, unknown_property
from baremetal_fake.redfish.exchange import ROOT, Exchange, Operation, collection, link, make_reader
from baremetal_fake.redfish.message import Answer
from baremetal_fake.redfish.routing import Route
from baremetal_fake.redfish.tasks import start_task

RAID_TYPES: Mapping[str, int] = {"RAID0": 1, "RAID1": 2, "RAID5": 3, "RAID6": 4, "RAID10": 4}
"""RAID types that a volume can have, each with its minimum number of drives."""
STORAGE = "1"
GIB = 1024**3
_WRITABLE_PROPERTIES = ("RAIDType", "CapacityBytes", "Links", "Name", "VolumeType", "@Redfish.OperationApplyTime")


def routes() -> list[Route]:
    """Return the HTTP routes of a simulated BMC for the volumes of a storage controller."""
    volumes = "Systems/*/Storage/*/Volumes"
    return [
        Route(volumes, {"GET": make_reader("get_inventory", _volumes), "POST": _create}),
        Route(f"{volumes}/*", {"GET": make_reader("get_inventory", _volume), "DELETE": _delete}),
    ]


def _path(exchange: Exchange, *below: str) -> tuple[str, ...]:
    """Return the path segments *below* the storage controller; raise RedfishError (HTTP 404) if the request names another one."""
    if exchange.names[1] != STORAGE:
        raise missing_resource(exchange.request.path)
    return ("Systems", exchange.machine.name, "Storage", STORAGE, *below)


def _volumes(exchange: Exchange) -> dict[str, Any]:
    members = [str(volume["id"]) for volume in exchange.machine.raid if "id" in volume]
    found = collection(_path(exchange, "Volumes"), "VolumeCollection", "Volumes", members)
    times = exchange.bmc.options.volume_apply_times
    return {**found, "@Redfish.OperationApplyTimeSupport": {"SupportedValues": list(times)}} if times else found


def _require_volume(exchange: Exchange) -> Mapping[str, Any]:
    """Return the volume that the path names; raise RedfishError (HTTP 404) if it does not exist."""
    for volume in exchange.machine.raid:
        if volume.get("id") == exchange.names[2]:
            return volume
    raise missing_resource(exchange.request.path)


def _volume(exchange: Exchange) -> dict[str, Any]:
    return _volume_resource(exchange, _require_volume(exchange))


def _volume_resource(exchange: Exchange, volume: Mapping[str, Any]) -> dict[str, Any]:
    drives = [link(*_path(exchange, "Drives", name)) for name in volume["drives"]]
    return {
        **link(*_path(exchange, "Volumes", volume["id"])),
        "@odata.type": "#Volume.v1_9_0.Volume",
        "Id": volume["id"],
        "Name": volume["name"],
        "RAIDType": volume["raid_type"],
        "CapacityBytes": volume["bytes"],
        "Links": {"Drives": drives, "Drives@odata.count": len(drives)},
        "Status": {"State": "Enabled", "Health": "OK"},
    }


def _create(exchange: Exchange) -> Operation:
    """Return the operation that creates the volume in the request body; raise RedfishError if the body is not valid."""
    machine, body = exchange.machine, exchange.json()
    collection_path = _path(exchange, "Volumes")
    for name in body:
        if name not in _WRITABLE_PROPERTIES:
            raise unknown_property(name)
    kind = str(body.get("RAIDType"))
    if kind not in RAID_TYPES:
        raise not_in_list("RAIDType", kind, RAID_TYPES)
    drives = _read_drives(body, machine)
    if len(drives) < RAID_TYPES[kind]:
        raise RedfishError(400, "GeneralError", f"{kind} needs {RAID_TYPES[kind]} drives or more; {len(drives)} are given.")
    capacity = _capacity_bytes(kind, machine, drives)
    size = body.get("CapacityBytes", capacity)
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= capacity:
        raise RedfishError(400, "GeneralError", f"CapacityBytes must be an integer from 1 to {capacity}.")
    number = 1 + max((int(volume["id"]) for volume in machine.raid if "id" in volume), default=0)
    volume: dict[str, Any] = {
        "id": str(number),
        "name": body.get("Name") or f"Volume {number}",
        "raid_type": kind,
        "bytes": size,
        "drives": drives,
    }

    def run(fault: Fault | None) -> Answer:
        if fault is None or fault.effect is not Effect.LOSE:
            machine.set_raid((*machine.raid, volume))
        if exchange.bmc.options.task_seconds is not None:
            return start_task(exchange, "Create volume", exchange.bmc.rack.clock() + exchange.bmc.options.task_seconds)
        location = "/".join((ROOT, *collection_path, volume["id"]))
        return Answer(201, _volume_resource(exchange, volume), {"Location": location})

    return Operation("create_raid", run, {"volume": volume})


def _read_drives(body: Mapping[str, Any], machine: Machine) -> list[str]:
    """Return the names of the drives that *body* selects; raise RedfishError if a drive does not exist or is in use."""
    links = body.get("Links")
    references = links.get("Drives") if isinstance(links, Mapping) else None
    names = [
        reference["@odata.id"].rpartition("/")[2]
        for reference in references or ()
        if isinstance(reference, Mapping) and "@odata.id" in reference
    ]
    used = {name for volume in machine.raid for name in volume.get("drives", ())}
    free = {disk.name for disk in machine.inventory.disks} - used
    for name in names:
        if name not in free:
            raise not_in_list("Links/Drives", name, sorted(free))
    return names


def _capacity_bytes(kind: str, machine: Machine, drives: list[str]) -> int:
    """Return the capacity in bytes of a RAID volume of type *kind* on *drives*.

    Every drive counts as much as the smallest one.
    """
    smallest = min(disk.size_gb for disk in machine.inventory.disks if disk.name in drives) * GIB
    count = len(drives)
    data_drives = {"RAID0": count, "RAID1": 1, "RAID5": count - 1, "RAID6": count - 2, "RAID10": count // 2}
    return smallest * data_drives[kind]


def _delete(exchange: Exchange) -> Operation:
    """Return the operation that deletes the volume that the path names."""
    machine, volume = exchange.machine, _require_volume(exchange)

    def run(fault: Fault | None) -> Answer:
        if fault is None or fault.effect is not Effect.LOSE:
            machine.set_raid(tuple(other for other in machine.raid if other is not volume))
        if exchange.bmc.options.task_seconds is not None:
            return start_task(exchange, "Delete volume", exchange.bmc.rack.clock() + exchange.bmc.options.task_seconds)
        return Answer(204)

    return Operation("delete_raid", run, {"volume": volume["id"]})
