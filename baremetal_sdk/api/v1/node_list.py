"""API resource ``/v1/nodes``: listings of nodes, with filters and pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_sdk.api.framework.crud import find
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, PageRequest, build_page, parse_page_request
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, STRINGS, TEXT, UUID, UUID_OR_NAME, canonical_uuid, choice
from baremetal_sdk.api.framework.views import ResponseSpec
from baremetal_sdk.api.v1.node_redaction import find_restricted_fields, render_row
from baremetal_sdk.api.v1.node_view import NODE_VIEW
from baremetal_sdk.api.v1.provision_verbs import FAULTS
from baremetal_sdk.states import STATES
from baremetal_sdk.store.records.hardware import ChassisRecord
from baremetal_sdk.store.records.query import NodeQuery, Row, Scope

_FILTERS = (
    Parameter("associated", BOOLEAN, "True for nodes with an instance, false for nodes without one."),
    Parameter("chassis_uuid", UUID, "The UUID of the chassis that contains the node."),
    Parameter("conductor", TEXT, "The host name of the conductor that is responsible for the node.", since=49),
    Parameter("conductor_group", TEXT, "The conductor group of the node.", since=46),
    Parameter("description_contains", TEXT, "A text that is part of the description of the node.", since=51),
    Parameter("driver", TEXT, "The hardware type of the node.", since=16),
    Parameter("fault", choice(*FAULTS), "The fault that the service detected on the node.", since=42),
    Parameter(
        "include_children", BOOLEAN, "True to include nodes that have a parent node. By default they are not listed.", since=83
    ),
    Parameter("instance_name", TEXT, "The name of the instance on the node.", since=104),
    Parameter("instance_uuid", UUID, "The UUID of the instance on the node."),
    Parameter("lessee", TEXT, "The project that leases the node.", since=65),
    Parameter("maintenance", BOOLEAN, "True for nodes in maintenance, false for the others."),
    Parameter("owner", TEXT, "The project that owns the node.", since=50),
    Parameter("parent_node", UUID_OR_NAME, "The UUID or name of the parent node.", since=83),
    Parameter("project", TEXT, "The project that owns or leases the node.", since=65),
    Parameter("provision_state", choice(*sorted(STATES)), "The provision state of the node.", since=9),
    Parameter("resource_class", TEXT, "The resource class of the node.", since=21),
    Parameter("retired", BOOLEAN, "True for nodes marked as retired, false for the others."),
    Parameter("shard", STRINGS, "The names of shards, separated by commas. Nodes in any of them are listed.", since=82),
    Parameter("sharded", BOOLEAN, "True for nodes in a shard, false for the others.", since=82),
)
_VIEW_CHASSIS = "baremetal:chassis:get"
_CHASSIS_FILTERS = tuple(parameter for parameter in _FILTERS if parameter.name != "chassis_uuid")
_COLUMN_FILTERS = (
    "chassis_uuid", "conductor_group", "driver", "fault", "instance_name", "instance_uuid", "lessee", "maintenance", "owner",
    "parent_node", "provision_state", "resource_class", "retired", "shard",
)  # fmt: skip
"""Filters that compare a column with the given value. If several values are given, any of them may match."""


class NodeListResource:
    """Routes that list nodes, in pages."""

    @route(
        "GET",
        "/v1/nodes",
        policy="baremetal:node:list",
        role="lister",
        query=(*_FILTERS, *PAGING, FIELDS, DETAIL),
        response=ResponseSpec(NODE_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List nodes. Only nodes that match all filters are listed."""
        return _list_nodes(request)

    @route(
        "GET",
        "/v1/nodes/detail",
        policy="baremetal:node:list",
        role="lister",
        query=(*_FILTERS, *PAGING),
        response=ResponseSpec(NODE_VIEW, page=True, whole=True),
    )
    def list_whole(self, request: APIRequest) -> dict[str, Any]:
        """List nodes with all their fields."""
        return _list_nodes(request, whole=True)

    @route(
        "GET",
        "/v1/chassis/{chassis}/nodes",
        policy="baremetal:node:list",
        role="lister",
        query=(*_CHASSIS_FILTERS, *PAGING, FIELDS, DETAIL),
        response=ResponseSpec(NODE_VIEW, page=True),
    )
    def list_of_chassis(self, request: APIRequest) -> dict[str, Any]:
        """List the nodes of a chassis."""
        request.query["chassis_uuid"] = _find_chassis(request)
        return _list_nodes(request)

    @route(
        "GET",
        "/v1/chassis/{chassis}/nodes/detail",
        policy="baremetal:node:list",
        role="lister",
        query=(*_CHASSIS_FILTERS, *PAGING),
        response=ResponseSpec(NODE_VIEW, page=True, whole=True),
    )
    def list_whole_of_chassis(self, request: APIRequest) -> dict[str, Any]:
        """List the nodes of a chassis with all their fields."""
        request.query["chassis_uuid"] = _find_chassis(request)
        return _list_nodes(request, whole=True)


