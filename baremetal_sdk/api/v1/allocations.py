"""``/v1/allocations``: asking for a node by what it has to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from baremetal_interfaces import InvalidInput, NotFound, Problem
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.errors import as_bad_request
from baremetal_sdk.api.framework.pagination import FIELDS, PAGING, shown
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import SEEN, Call
from baremetal_sdk.api.framework.resource_fields import Writable
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import ARRAY, OBJECT, TEXT, UUID, UUID_OR_NAME, ValueType, choice, text
from baremetal_sdk.api.framework.views import Shown, View, ViewField
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
    ViewField("owner", _OWNED_SINCE, too_old=400),
    ViewField("resource_class"),
    ViewField("state", type=choice("allocating", "active", "error")),
    ViewField("traits", sortable=False, type=TRAITS),
)
ALLOCATION_VIEW = View("allocations", AllocationRecord, _VIEWED, default=(field.name for field in _VIEWED))


def _idents(value: Any) -> list[str]:
    return list(dict.fromkeys(UUID_OR_NAME.parse(one) for one in ARRAY.parse(value)))


_NODES = ValueType(_idents, {"type": "array", "items": UUID_OR_NAME.schema})
_FIELDS = Writable(
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
            "node", UUID_OR_NAME, "The node that is in use already, to be noted as allocated.", _BACKFILLED_SINCE, too_old=400
        ),
        optional("owner", TEXT, "The project that it is for: one that owns or leases the node.", _OWNED_SINCE),
        optional("resource_class", text(80, 1), "The resource class of the node."),
        optional("traits", TRAITS, "Traits that the node has to have."),
    ),
)


class Allocations:
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
        answer=Shown(ALLOCATION_VIEW, page=True),
    )
    def list(self, call: Call) -> dict[str, Any]:
        """List allocations."""
        where = {name: call.query.get(name) for name in ("owner", "resource_class", "state")}
        node = _named_node(call, call.query.get("node"), "node")
        where["node_uuid"] = None if node is None else node.uuid
        return crud.listed(call, AllocationRecord, ALLOCATION_VIEW, where)

    @route(
        "GET",
        "/v1/allocations/{allocation}",
        policy="baremetal:allocation:get",
        role="allocation-reader",
        since=SINCE,
        query=(FIELDS,),
        answer=Shown(ALLOCATION_VIEW),
    )
    def show(self, call: Call) -> dict[str, Any]:
        """Show an allocation."""
        return shown(call, ALLOCATION_VIEW, crud.found(call, AllocationRecord, "allocation"))

    @route(
        "POST",
        "/v1/allocations",
        policy="baremetal:allocation:create",
        role="allocator",
        also=(_CREATE_FOR_OTHERS,),
        since=SINCE,
        too_old=405,
        status=201,
        body=_FIELDS.creation,
        answer=Shown(ALLOCATION_VIEW, whole=True),
    )
    def create(self, call: Call) -> dict[str, Any]:
        """Ask for a node; one is looked for in the background."""
        values = dict(call.body)
        crud.require_name(values.get("name"))
        node = _named_node(call, values.pop("node", None), "node")
        if node is None and not values.get("resource_class"):
            raise InvalidInput([Problem("resource_class", "it is missing", "give it, or the node that is in use already")])
        if node is not None:
            values["resource_class"] = values.get("resource_class") or node.resource_class
            values["uuid"] = values.get("uuid") or node.instance_uuid
        values["candidate_nodes"] = [_uuid_of(call, ident) for ident in values.get("candidate_nodes") or ()]
        values = _for_whom(call, _FIELDS.new(values))
        arguments = {"values": values, "node": None if node is None else node.uuid}
        allocation: AllocationRecord = call.rpc("create_allocation", **arguments)
        call.location = f"allocations/{allocation.uuid}"
        return ALLOCATION_VIEW.whole(call.minor).record(call, allocation)

    @route(
        "PATCH",
        "/v1/allocations/{allocation}",
        policy="baremetal:allocation:update",
        role="allocation-member",
        since=_UPDATED_SINCE,
        too_old=405,
        body=_FIELDS.patch,
        answer=Shown(ALLOCATION_VIEW, whole=True),
    )
    def update(self, call: Call) -> dict[str, Any]:
        """Change the name or the extra information of an allocation."""
        allocation = _own(call, crud.found(call, AllocationRecord, "allocation"))
        changed = _FIELDS.changed(allocation, call.body, call.minor)
        crud.require_name(changed.get("name"))
        return crud.update(call, AllocationRecord, ALLOCATION_VIEW, allocation, changed)

    @route(
        "DELETE",
        "/v1/allocations/{allocation}",
        policy="baremetal:allocation:delete",
        role="allocation-member",
        since=SINCE,
        too_old=405,
        status=204,
    )
    def delete(self, call: Call) -> None:
        """Delete an allocation; its node is free then."""
        allocation = _own(call, crud.found(call, AllocationRecord, "allocation"))
        call.rpc("delete_allocation", allocation=allocation.uuid)


class NodeAllocation:
    """The allocation of one node."""

    @route(
        "GET",
        "/v1/nodes/{node}/allocation",
        policy="baremetal:allocation:get",
        role="allocation-reader",
        since=SINCE,
        query=(FIELDS,),
        answer=Shown(ALLOCATION_VIEW),
    )
    def show(self, call: Call) -> dict[str, Any]:
        """Show the allocation of a node."""
        return shown(call, ALLOCATION_VIEW, _of_node(call))

    @route(
        "DELETE",
        "/v1/nodes/{node}/allocation",
        policy="baremetal:allocation:delete",
        role="allocation-member",
        since=SINCE,
        status=204,
    )
    def delete(self, call: Call) -> None:
        """Delete the allocation of a node, which is free then."""
        call.rpc("delete_allocation", allocation=_own(call, _of_node(call)).uuid)


def _for_whom(call: Call, values: dict[str, Any]) -> dict[str, Any]:
    """What is asked for, with whom it is for: the caller's project, where nobody else may be named. Raises ``Forbidden``."""
    project = None if call.context.is_system else call.context.project
    if project is None:
        return values
    if values.get("owner") not in (None, project):
        call.require(_CREATE_FOR_OTHERS)
    return {**values, "owner": values.get("owner") or project}


def _own(call: Call, allocation: AllocationRecord) -> AllocationRecord:
    crud.allow(call, call.route.policy, "allocation", allocation)
    return allocation


def _of_node(call: Call) -> AllocationRecord:
    node = call.node(rule=SEEN)
    found = call.backend.store.records(AllocationRecord, Query(where={"node_uuid": node.uuid}, limit=1), scope=call.scope)
    if not found:
        raise AllocationNotFound(f"node {node.uuid} has no allocation", node=node.uuid)
    return AllocationRecord(**found[0])


def _uuid_of(call: Call, ident: str) -> str:
    node = _named_node(call, ident, "candidate_nodes")
    assert node is not None
    return node.uuid


def _named_node(call: Call, ident: str | None, field: str) -> NodeRecord | None:
    """A node that the body names. Raises ``InvalidInput``: the path is another one."""
    if ident is None:
        return None
    try:
        return call.backend.store.node(ident, scope=call.scope)
    except NotFound as exc:
        raise as_bad_request(exc, field) from exc
