"""API resources for stored facts about the hardware of a machine: BIOS settings, firmware and inventory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from urllib.parse import quote

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.schemas import collection_schema, record_schema
from baremetal_sdk.api.framework.types import BOOLEAN, STRINGS
from baremetal_sdk.api.framework.views import Link, build_links
from baremetal_sdk.errors import BIOSSettingNotFound, NodeInventoryNotFound
from baremetal_sdk.store.large_values import read_inspection
from baremetal_sdk.store.records.hardware import BIOSSettingRecord, FirmwareComponentRecord, NodeInventoryRecord
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import Query

BIOS_SINCE, BIOS_DETAIL_SINCE = 40, 74
FIRMWARE_SINCE, FIRMWARE_IDENTITY_SINCE = 86, 114
INVENTORY_SINCE = 81

_TIME_FIELDS = ("created_at", "updated_at")
_BIOS_BRIEF_FIELDS = ("name", "value")
_BIOS_FIELDS = (
    *_BIOS_BRIEF_FIELDS,
    "attribute_type",
    "allowable_values",
    "lower_bound",
    "max_length",
    "min_length",
    "read_only",
    "reset_required",
    "unique",
    "upper_bound",
)
_FIRMWARE_FIELDS = ("component", "initial_version", "current_version", "last_version_flashed")
_FIRMWARE_IDENTITY_FIELDS = ("vendor", "model", "serial_number")
_SETTING_SCHEMA = record_schema(BIOSSettingRecord, (*_TIME_FIELDS, *_BIOS_FIELDS), {"links": list[Link]})
_FIELDS_HELP = "The fields to return, separated by commas."
_DETAIL_HELP = "True to return all fields. It cannot be used together with fields."


class NodeBIOSResource:
    """Routes that show the BIOS settings of machines, as the service last read them."""

    @route(
        "GET",
        "/v1/nodes/{node}/bios",
        policy="baremetal:node:bios:get",
        since=BIOS_SINCE,
        query=(
            Parameter("detail", BOOLEAN, _DETAIL_HELP, since=BIOS_DETAIL_SINCE, too_old_status=400),
            Parameter("fields", STRINGS, _FIELDS_HELP, since=BIOS_DETAIL_SINCE, too_old_status=400),
        ),
        response=collection_schema("bios", _SETTING_SCHEMA),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List the BIOS settings of a node, as the service last read them."""
        node = request.node()
        names = _select_fields(request, _BIOS_FIELDS, _BIOS_BRIEF_FIELDS)
        rows = _read_rows(request, BIOSSettingRecord, node)
        return {"bios": [_render_setting(request, node, row, names) for row in rows]}

    @route(
        "GET",
        "/v1/nodes/{node}/bios/{setting}",
        policy="baremetal:node:bios:get",
        since=BIOS_SINCE,
        response={"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": _SETTING_SCHEMA},
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show a BIOS setting of a node, as the service last read it."""
        node, name = request.node(), request.arguments["setting"]
        rows = _read_rows(request, BIOSSettingRecord, node, name=name)
        if not rows:
            raise BIOSSettingNotFound(f"node {node.uuid} has no BIOS setting {name[:64]!r}; .../bios lists its settings")
        names = _BIOS_FIELDS if request.minor >= BIOS_DETAIL_SINCE else _BIOS_BRIEF_FIELDS
        return {name: _render_setting(request, node, rows[0], names)}


class NodeFirmwareResource:
    """Route that shows the firmware of the components of machines, as the service last read it."""

    @route(
        "GET",
        "/v1/nodes/{node}/firmware",
        policy="baremetal:node:firmware:get",
        since=FIRMWARE_SINCE,
        query=(
            Parameter("detail", BOOLEAN, _DETAIL_HELP),
            Parameter("fields", STRINGS, _FIELDS_HELP),
        ),
        response=collection_schema(
            "firmware", record_schema(FirmwareComponentRecord, (*_TIME_FIELDS, *_FIRMWARE_FIELDS, *_FIRMWARE_IDENTITY_FIELDS))
        ),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List the firmware versions of the components of a node, as the service last read them."""
        node = request.node()
        whole = (*_FIRMWARE_FIELDS, *_FIRMWARE_IDENTITY_FIELDS) if request.minor >= FIRMWARE_IDENTITY_SINCE else _FIRMWARE_FIELDS
        names = _select_fields(request, whole, whole)
        return {"firmware": [_render_row(row, names) for row in _read_rows(request, FirmwareComponentRecord, node)]}


class Inventory(TypedDict):
    """A response with the hardware inventory of a machine, and the data that plugins of its agent collected."""

    inventory: dict[str, Any]
    plugin_data: dict[str, Any]


class NodeInventoryResource:
    """Route that shows the hardware inventory from the last inspection of a node."""

    @route("GET", "/v1/nodes/{node}/inventory", policy="baremetal:node:inventory:get", role="owner-reader", since=INVENTORY_SINCE)
    def show(self, request: APIRequest) -> Inventory:
        """Show the hardware inventory of a node, from its last inspection."""
        node = request.node()
        rows = _read_rows(request, NodeInventoryRecord, node)
        if not rows:
            raise NodeInventoryNotFound(f"node {node.uuid} has no inventory; inspect it first")
        inventory, plugin_data = read_inspection(request.backend.store, rows[0])
        return {"inventory": inventory, "plugin_data": plugin_data}


def _read_rows(request: APIRequest, kind: type[Any], node: NodeRecord, **where: Any) -> Sequence[Mapping[str, Any]]:
    return request.backend.store.records(kind, Query(where={"node_uuid": node.uuid, **where}), scope=request.scope)


def _select_fields(request: APIRequest, whole: Sequence[str], brief: Sequence[str]) -> Sequence[str]:
    """Return the names of the fields to return, without the times, which every entry has.

    *whole* are all fields, *brief* those of a listing without a selection. Raises ``InvalidInput``.
    """
    fields, detail = request.query.get("fields"), request.query.get("detail")
    if detail and fields is not None:
        raise InvalidInput("detail, fields: the parameters exclude each other; use one of them")
    if fields is None:
        return whole if detail else brief
    unknown = [name for name in fields if name not in whole and name not in _TIME_FIELDS]
    if unknown:
        known = "the fields are " + ", ".join((*whole, *_TIME_FIELDS))
        raise InvalidInput([Problem("fields", f"{name[:64]!r} is not a field", known) for name in unknown])
    return [name for name in fields if name not in _TIME_FIELDS]


def _render_row(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in (*_TIME_FIELDS, *names)}


def _render_setting(request: APIRequest, node: NodeRecord, row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    path = f"nodes/{node.uuid}/bios/{quote(row['name'], safe='')}"
    return {**_render_row(row, names), "links": build_links(request.base, path)}
