"""``/v1/nodes/{node}/bios``, ``/firmware`` and ``/inventory``: what was found out about a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.schemas import collection_schema, record_schema
from baremetal_sdk.api.framework.types import BOOLEAN, STRINGS
from baremetal_sdk.api.framework.views import Link, links
from baremetal_sdk.errors import BIOSSettingNotFound, NodeInventoryNotFound
from baremetal_sdk.store.records.hardware import BIOSSettingRecord, FirmwareComponentRecord, NodeInventoryRecord
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import Query

BIOS_SINCE, BIOS_DETAIL_SINCE = 40, 74
FIRMWARE_SINCE, FIRMWARE_IDENTITY_SINCE = 86, 114
INVENTORY_SINCE = 81

_TIMES = ("created_at", "updated_at")
_BIOS_BRIEF = ("name", "value")
_BIOS_WHOLE = (
    *_BIOS_BRIEF,
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
_FIRMWARE = ("component", "initial_version", "current_version", "last_version_flashed")
_IDENTITY = ("vendor", "model", "serial_number")
_SETTING = record_schema(BIOSSettingRecord, (*_TIMES, *_BIOS_WHOLE), {"links": list[Link]})
_FIELDS_HELP = "The fields to show, with commas between them."


class NodeBIOSResource:
    """BIOS settings of a machine, as they were read last."""

    @route(
        "GET",
        "/v1/nodes/{node}/bios",
        policy="baremetal:node:bios:get",
        since=BIOS_SINCE,
        query=(
            Parameter("detail", BOOLEAN, "Whether to show all fields.", since=BIOS_DETAIL_SINCE, too_old_status=400),
            Parameter("fields", STRINGS, _FIELDS_HELP, since=BIOS_DETAIL_SINCE, too_old_status=400),
        ),
        response=collection_schema("bios", _SETTING),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List the BIOS settings of a node."""
        node = request.node()
        names = _selected(request, _BIOS_WHOLE, _BIOS_BRIEF)
        rows = _rows(request, BIOSSettingRecord, node)
        return {"bios": [_setting(request, node, row, names) for row in rows]}

    @route(
        "GET",
        "/v1/nodes/{node}/bios/{setting}",
        policy="baremetal:node:bios:get",
        since=BIOS_SINCE,
        response={"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": _SETTING},
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show one BIOS setting of a node."""
        node, name = request.node(), request.arguments["setting"]
        rows = _rows(request, BIOSSettingRecord, node, name=name)
        if not rows:
            raise BIOSSettingNotFound(f"node {node.uuid} has no BIOS setting {name[:64]!r}; .../bios lists those that it has")
        names = _BIOS_WHOLE if request.minor >= BIOS_DETAIL_SINCE else _BIOS_BRIEF
        return {name: _setting(request, node, rows[0], names)}


class NodeFirmwareResource:
    """Firmware of a machine's components, as it was read last."""

    @route(
        "GET",
        "/v1/nodes/{node}/firmware",
        policy="baremetal:node:firmware:get",
        since=FIRMWARE_SINCE,
        query=(
            Parameter("detail", BOOLEAN, "Whether to show all fields."),
            Parameter("fields", STRINGS, _FIELDS_HELP),
        ),
        response=collection_schema("firmware", record_schema(FirmwareComponentRecord, (*_TIMES, *_FIRMWARE, *_IDENTITY))),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List the firmware of a node's components."""
        node = request.node()
        whole = (*_FIRMWARE, *_IDENTITY) if request.minor >= FIRMWARE_IDENTITY_SINCE else _FIRMWARE
        names = _selected(request, whole, whole)
        return {"firmware": [_shown(row, names) for row in _rows(request, FirmwareComponentRecord, node)]}


class Inventory(TypedDict):
    """What a machine is made of, and what plugins of its agent found besides."""

    inventory: dict[str, Any]
    plugin_data: dict[str, Any]


class NodeInventoryResource:
    """What an inspection found."""

    @route("GET", "/v1/nodes/{node}/inventory", policy="baremetal:node:inventory:get", role="owner-reader", since=INVENTORY_SINCE)
    def show(self, request: APIRequest) -> Inventory:
        """Show what a machine is made of."""
        node = request.node()
        rows = _rows(request, NodeInventoryRecord, node)
        if not rows:
            raise NodeInventoryNotFound(f"node {node.uuid} has no inventory; inspect it first")
        return {"inventory": rows[0]["inventory"], "plugin_data": rows[0]["plugin_data"]}


def _rows(request: APIRequest, kind: type[Any], node: NodeRecord, **where: Any) -> Sequence[Mapping[str, Any]]:
    return request.backend.store.records(kind, Query(where={"node_uuid": node.uuid, **where}), scope=request.scope)


def _selected(request: APIRequest, whole: Sequence[str], brief: Sequence[str]) -> Sequence[str]:
    fields, detail = request.query.get("fields"), request.query.get("detail")
    if detail and fields is not None:
        raise InvalidInput("detail, fields: they cannot be given together; detail=True shows all fields")
    if fields is None:
        return whole if detail else brief
    unknown = [name for name in fields if name not in whole and name not in _TIMES]
    if unknown:
        known = "known are " + ", ".join((*whole, *_TIMES))
        raise InvalidInput([Problem("fields", f"there is no field {name[:64]!r}", known) for name in unknown])
    return [name for name in fields if name not in _TIMES]


def _shown(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in (*_TIMES, *names)}


def _setting(request: APIRequest, node: NodeRecord, row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {**_shown(row, names), "links": links(request.base, f"nodes/{node.uuid}/bios/{row['name']}")}
