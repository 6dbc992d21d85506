"""API resources for the history of a node, which records past errors and successes, and for its child nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.pagination import PAGING, build_next_link
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.schemas import UUIDText, collection_schema, record_schema
from baremetal_sdk.api.framework.types import BOOLEAN, UUID, InvalidValue
from baremetal_sdk.api.framework.views import Link
from baremetal_sdk.errors import NodeHistoryNotFound
from baremetal_sdk.store.records.hardware import NodeHistoryRecord
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import NodeQuery, Query

SINCE = 78
CHILDREN_SINCE = 83
_BRIEF_FIELDS: Mapping[str, int] = {"uuid": SINCE, "created_at": SINCE, "severity": SINCE, "event": SINCE}
_FIELDS: Mapping[str, int] = {
    **_BRIEF_FIELDS,
    "event_type": SINCE,
    "conductor": SINCE,
    "user": SINCE,
    "project": 113,
    "state": 115,
    "target_provision_state": 115,
    "duration_seconds": 115,
}
"""The fields of an entry, each with the minor number of its first microversion."""
_MAX_BRIEF_EVENT_CHARACTERS = 255
"""Maximum length of the event text in a listing without details. Longer texts are cut."""

_ENTRY_SCHEMA = record_schema(NodeHistoryRecord, _FIELDS, {"links": list[Link]})


class NodeHistoryResource:
    """Routes that show the history of nodes: past errors and successes."""

    @route(
        "GET",
        "/v1/nodes/{node}/history",
        policy="baremetal:node:history:get",
        role="owner-reader",
        since=SINCE,
        query=(
            Parameter(
                "detail", BOOLEAN, "True to return all fields and the complete text of each event. By default long texts are cut."
            ),
            *PAGING,
        ),
        response=collection_schema("history", _ENTRY_SCHEMA),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List the history entries of a node, which record past errors and successes."""
        node = request.node()
        detail = bool(request.query.get("detail"))
        max_limit = request.backend.config.api.max_limit
        limit = min(request.query.get("limit", max_limit), max_limit)
        query = Query(
            where={"node_uuid": node.uuid},
            limit=limit + 1,  # one more than a page, to find out whether another page follows
            marker=request.query.get("marker"),
            sort_key=_parse_sort_key(request),
            sort_dir=request.query.get("sort_dir", "asc"),
        )
        rows = request.backend.store.records(NodeHistoryRecord, query, scope=request.scope)
        body: dict[str, Any] = {"history": [_render_entry(request, node, row, detail=detail) for row in rows[:limit]]}
        if len(rows) > limit:
            body["next"] = build_next_link(request, limit, rows[limit - 1]["uuid"])
        return body

    @route(
        "GET",
        "/v1/nodes/{node}/history/{entry}",
        policy="baremetal:node:history:get",
        role="owner-reader",
        since=SINCE,
        response=_ENTRY_SCHEMA,
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show a history entry of a node."""
        node = request.node()
        try:
            ident = UUID.parse(request.arguments["entry"])
        except InvalidValue as exc:
            raise InvalidInput([Problem("entry", exc.wrong, exc.allowed)]) from None
        found = request.backend.store.record(NodeHistoryRecord, ident, scope=request.scope)
        if found.node_uuid != node.uuid:
            raise NodeHistoryNotFound(f"node {node.uuid} has no history entry {ident}; .../history lists its entries")
        return _render_entry(request, node, vars(found), detail=True)


class Children(TypedDict):
    """A response with the UUIDs of the child nodes of a node."""

    children: list[UUIDText]
    links: Link


class NodeChildrenResource:
    """Route that lists child nodes: nodes whose machine is part of another node's machine."""

    @route("GET", "/v1/nodes/{node}/children", policy="baremetal:node:get", since=CHILDREN_SINCE)
    def list(self, request: APIRequest) -> Children:
        """List the child nodes of a node, whose machines are parts of its machine."""
        node = request.node()
        rows = request.backend.store.nodes(NodeQuery(where={"parent_node": node.uuid}, fields=("uuid",)), scope=request.scope)
        link: Link = {"href": f"{request.base}/v1/nodes?parent_node={node.uuid}", "rel": "children"}
        return {"children": [row.uuid for row in rows], "links": link}


def _parse_sort_key(request: APIRequest) -> str | None:
    """Return the column to sort by, or None for the order of creation. Raises ``InvalidInput``."""
    key = request.query.get("sort_key", "id")
    if key == "id":
        return None
    sortable = [name for name, since in _FIELDS.items() if since <= request.minor]
    if key not in sortable:
        allowed = "use one of " + ", ".join(sortable)
        raise InvalidInput([Problem("sort_key", f"{key[:64]!r} is an invalid field for sorting", allowed)])
    return str(key)


def _render_entry(request: APIRequest, node: NodeRecord, row: Mapping[str, Any], *, detail: bool) -> dict[str, Any]:
    """Return a history entry as JSON. Without *detail* it has few fields, and a long event text is cut."""
    fields = _FIELDS if detail else _BRIEF_FIELDS
    entry = {name: row[name] for name, since in fields.items() if since <= request.minor}
    event = entry["event"]
    if not detail and event is not None and len(event) > _MAX_BRIEF_EVENT_CHARACTERS:
        entry["event"] = event[: _MAX_BRIEF_EVENT_CHARACTERS - 3] + "..."
    entry["links"] = [{"href": f"{request.base}/v1/nodes/{node.uuid}/history/{row['uuid']}", "rel": "self"}]
    return entry
