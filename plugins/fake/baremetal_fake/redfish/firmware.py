"""Resources of a simulated Redfish BMC for secure boot, BIOS settings, firmware inventory and the update service."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from baremetal_fake.faults import Effect, Fault
from baremetal_fake.machine import Machine
from baremetal_fake.redfish.errors import (
    missing_parameter,
    missing_resource,
    not_in_list,
    unknown_parameter,
    unknown_property,
    wrong_type,
)
from baremetal_fake.redfish.exchange import ROOT, Exchange, Operation, collection, link, make_command, make_reader
from baremetal_fake.redfish.message import Answer
from baremetal_fake.redfish.registries import BIOS_REGISTRY
from baremetal_fake.redfish.routing import Route
from baremetal_fake.redfish.tasks import start_task
from baremetal_fake.settings import parse_version

_KEY_RESETS = ("ResetAllKeysToDefault", "DeleteAllKeys", "DeletePK")
_INVENTORY = ("UpdateService", "FirmwareInventory")


def routes() -> list[Route]:
    """Return the HTTP routes of a simulated BMC for secure boot, BIOS settings, firmware inventory and the update service."""
    return [
        Route("Systems/*/SecureBoot", {"GET": make_reader("get_secure_boot", _secure_boot), "PATCH": _set_secure_boot}),
        Route("Systems/*/SecureBoot/Actions/SecureBoot.ResetKeys", {"POST": _reset_keys}),
        Route("Systems/*/Bios", {"GET": make_reader("get_bios", _bios)}),
        Route("Systems/*/Bios/Settings", {"GET": make_reader("get_bios", _bios_settings), "PATCH": _set_bios}),
        Route("Systems/*/Bios/Actions/Bios.ResetBios", {"POST": _reset_bios}),
        Route("UpdateService", {"GET": make_reader("get_firmware", _update_service)}),
        Route("UpdateService/FirmwareInventory", {"GET": make_reader("get_firmware", _inventory)}),
        Route("UpdateService/FirmwareInventory/*", {"GET": make_reader("get_firmware", _component)}),
        Route("UpdateService/Actions/UpdateService.SimpleUpdate", {"POST": _simple_update}),
    ]


def _secure_boot(exchange: Exchange) -> dict[str, Any]:
    machine = exchange.machine
    path = ("Systems", machine.name, "SecureBoot")
    last = machine.last_boot
    return {
        **link(*path),
        "@odata.type": "#SecureBoot.v1_1_0.SecureBoot",
        "Id": "SecureBoot",
        "Name": "UEFI Secure Boot",
        "SecureBootEnable": machine.secure_boot,
        "SecureBootCurrentBoot": "Enabled" if last is not None and last.secure_boot else "Disabled",
        "SecureBootMode": "UserMode",
        "Actions": {
            "#SecureBoot.ResetKeys": {
                "target": "/".join((ROOT, *path, "Actions", "SecureBoot.ResetKeys")),
                "ResetKeysType@Redfish.AllowableValues": list(_KEY_RESETS),
            }
        },
    }


def _set_secure_boot(exchange: Exchange) -> Operation:
    machine = exchange.machine
    body = exchange.json()
    for name in body:
        if name != "SecureBootEnable":
            raise unknown_property(name)
    enabled = body.get("SecureBootEnable")
    if not isinstance(enabled, bool):
        raise wrong_type("SecureBootEnable", enabled, "boolean")
    return make_command("set_secure_boot", lambda _: machine.set_secure_boot(enabled), enabled=enabled)


def _reset_keys(exchange: Exchange) -> Operation:
    """Return the operation that resets the secure boot keys. It only records the command, because the keys are not simulated."""
    name = exchange.machine.name
    kind = exchange.json().get("ResetKeysType")
    if kind is None:
        raise missing_parameter("SecureBoot.ResetKeys", "ResetKeysType")
    if kind not in _KEY_RESETS:
        raise not_in_list("ResetKeysType", kind, _KEY_RESETS)
    return make_command("reset_secure_boot_keys", lambda _: None, system=name, kind=kind)


def _bios(exchange: Exchange) -> dict[str, Any]:
    machine = exchange.machine
    path = ("Systems", machine.name, "Bios")
    return {
        **link(*path),
        "@odata.type": "#Bios.v1_2_1.Bios",
        "Id": "Bios",
        "Name": "BIOS settings",
        "AttributeRegistry": BIOS_REGISTRY,
        "Attributes": _convert_types(machine, machine.firmware.current()),
        "@Redfish.Settings": {"@odata.type": "#Settings.v1_3_5.Settings", "SettingsObject": link(*path, "Settings")},
        "Actions": {"#Bios.ResetBios": {"target": "/".join((ROOT, *path, "Actions", "Bios.ResetBios"))}},
    }


def _bios_settings(exchange: Exchange) -> dict[str, Any]:
    machine = exchange.machine
    return {
        **link("Systems", machine.name, "Bios", "Settings"),
        "@odata.type": "#Bios.v1_2_1.Bios",
        "Id": "Settings",
        "Name": "BIOS settings for the next boot",
        "Attributes": _convert_types(machine, machine.firmware.pending()),
    }


def _convert_types(machine: Machine, settings: Mapping[str, str]) -> dict[str, str | int]:
    """Return the BIOS *settings* with the values of integer settings as numbers, as Redfish shows them."""
    definitions = machine.firmware.definitions
    return {name: int(value) if definitions[name].attribute_type == "Integer" else value for name, value in settings.items()}


def _set_bios(exchange: Exchange) -> Operation:
    """Return the operation that sets BIOS settings for the next boot; raise RedfishError if any setting is not allowed."""
    machine = exchange.machine
    body = exchange.json()
    for name in body:
        if name not in ("Attributes", "@Redfish.SettingsApplyTime"):
            raise unknown_property(name)
    attributes = body.get("Attributes")
    if not isinstance(attributes, Mapping):
        raise wrong_type("Attributes", attributes, "object")
    settings = {name: str(value) for name, value in attributes.items()}
    for name, reason in machine.firmware.find_problems(settings).items():
        if name not in machine.firmware.definitions:
            raise unknown_property(f"Attributes/{name}")
        allowed = machine.firmware.definitions[name].allowable_values or (reason,)
        raise not_in_list(f"Attributes/{name}", attributes[name], allowed)
    return make_command("set_bios", lambda _: machine.firmware.request(settings), settings=settings)


def _reset_bios(exchange: Exchange) -> Operation:
    machine = exchange.machine
    return make_command("reset_bios", lambda _: machine.firmware.request_defaults())


def _update_service(exchange: Exchange) -> dict[str, Any]:
    return {
        **link("UpdateService"),
        "@odata.type": "#UpdateService.v1_11_3.UpdateService",
        "Id": "UpdateService",
        "Name": "Update service",
        "ServiceEnabled": True,
        "Status": {"State": "Enabled", "Health": "OK"},
        "FirmwareInventory": link(*_INVENTORY),
        "Actions": {
            "#UpdateService.SimpleUpdate": {
                "target": f"{ROOT}/UpdateService/Actions/UpdateService.SimpleUpdate",
                "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS"],
            }
        },
    }


def _inventory(exchange: Exchange) -> dict[str, Any]:
    members = [f"{name}-{component}" for name in exchange.bmc.names for component in exchange.bmc.machine(name).firmware.versions]
    return collection(_INVENTORY, "SoftwareInventoryCollection", "Firmware", members)


def _component(exchange: Exchange) -> dict[str, Any]:
    name, component = _require_component(exchange)
    return {
        **link(*_INVENTORY, f"{name}-{component}"),
        "@odata.type": "#SoftwareInventory.v1_10_2.SoftwareInventory",
        "Id": f"{name}-{component}",
        "Name": component,
        "Version": exchange.bmc.machine(name).firmware.versions[component],
        "Updateable": True,
        "RelatedItem": [link("Systems", name)],
        "Status": {"State": "Enabled", "Health": "OK"},
    }


def _require_component(exchange: Exchange, identifier: str | None = None) -> tuple[str, str]:
    """Return the machine name and the component of the firmware *identifier* ``MACHINE-COMPONENT``.

    Without *identifier*, the last segment of the request path is the identifier. Raises RedfishError if the BMC has no such
    component.
    """
    name, _, component = (identifier or exchange.names[0]).rpartition("-")
    if name not in exchange.bmc.names or component not in exchange.bmc.machine(name).firmware.versions:
        raise missing_resource(exchange.request.path)
    return name, component


def _simple_update(exchange: Exchange) -> Operation:
    """Return the operation that updates the firmware of all targets and answers with a task.

    The file name in ``ImageURI`` holds the new version; no image is fetched. Raises RedfishError if a parameter is not
    valid.
    """
    body = exchange.json()
    for name in body:
        if name not in ("ImageURI", "Targets", "TransferProtocol"):
            raise unknown_parameter("UpdateService.SimpleUpdate", name)
    url, targets = body.get("ImageURI"), body.get("Targets")
    if not isinstance(url, str) or not url:
        raise missing_parameter("UpdateService.SimpleUpdate", "ImageURI")
    if not isinstance(targets, list) or not targets:
        raise missing_parameter("UpdateService.SimpleUpdate", "Targets")
    components = [_require_component(exchange, posixpath.basename(str(target))) for target in targets]

    def run(fault: Fault | None) -> Answer:
        ends_at = exchange.bmc.rack.clock()
        if fault is None or fault.effect is not Effect.LOSE:
            version = parse_version(urlsplit(url).path)
            ends_at = max(exchange.bmc.machine(name).update_firmware(component, version) for name, component in components)
        return start_task(exchange, "Firmware update", ends_at)

    return Operation("update_firmware", run, {"url": url, "targets": targets})
