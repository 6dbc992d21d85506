"""The volumes of a storage controller: made of drives by POST, removed by DELETE, at once or as a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.faults import Effect, Fault
from baremetal_fake.machine import Machine
from baremetal_fake.redfish.errors import RedfishError, missing_resource, not_in_list, unknown_property
from baremetal_fake.redfish.exchange import ROOT, Exchange, Operation, collection, link, reading
from baremetal_fake.redfish.message import Answer
from baremetal_fake.redfish.routing import Route

RAID_TYPES: Mapping[str, int] = {"RAID0": 1, "RAID1": 2, "RAID5": 3, "RAID6": 4, "RAID10": 4}
"""The types of volumes and how many drives each needs at least."""
STORAGE = "1"
GIB = 1024**3
_SETTABLE = ("RAIDType", "CapacityBytes", "Links", "Name", "VolumeType", "@Redfish.OperationApplyTime")


def routes() -> list[Route]:
    """The routes of this module."""
    volumes = "Systems/*/Storage/*/Volumes"
    return [
        Route(volumes, {"GET": reading("get_inventory", _volumes), "POST": _create}),
        Route(f"{volumes}/*", {"GET": reading("get_inventory", _volume), "DELETE": _delete}),
    ]


def _path(exchange: Exchange, *below: str) -> tuple[str, ...]:
    if exchange.names[1] != STORAGE:
        raise missing_resource(exchange.request.path)
    return ("Systems", exchange.machine.name, "Storage", STORAGE, *below)


def _volumes(exchange: Exchange) -> dict[str, Any]:
    members = [str(one["id"]) for one in exchange.machine.raid if "id" in one]
    return collection(_path(exchange, "Volumes"), "VolumeCollection", "Volumes", members)


def _found(exchange: Exchange) -> Mapping[str, Any]:
    for one in exchange.machine.raid:
        if one.get("id") == exchange.names[2]:
            return one
    raise missing_resource(exchange.request.path)


def _volume(exchange: Exchange) -> dict[str, Any]:
    return _described(exchange, _found(exchange))


def _described(exchange: Exchange, volume: Mapping[str, Any]) -> dict[str, Any]:
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
    machine, body = exchange.machine, exchange.json()
    collection_path = _path(exchange, "Volumes")
    for name in body:
        if name not in _SETTABLE:
            raise unknown_property(name)
    kind = str(body.get("RAIDType"))
    if kind not in RAID_TYPES:
        raise not_in_list("RAIDType", kind, RAID_TYPES)
    drives = _drives_in(body, machine)
    if len(drives) < RAID_TYPES[kind]:
        raise RedfishError(400, "GeneralError", f"{kind} needs {RAID_TYPES[kind]} drives, and {len(drives)} are given.")
    room = _room(kind, machine, drives)
    size = body.get("CapacityBytes", room)
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= room:
        raise RedfishError(400, "GeneralError", f"CapacityBytes has to be an integer from 1 to {room}.")
    number = 1 + max((int(one["id"]) for one in machine.raid if "id" in one), default=0)
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
            return exchange.bmc.tasks.accepted("Create volume", exchange.bmc.rack.clock() + exchange.bmc.options.task_seconds)
        location = "/".join((ROOT, *collection_path, volume["id"]))
        return Answer(201, _described(exchange, volume), {"Location": location})

    return Operation("create_raid", run, {"volume": volume})


def _drives_in(body: Mapping[str, Any], machine: Machine) -> list[str]:
    links = body.get("Links")
    given = links.get("Drives") if isinstance(links, Mapping) else None
    names = [one["@odata.id"].rpartition("/")[2] for one in given or () if isinstance(one, Mapping) and "@odata.id" in one]
    known = {disk.name for disk in machine.inventory.disks}
    taken = {name for one in machine.raid for name in one.get("drives", ())}
    for name in names:
        if name not in known or name in taken:
            raise not_in_list("Links/Drives", name, sorted(known - taken))
    return names


def _room(kind: str, machine: Machine, drives: list[str]) -> int:
    smallest = min(disk.size_gb for disk in machine.inventory.disks if disk.name in drives) * GIB
    share = {"RAID0": len(drives), "RAID1": 1, "RAID5": len(drives) - 1, "RAID6": len(drives) - 2, "RAID10": len(drives) // 2}
    return smallest * share[kind]


def _delete(exchange: Exchange) -> Operation:
    machine, volume = exchange.machine, _found(exchange)

    def run(fault: Fault | None) -> Answer:
        if fault is None or fault.effect is not Effect.LOSE:
            machine.set_raid(tuple(one for one in machine.raid if one is not volume))
        if exchange.bmc.options.task_seconds is not None:
            return exchange.bmc.tasks.accepted("Delete volume", exchange.bmc.rack.clock() + exchange.bmc.options.task_seconds)
        return Answer(204)

    return Operation("delete_raid", run, {"volume": volume["id"]})
