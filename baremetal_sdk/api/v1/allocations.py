"""``/v1/allocations``: asking for a node by what it has to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from baremetal_interfaces import InvalidInput, NotFound, Problem
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.errors import to_invalid_input
from baremetal_sdk.api.framework.pagination import FIELDS, PAGING, render_record
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import VIEW_NODE, APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import ARRAY, OBJECT, TEXT, UUID, UUID_OR_NAME, ValueType, choice, text
from baremetal_sdk.api.framework.views import ResponseSpec, View, ViewField
from baremetal_sdk.api.v1.ports import NAME
from baremetal_sdk.api.v1.trait_values import TRAITS
from baremetal_sdk.errors import AllocationNotFound
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.policy import AllocationRecord
from baremetal_sdk.store.records.query import Query

SINCE = 52
_UPDATED_SINCE = 57
_CREATE_FOR_OTHERS = "baremetal:allocation:create_restricted"
_BACKFILLED_SINCE = 58
_OWNED_SINCE = 60
_VIEWED = (
    ViewField("uuid", type=UUID),
    ViewField("created_at"),
    ViewField("updated_at"),
    ViewField("candidate_nodes", sortable=False),
    ViewField("extra", sortable=False),
    ViewField("last_error"),
    ViewField("name"),
    ViewField("node_uuid", type=UUID),
    ViewField("owner", _OWNED_SINCE, too_old_status=400),
    ViewField("resource_class"),
    ViewField("state", type=choice("allocating", "active", "error")),
    ViewField("traits", sortable=False, type=TRAITS),
)
ALLOCATION_VIEW = View("allocations", AllocationRecord, _VIEWED, default=(field.name for field in _VIEWED))


def _idents(value: Any) -> list[str]:
    return list(dict.fromkeys(UUID_OR_NAME.parse(one) for one in ARRAY.parse(value)))


_NODES = ValueType(_idents, {"type": "array", "items": UUID_OR_NAME.schema})
_FIELDS = WritableFields(
    AllocationRecord,
    optional("name", NAME, "A name that no other allocation has."),
    optional("extra", OBJECT, "Anything."),
    only_at_creation=(
        optional(
            "candidate_nodes",
            _NODES,
            "UUIDs or names of nodes, of which one is taken.",
        ),
        optional(
            "node",
            UUID_OR_NAME,
            "The node that is in use already, to be noted as allocated.",
            _BACKFILLED_SINCE,
            too_old_status=400,
        ),
        optional("owner", TEXT, "The project that it is for: one that owns or leases the node.", _OWNED_SINCE),
        optional("resource_class", text(80, 1), "The resource class of the node."),
        optional("traits", TRAITS, "Traits that the node has to have."),
    ),
)


class AllocationsResource:
    """Allocations, one by one and page by page."""

    rules: ClassVar[Mapping[str, Persona]] = {_CREATE_FOR_OTHERS: "system-member"}

    @route(
        "GET",
        "/v1/allocations",
        policy="baremetal:allocation:list",
        role="lister",
        since=SINCE,
        query=(
            Parameter("node", UUID_OR_NAME, "The UUID or name of the node that was found."),
            Parameter("owner", TEXT, "The project that it is for.", _OWNED_SINCE),
            Parameter("resource_class", TEXT, "The resource class that is asked for."),
            Parameter("state", TEXT, "Its state: allocating, active or error."),
            *PAGING,
            FIELDS,
        ),
        response=ResponseSpec(ALLOCATION_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List allocations."""
        where = {name: request.query.get(name) for name in ("owner", "resource_class", "state")}
        node = _named_node(request, request.query.get("node"), "node")
        where["node_uuid"] = None if node is None else node.uuid
        return crud.list_records(request, AllocationRecord, ALLOCATION_VIEW, where)

    @route(
        "GET",
        "/v1/allocations/{allocation}",
        policy="baremetal:allocation:get",
        role="allocation-reader",
        since=SINCE,
        query=(FIELDS,),
        response=ResponseSpec(ALLOCATION_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show an allocation."""
        return render_record(request, ALLOCATION_VIEW, crud.find(request, AllocationRecord, "allocation"))

    @route(
        "POST",
        "/v1/allocations",
        policy="baremetal:allocation:create",
        role="allocator",
        alternative_rules=(_CREATE_FOR_OTHERS,),
        since=SINCE,
        too_old_status=405,
        status=201,
        body=_FIELDS.creation_fields,
        response=ResponseSpec(ALLOCATION_VIEW, whole=True),
    )
    def create(self, request: APIRequest) -> dict[str, Any]:
        """Ask for a node; one is looked for in the background."""
        values = dict(request.body)
        crud.require_name(values.get("name"))
        node = _named_node(request, values.pop("node", None), "node")
        if node is None and not values.get("resource_class"):
            raise InvalidInput([Problem("resource_class", "it is missing", "give it, or the node that is in use already")])
        if node is not None:
            values["resource_class"] = values.get("resource_class") or node.resource_class
            values["uuid"] = values.get("uuid") or node.instance_uuid
        values["candidate_nodes"] = [_uuid_of(request, ident) for ident in values.get("candidate_nodes") or ()]
        values = _for_whom(request, _FIELDS.new_values(values))
        arguments = {"values": values, "node": None if node is None else node.uuid}
        allocation: AllocationRecord = request.rpc("create_allocation", **arguments)
        request.location = f"allocations/{allocation.uuid}"
        return ALLOCATION_VIEW.whole(request.minor).record(request, allocation)

    @route(
        "PATCH",
        "/v1/allocations/{allocation}",
        policy="baremetal:allocation:update",
        role="allocation-member",
        since=_UPDATED_SINCE,
        too_old_status=405,
        body=_FIELDS.patch_type,
        response=ResponseSpec(ALLOCATION_VIEW, whole=True),
    )
    def update(self, request: APIRequest) -> dict[str, Any]:
        """Change the name or the extra information of an allocation."""
        allocation = _own(request, crud.find(request, AllocationRecord, "allocation"))
        changed = _FIELDS.compute_changes(allocation, request.body, request.minor)
        crud.require_name(changed.get("name"))
        if changed:
            allocation = crud.save_changes(request, allocation, changed)
        return ALLOCATION_VIEW.whole(request.minor).record(request, allocation)

    @route(
        "DELETE",
        "/v1/allocations/{allocation}",
        policy="baremetal:allocation:delete",
        role="allocation-member",
        since=SINCE,
        too_old_status=405,
        status=204,
    )
    def delete(self, request: APIRequest) -> None:
        """Delete an allocation; its node is free then."""
        allocation = _own(request, crud.find(request, AllocationRecord, "allocation"))
        request.rpc("delete_allocation", allocation=allocation.uuid)


class NodeAllocationResource:
    """The allocation of one node."""

    @route(
        "GET",
        "/v1/nodes/{node}/allocation",
        policy="baremetal:allocation:get",
        role="allocation-reader",
        since=SINCE,
        query=(FIELDS,),
        response=ResponseSpec(ALLOCATION_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show the allocation of a node."""
        return render_record(request, ALLOCATION_VIEW, _of_node(request))

    @route(
        "DELETE",
        "/v1/nodes/{node}/allocation",
        policy="baremetal:allocation:delete",
        role="allocation-member",
        since=SINCE,
        status=204,
    )
    def delete(self, request: APIRequest) -> None:
        """Delete the allocation of a node, which is free then."""
        request.rpc("delete_allocation", allocation=_own(request, _of_node(request)).uuid)


def _for_whom(request: APIRequest, values: dict[str, Any]) -> dict[str, Any]:
    """What is asked for, with whom it is for: the caller's project, where nobody else may be named. Raises ``Forbidden``."""
    project = None if request.context.is_system else request.context.project
    if project is None:
        return values
    if values.get("owner") not in (None, project):
        request.require(_CREATE_FOR_OTHERS)
    return {**values, "owner": values.get("owner") or project}


def _own(request: APIRequest, allocation: AllocationRecord) -> AllocationRecord:
    crud.enforce_owner(request, request.route.policy, "allocation", allocation)
    return allocation


def _of_node(request: APIRequest) -> AllocationRecord:
    node = request.node(rule=VIEW_NODE)
    found = request.backend.store.records(AllocationRecord, Query(where={"node_uuid": node.uuid}, limit=1), scope=request.scope)
    if not found:
        raise AllocationNotFound(f"node {node.uuid} has no allocation", node=node.uuid)
    return AllocationRecord(**found[0])


def _uuid_of(request: APIRequest, ident: str) -> str:
    node = _named_node(request, ident, "candidate_nodes")
    assert node is not None
    return node.uuid


def _named_node(request: APIRequest, ident: str | None, field: str) -> NodeRecord | None:
    """A node that the body names. Raises ``InvalidInput``: the path is another one."""
    if ident is None:
        return None
    try:
        return request.backend.store.node(ident, scope=request.scope)
    except NotFound as exc:
        raise to_invalid_input(exc, field) from exc