def _find_chassis(request: APIRequest) -> str:
    """Return the UUID of the chassis in the path. Only for clients that may see chassis, an unknown one is an error."""
    ident = canonical_uuid(request.arguments["chassis"])
    if ident is not None and not request.is_allowed(_VIEW_CHASSIS):
        return ident
    chassis: ChassisRecord = find(request, ChassisRecord, "chassis")
    return chassis.uuid


def _list_nodes(request: APIRequest, *, whole: bool = False) -> dict[str, Any]:
    """Return the requested page of nodes.

    The first query reads only the columns that tell whether a cached rendering is still valid. The other columns are
    then read only for the nodes of the page that are not in the cache.
    """
    page = parse_page_request(request, NODE_VIEW, whole=whole)
    if "chassis_uuid" in request.query and request.is_allowed(_VIEW_CHASSIS):
        # A chassis that does not exist is an error and not an empty page.
        request.backend.store.record(ChassisRecord, request.query["chassis_uuid"])
    query, scope = _build_query(request, page), _build_scope(request)
    if "conductor" in request.query:
        rows = _select_by_conductor(request, query, scope, wanted=page.limit + 1)
    else:
        rows = request.backend.store.nodes(query, scope=scope)

    def render(seen: Sequence[Row]) -> Sequence[Any]:
        if find_restricted_fields(request, page.selection):
            return _render_redacted(request, page, scope, seen)
        return request.render_cache.page(request, page.selection, seen, _build_reader(request, page, scope))

    return build_page(request, page, rows, render)


def _render_redacted(request: APIRequest, page: PageRequest, scope: Scope, seen: Sequence[Row]) -> Sequence[Any]:
    """Return the nodes of a page without the values that the caller may not see.

    The nodes have the order of *seen*. Nodes that were deleted after the first query are missing. The render cache is not
    used because the result depends on the caller.
    """
    read = _build_reader(request, page, scope, extra_columns=("owner", "lessee"))
    rows = {row["uuid"]: row for row in read(tuple(row["uuid"] for row in seen))}
    return [render_row(request, page.selection, rows[row["uuid"]]) for row in seen if row["uuid"] in rows]


def _build_reader(
    request: APIRequest, page: PageRequest, scope: Scope, extra_columns: tuple[str, ...] = ()
) -> Callable[[tuple[str, ...]], Sequence[Row]]:
    """Return a function that reads the nodes with the given UUIDs: the columns of the page and *extra_columns*."""
    selection = page.selection
    columns = tuple(dict.fromkeys((*selection.columns, *selection.version_columns, *extra_columns)))

    def read(uuids: tuple[str, ...]) -> Sequence[Row]:
        return request.backend.store.nodes(NodeQuery(where={"uuid": uuids}, fields=columns), scope=scope)

    return read


def _build_query(request: APIRequest, page: PageRequest) -> NodeQuery:
    filters = request.query
    return NodeQuery(
        where={name: filters[name] for name in _COLUMN_FILTERS if name in filters},
        fields=page.selection.version_columns,
        limit=page.limit + 1,  # one more than a page, to find out whether another page follows
        marker=page.marker,
        sort_key=page.sort_key,
        sort_dir=page.sort_dir,
        associated=filters.get("associated"),
        sharded=filters.get("sharded"),
        description_contains=filters.get("description_contains"),
        include_children=filters.get("include_children", False) or "parent_node" in filters,
    )


def _build_scope(request: APIRequest) -> Scope:
    """Return the scope of a listing: the nodes that the caller may see and that belong to the project in the query.

    The filter ``project`` narrows the scope of callers that see all projects. It has no effect for other callers, which
    see only the nodes of one project.
    """
    return request.scope if request.scope.project is not None else Scope(request.query.get("project"))


def _select_by_conductor(request: APIRequest, query: NodeQuery, scope: Scope, *, wanted: int) -> Sequence[Row]:
    """Return up to *wanted* nodes that match *query* and for which the conductor in the request is responsible.

    The store does not know the responsible conductor, so this reads page after page and filters the rows.
    """
    ring_columns = ("uuid", "driver", "conductor_group")
    page_size = max(wanted, 100)
    columns = tuple(dict.fromkeys((*(query.fields or ()), *ring_columns)))
    query = dataclasses.replace(query, fields=columns, limit=page_size)
    selected: list[Row] = []
    while len(selected) < wanted:
        rows = request.backend.store.nodes(query, scope=scope)
        for row in rows:
            if request.conductors.find_owner(*(row[name] for name in ring_columns)) == request.query["conductor"]:
                selected.append(row)
        if len(rows) < page_size:
            break
        query = dataclasses.replace(query, marker=rows[-1]["uuid"])
    return selected[:wanted]
