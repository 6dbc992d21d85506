"""Resources of a simulated Redfish BMC for managers, virtual media and chassis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from baremetal_fake.faults import Effect, Fault
from baremetal_fake.redfish.errors import (
    RedfishError,
    missing_parameter,
    missing_resource,
    not_in_list,
    unknown_parameter,
    wrong_type,
)
from baremetal_fake.redfish.exchange import ROOT, Exchange, Operation, collection, link, make_command, make_reader
from baremetal_fake.redfish.message import Answer
from baremetal_fake.redfish.routing import Route
from baremetal_fake.redfish.systems import POWER_STATES
from baremetal_interfaces import VirtualMediaDevice

MEDIA_DRIVES: Mapping[str, tuple[VirtualMediaDevice, list[str]]] = {
    "Cd": (VirtualMediaDevice.CDROM, ["CD", "DVD"]),
    "Floppy": (VirtualMediaDevice.FLOPPY, ["Floppy"]),
    "Usb": (VirtualMediaDevice.DISK, ["USBStick"]),
}
"""Virtual media device and Redfish media types of each virtual drive, by the drive's identifier."""
_INSERT_PARAMETERS: Mapping[str, type | tuple[type, ...]] = {
    "Image": str,
    "Inserted": bool,
    "WriteProtected": bool,
    "UserName": str,
    "Password": str,
    "TransferMethod": str,
    "TransferProtocolType": str,
}
"""JSON type of each parameter of the action InsertMedia."""
_SCHEMES = ("http", "https")
_MANAGER_RESETS = ("GracefulRestart", "ForceRestart")


def routes() -> list[Route]:
    """Return the HTTP routes of a simulated BMC for managers, virtual media and chassis."""
    media = "Managers/*/VirtualMedia"
    return [
        Route("Managers", {"GET": make_reader("get_managers", _managers)}),
        Route("Managers/*", {"GET": make_reader("get_managers", _manager)}),
        Route("Managers/*/Actions/Manager.Reset", {"POST": _reset}),
        Route(media, {"GET": make_reader("get_virtual_media", _drives)}),
        Route(f"{media}/*", {"GET": make_reader("get_virtual_media", _drive)}),
        Route(f"{media}/*/Actions/VirtualMedia.InsertMedia", {"POST": _insert}),
        Route(f"{media}/*/Actions/VirtualMedia.EjectMedia", {"POST": _eject}),
        Route("Chassis", {"GET": make_reader("get_chassis", _chassis_collection)}),
        Route("Chassis/*", {"GET": make_reader("get_chassis", _chassis)}),
    ]


def _managers(exchange: Exchange) -> dict[str, Any]:
    return collection(("Managers",), "ManagerCollection", "Managers", exchange.bmc.names)


def _manager(exchange: Exchange) -> dict[str, Any]:
    machine = exchange.machine
    path = ("Managers", machine.name)
    return {
        **link(*path),
        "@odata.type": "#Manager.v1_19_1.Manager",
        "Id": machine.name,
        "Name": "Simulated BMC",
        "ManagerType": "BMC",
        "Model": "Simulated BMC",
        "FirmwareVersion": machine.firmware.versions["bmc"],
        "PowerState": "On",
        "Status": {"State": "Enabled", "Health": "OK"},
        "VirtualMedia": link(*path, "VirtualMedia"),
        "Links": {"ManagerForServers": [link("Systems", machine.name)], "ManagerForChassis": [link("Chassis", machine.name)]},
        "Actions": {
            "#Manager.Reset": {
                "target": "/".join((ROOT, *path, "Actions", "Manager.Reset")),
                "ResetType@Redfish.AllowableValues": list(_MANAGER_RESETS),
            }
        },
    }


def _reset(exchange: Exchange) -> Operation:
    """Return the operation that restarts the BMC: all its sessions end, and the machine's power does not change."""
    name = exchange.machine.name
    kind = exchange.json().get("ResetType", _MANAGER_RESETS[0])
    if kind not in _MANAGER_RESETS:
        raise not_in_list("ResetType", kind, _MANAGER_RESETS)
    return make_command("reset_bmc", lambda _: exchange.bmc.sessions.clear(), manager=name)


def _drives(exchange: Exchange) -> dict[str, Any]:
    path = ("Managers", exchange.machine.name, "VirtualMedia")
    return collection(path, "VirtualMediaCollection", "Virtual media", list(MEDIA_DRIVES))


