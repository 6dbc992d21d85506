"""``/v1/nodes`` and ``/v1/nodes/detail``: pages of nodes, and what they can be filtered by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_sdk.api.framework.crud import find
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, PageRequest, build_page, parse_page_request
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, STRINGS, TEXT, UUID, UUID_OR_NAME, choice
from baremetal_sdk.api.framework.views import ResponseSpec
from baremetal_sdk.api.v1.node_redaction import may_be_redacted, shown_row
from baremetal_sdk.api.v1.node_view import NODE_VIEW
from baremetal_sdk.api.v1.provision_verbs import FAULTS
from baremetal_sdk.states import STATES
from baremetal_sdk.store.records.hardware import ChassisRecord
from baremetal_sdk.store.records.query import NodeQuery, Row, Scope

_FILTERS = (
    Parameter("associated", BOOLEAN, "Whether the node carries an instance."),
    Parameter("chassis_uuid", UUID, "The chassis that it is in."),
    Parameter("conductor", TEXT, "The conductor that it is best placed on.", since=49),
    Parameter("conductor_group", TEXT, "The group of conductors that may drive it.", since=46),
    Parameter("description_contains", TEXT, "A part of its description.", since=51),
    Parameter("driver", TEXT, "Its hardware type.", since=16),
    Parameter("fault", choice(*FAULTS), "What the service found to be wrong with it.", since=42),
    Parameter("include_children", BOOLEAN, "Whether nodes with a parent node are listed, too.", since=83),
    Parameter("instance_name", TEXT, "The name of the instance that it carries.", since=104),
    Parameter("instance_uuid", UUID, "The instance that it carries."),
    Parameter("lessee", TEXT, "The project that may use it.", since=65),
    Parameter("maintenance", BOOLEAN, "Whether it is in maintenance."),
    Parameter("owner", TEXT, "The project that owns it.", since=50),
    Parameter("parent_node", UUID_OR_NAME, "The node that it is a part of.", since=83),
    Parameter("project", TEXT, "The project that owns it or may use it.", since=65),
    Parameter("provision_state", choice(*sorted(STATES)), "Its provision state.", since=9),
    Parameter("resource_class", TEXT, "Its resource class.", since=21),
    Parameter("retired", BOOLEAN, "Whether it is retired."),
    Parameter("shard", STRINGS, "The shards that it may belong to, with commas between them.", since=82),
    Parameter("sharded", BOOLEAN, "Whether it belongs to a shard.", since=82),
)
_OF_CHASSIS = tuple(parameter for parameter in _FILTERS if parameter.name != "chassis_uuid")
_EQUAL = (
    "chassis_uuid", "conductor_group", "driver", "fault", "instance_name", "instance_uuid", "lessee", "maintenance", "owner",
    "parent_node", "provision_state", "resource_class", "retired", "shard",
)  # fmt: skip
"""Filters that compare a column; with several values, one of them has to match."""


class NodeListResource:
    """Nodes, page by page."""

    @route(
        "GET",
        "/v1/nodes",
        policy="baremetal:node:list",
        role="lister",
        query=(*_FILTERS, *PAGING, FIELDS, DETAIL),
        response=ResponseSpec(NODE_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List nodes."""
        return _listed(request, parse_page_request(request, NODE_VIEW))

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
        return _listed(request, parse_page_request(request, NODE_VIEW, whole=True))

    @route(
        "GET",
        "/v1/chassis/{chassis}/nodes",
        policy="baremetal:node:list",
        role="lister",
        query=(*_OF_CHASSIS, *PAGING, FIELDS, DETAIL),
        response=ResponseSpec(NODE_VIEW, page=True),
    )
    def list_of_chassis(self, request: APIRequest) -> dict[str, Any]:
        """List the nodes of a chassis."""
        request.query["chassis_uuid"] = find(request, ChassisRecord, "chassis").uuid
        return _listed(request, parse_page_request(request, NODE_VIEW))

    @route(
        "GET",
        "/v1/chassis/{chassis}/nodes/detail",
        policy="baremetal:node:list",
        role="lister",
        query=(*_OF_CHASSIS, *PAGING),
        response=ResponseSpec(NODE_VIEW, page=True, whole=True),
    )
    def list_whole_of_chassis(self, request: APIRequest) -> dict[str, Any]:
        """List the nodes of a chassis with all their fields."""
        request.query["chassis_uuid"] = find(request, ChassisRecord, "chassis").uuid
        return _listed(request, parse_page_request(request, NODE_VIEW, whole=True))


