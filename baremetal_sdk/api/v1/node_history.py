"""``/v1/nodes/{node}/history`` and ``/children``: what happened to a node, and which nodes are parts of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.pagination import PAGING, next_link
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
_BRIEF: Mapping[str, int] = {"uuid": SINCE, "created_at": SINCE, "severity": SINCE, "event": SINCE}
_WHOLE: Mapping[str, int] = {
    **_BRIEF,
    "event_type": SINCE,
    "conductor": SINCE,
    "user": SINCE,
    "project": 113,
    "state": 115,
    "target_provision_state": 115,
    "duration_seconds": 115,
}
"""The fields of an entry, each with the microversion that brought it."""
_BRIEF_TEXT = 255
"""Characters of an event in a listing without details."""


_ENTRY = record_schema(NodeHistoryRecord, _WHOLE, {"links": list[Link]})


class NodeHistoryResource:
    """What happened to a node, successes included."""

    @route(
        "GET",
        "/v1/nodes/{node}/history",
        policy="baremetal:node:history:get",
        role="owner-reader",
        since=SINCE,
        query=(Parameter("detail", BOOLEAN, "Whether to show all fields, and the whole text."), *PAGING),
        response=collection_schema("history", _ENTRY),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List what happened to a node."""
        node, asked = request.node(), request.query
        detail = bool(asked.get("detail"))
        maximum = request.backend.config.api.max_limit
        limit = min(asked.get("limit", maximum), maximum)
        query = Query(
            where={"node_uuid": node.uuid},
            limit=limit + 1,
            marker=asked.get("marker"),
            sort_key=_sort_key(request),
            sort_dir=asked.get("sort_dir", "asc"),
        )
        rows = request.backend.store.records(NodeHistoryRecord, query, scope=request.scope)
        body: dict[str, Any] = {"history": [_entry(request, node, row, detail) for row in rows[:limit]]}
        if len(rows) > limit:
            body["next"] = next_link(request, limit, rows[limit - 1]["uuid"])
        return body

    @route(
        "GET",
        "/v1/nodes/{node}/history/{entry}",
        policy="baremetal:node:history:get",
        role="owner-reader",
        since=SINCE,
        response=_ENTRY,
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show one thing that happened to a node."""
        node = request.node()
        try:
            ident = UUID.parse(request.arguments["entry"])
        except InvalidValue as exc:
            raise InvalidInput([Problem("entry", exc.wrong, exc.allowed)]) from None
        found = request.backend.store.record(NodeHistoryRecord, ident, scope=request.scope)
        if found.node_uuid != node.uuid:
            raise NodeHistoryNotFound(f"history entry {ident} of node {node.uuid} was not found")
        return _entry(request, node, vars(found), True)


class Children(TypedDict):
    """The nodes that are parts of another one."""

    children: list[UUIDText]
    links: Link


class NodeChildrenResource:
    """Nodes that are parts of another one."""

    @route("GET", "/v1/nodes/{node}/children", policy="baremetal:node:get", since=CHILDREN_SINCE)
    def list(self, request: APIRequest) -> Children:
        """List the nodes whose parent a node is."""
        node = request.node()
        rows = request.backend.store.nodes(NodeQuery(where={"parent_node": node.uuid}, fields=("uuid",)), scope=request.scope)
        link: Link = {"href": f"{request.base}/v1/nodes?parent_node={node.uuid}", "rel": "children"}
        return {"children": [row.uuid for row in rows], "links": link}


def _sort_key(request: APIRequest) -> str | None:
    key = request.query.get("sort_key", "id")
    if key == "id":
        return None
    known = [name for name, since in _WHOLE.items() if since <= request.minor]
    if key not in known:
        raise InvalidInput([Problem("sort_key", f"{key[:64]!r} is an invalid field for sorting", "one of " + ", ".join(known))])
    return str(key)


def _entry(request: APIRequest, node: NodeRecord, row: Mapping[str, Any], detail: bool) -> dict[str, Any]:
    shown = {name: row[name] for name, since in (_WHOLE if detail else _BRIEF).items() if since <= request.minor}
    event = shown["event"]
    if not detail and event is not None and len(event) > _BRIEF_TEXT:
        shown["event"] = event[: _BRIEF_TEXT - 3] + "..."
    shown["links"] = [{"href": f"{request.base}/v1/nodes/{node.uuid}/history/{row['uuid']}", "rel": "self"}]
    return shown