def _device(exchange: Exchange) -> VirtualMediaDevice:
    """Return the virtual media device that the path names; raise RedfishError (HTTP 404) if the drive does not exist."""
    drive = exchange.names[1]
    if drive not in MEDIA_DRIVES:
        raise missing_resource(exchange.request.path)
    return MEDIA_DRIVES[drive][0]


def _drive(exchange: Exchange) -> dict[str, Any]:
    image = exchange.machine.media.get(_device(exchange))
    drive = exchange.names[1]
    path = ("Managers", exchange.machine.name, "VirtualMedia", drive)
    return {
        **link(*path),
        "@odata.type": "#VirtualMedia.v1_6_3.VirtualMedia",
        "Id": drive,
        "Name": f"Virtual {drive}",
        "MediaTypes": MEDIA_DRIVES[drive][1],
        "Image": image,
        "ImageName": None if image is None else urlsplit(image).path.rpartition("/")[2],
        "Inserted": image is not None,
        "ConnectedVia": "NotConnected" if image is None else "URI",
        "WriteProtected": True,
        "Actions": {
            "#VirtualMedia.InsertMedia": {
                "target": "/".join((ROOT, *path, "Actions", "VirtualMedia.InsertMedia")),
                "TransferProtocolType@Redfish.AllowableValues": [scheme.upper() for scheme in _SCHEMES],
            },
            "#VirtualMedia.EjectMedia": {"target": "/".join((ROOT, *path, "Actions", "VirtualMedia.EjectMedia"))},
        },
    }


def _insert(exchange: Exchange) -> Operation:
    """Return the operation that checks and inserts an image; raise RedfishError (HTTP 409) if the drive holds an image."""
    machine, device = exchange.machine, _device(exchange)
    image = _validate_insert(exchange.json())
    if device in machine.media:
        text = "The drive already holds an image; eject the image first."
        raise RedfishError(409, "ResourceInUse", text, related=["#/Image"])

    async def run(fault: Fault | None) -> Answer:
        if exchange.bmc.options.fetch_images:
            await exchange.bmc.check_image(image)
        if fault is None or fault.effect is not Effect.LOSE:
            machine.insert_media(device, image)
        return Answer(204)

    return Operation("insert_media", run, {"device": device.value, "image": image})


def _validate_insert(body: Mapping[str, Any]) -> str:
    """Return the image URL in *body*, the body of an InsertMedia request; raise RedfishError if a parameter is not valid."""
    action = "VirtualMedia.InsertMedia"
    for name, value in body.items():
        if name not in _INSERT_PARAMETERS:
            raise unknown_parameter(action, name)
        if value is not None and not isinstance(value, _INSERT_PARAMETERS[name]):
            kind = "boolean" if _INSERT_PARAMETERS[name] is bool else "string"
            raise wrong_type(name, "" if name == "Password" else value, kind)
    image = body.get("Image")
    if not image:
        raise missing_parameter(action, "Image")
    if not _is_url(image):
        raise not_in_list("Image", image, [f"{scheme}://host/path" for scheme in _SCHEMES])
    return str(image)


def _is_url(image: str) -> bool:
    try:
        parts = urlsplit(image)
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _eject(exchange: Exchange) -> Operation:
    machine, device = exchange.machine, _device(exchange)
    return make_command("eject_media", lambda _: machine.eject_media(device), device=device.value)


def _chassis_collection(exchange: Exchange) -> dict[str, Any]:
    return collection(("Chassis",), "ChassisCollection", "Chassis", exchange.bmc.names)


def _chassis(exchange: Exchange) -> dict[str, Any]:
    machine = exchange.machine
    parts = machine.inventory
    return {
        **link("Chassis", machine.name),
        "@odata.type": "#Chassis.v1_25_0.Chassis",
        "Id": machine.name,
        "Name": "Chassis",
        "ChassisType": "RackMount",
        "Manufacturer": parts.manufacturer,
        "Model": parts.model,
        "SerialNumber": parts.serial,
        "PowerState": POWER_STATES[machine.power],
        "Status": {"State": "Enabled", "Health": "OK"},
        "Thermal": link("Chassis", machine.name, "Thermal"),
        "Power": link("Chassis", machine.name, "Power"),
        "Links": {"ComputerSystems": [link("Systems", machine.name)], "ManagedBy": [link("Managers", machine.name)]},
    }