def _listed(request: APIRequest, asked: PageRequest) -> dict[str, Any]:
    if "chassis_uuid" in request.query:
        request.backend.store.record(ChassisRecord, request.query["chassis_uuid"])
    query, scope = _query(request, asked), _scope(request)
    if "conductor" in request.query:
        rows = _of_conductor(request, query, scope, asked.limit + 1)
    else:
        rows = request.backend.store.nodes(query, scope=scope)
    if may_be_redacted(request, asked.selection):
        return build_page(request, asked, rows, lambda page: _redacted(request, asked, scope, page))
    return build_page(
        request,
        asked,
        rows,
        lambda page: request.render_cache.page(request, asked.selection, page, _reader(request, asked, scope)),
    )


def _redacted(request: APIRequest, asked: PageRequest, scope: Scope, seen: Sequence[Row]) -> Sequence[Any]:
    """The nodes of a page as the caller may see each of them, in the order of *seen*, without what is gone."""
    read = _reader(request, asked, scope, "owner", "lessee")
    rows = {row["uuid"]: row for row in read(tuple(row["uuid"] for row in seen))}
    return [shown_row(request, asked.selection, rows[row["uuid"]]) for row in seen if row["uuid"] in rows]


def _reader(request: APIRequest, asked: PageRequest, scope: Scope, *besides: str) -> Callable[[tuple[str, ...]], Sequence[Row]]:
    """What reads the nodes with certain UUIDs, as far as they are shown, and what is needed *besides*."""
    fields = tuple(dict.fromkeys((*asked.selection.columns, *asked.selection.version_columns, *besides)))
    return lambda uuids: request.backend.store.nodes(NodeQuery(where={"uuid": uuids}, fields=fields), scope=scope)


def _query(request: APIRequest, asked: PageRequest) -> NodeQuery:
    given = request.query
    return NodeQuery(
        where={name: given[name] for name in _EQUAL if name in given},
        fields=asked.selection.version_columns,
        limit=asked.limit + 1,
        marker=asked.marker,
        sort_key=asked.sort_key,
        sort_dir=asked.sort_dir,
        associated=given.get("associated"),
        sharded=given.get("sharded"),
        description_contains=given.get("description_contains"),
        include_children=given.get("include_children", False) or "parent_node" in given,
    )


def _scope(request: APIRequest) -> Scope:
    """What the caller may see and asked to see; a caller who sees one project only asks for others in vain."""
    return request.scope if request.scope.project is not None else Scope(request.query.get("project"))


def _of_conductor(request: APIRequest, query: NodeQuery, scope: Scope, wanted: int) -> Sequence[Row]:
    """As many nodes as are wanted of those that are best placed on one conductor, from as many pages as it takes."""
    needed = ("uuid", "driver", "conductor_group")
    size = max(wanted, 100)
    query = dataclasses.replace(query, fields=tuple(dict.fromkeys((*(query.fields or ()), *needed))), limit=size)
    rows_found: list[Row] = []
    while len(rows_found) < wanted:
        rows = request.backend.store.nodes(query, scope=scope)
        for row in rows:
            if request.conductors.responsible_for(*(row[name] for name in needed)) == request.query["conductor"]:
                rows_found.append(row)
        if len(rows) < size:
            break
        query = dataclasses.replace(query, marker=rows[-1]["uuid"])
    return rows_found[:wanted]
