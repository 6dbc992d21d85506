"""BIOS attribute registry of a simulated Redfish BMC, which describes the BIOS settings and their allowed values."""

from __future__ import annotations

from typing import Any

from baremetal_fake.redfish.errors import missing_resource
from baremetal_fake.redfish.exchange import ROOT, Exchange, collection, link, make_reader
from baremetal_fake.redfish.routing import Route
from baremetal_fake.settings import SettingDefinition

BIOS_REGISTRY = "BiosAttributeRegistry.v1_0_0"
"""Identifier of the BIOS attribute registry."""


def routes() -> list[Route]:
    """Return the HTTP routes of a simulated BMC for the message registries and the BIOS attribute registry."""
    return [
        Route("Registries", {"GET": make_reader("get_registries", _registries)}),
        Route("Registries/*", {"GET": make_reader("get_registries", _file)}),
        Route("Registries/*/*", {"GET": make_reader("get_registries", _registry)}),
    ]


def _registries(exchange: Exchange) -> dict[str, Any]:
    return collection(("Registries",), "MessageRegistryFileCollection", "Registries", [BIOS_REGISTRY])


def _file(exchange: Exchange) -> dict[str, Any]:
    if exchange.names[0] != BIOS_REGISTRY:
        raise missing_resource(exchange.request.path)
    return {
        **link("Registries", BIOS_REGISTRY),
        "@odata.type": "#MessageRegistryFile.v1_1_3.MessageRegistryFile",
        "Id": BIOS_REGISTRY,
        "Name": "BIOS attributes",
        "Registry": BIOS_REGISTRY,
        "Languages": ["en"],
        "Location": [{"Language": "en", "Uri": f"{ROOT}/Registries/{BIOS_REGISTRY}/en.json"}],
    }


def _registry(exchange: Exchange) -> dict[str, Any]:
    if exchange.names != (BIOS_REGISTRY, "en.json"):
        raise missing_resource(exchange.request.path)
    definitions = exchange.bmc.first_machine().firmware.definitions
    return {
        "@odata.type": "#AttributeRegistry.v1_3_8.AttributeRegistry",
        "Id": BIOS_REGISTRY,
        "Name": "BIOS attributes",
        "Language": "en",
        "RegistryVersion": "1.0.0",
        "RegistryEntries": {"Attributes": [_entry(name, definition) for name, definition in definitions.items()]},
    }


def _entry(name: str, definition: SettingDefinition) -> dict[str, Any]:
    """Return the registry entry of the BIOS setting *name*."""
    entry: dict[str, Any] = {
        "AttributeName": name,
        "Type": definition.attribute_type,
        "ReadOnly": definition.read_only,
        "ResetRequired": not definition.read_only,
        "DefaultValue": definition.default,
    }
    if definition.allowable_values:
        entry["Value"] = [{"ValueName": value, "ValueDisplayName": value} for value in definition.allowable_values]
    if definition.lower_bound is not None:
        entry |= {"LowerBound": definition.lower_bound, "UpperBound": definition.upper_bound}
    return entry
