"""API resource ``/v1/allocations``: allocations, each of which reserves one node that meets given conditions."""

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
from baremetal_sdk.store.revisions import retry_on_revision_conflict

SINCE = 52
"""The minor number of the first microversion with allocations."""
_UPDATE_SINCE = 57
_BACKFILL_SINCE = 58
"""The minor number of the first microversion that creates an allocation for a node that is in use already."""
_OWNER_SINCE = 60
_CREATE_FOR_OTHERS = "baremetal:allocation:create_restricted"
"""The policy rule for creating an allocation that belongs to another project than the caller's."""
_VIEWED = (
    ViewField("uuid", type=UUID),
    ViewField("created_at"),
    ViewField("updated_at"),
    ViewField("candidate_nodes", sortable=False),
    ViewField("extra", sortable=False),
    ViewField("last_error"),
    ViewField("name"),
    ViewField("node_uuid", type=UUID),
    ViewField("owner", _OWNER_SINCE, too_old_status=400),
    ViewField("resource_class"),
    ViewField("state", type=choice("allocating", "active", "error")),
    ViewField("traits", sortable=False, type=TRAITS),
)
ALLOCATION_VIEW = View("allocations", AllocationRecord, _VIEWED, default=(field.name for field in _VIEWED))


def _parse_idents(value: Any) -> list[str]:
    """Return a list of UUIDs and names without duplicates, in the given order."""
    return list(dict.fromkeys(UUID_OR_NAME.parse(ident) for ident in ARRAY.parse(value)))


_NODES = ValueType(_parse_idents, {"type": "array", "items": UUID_OR_NAME.schema})
_FIELDS = WritableFields(
    AllocationRecord,
    optional("name", NAME, "The unique name of the allocation."),
    optional("extra", OBJECT, "Arbitrary data of the client."),
    only_at_creation=(
        optional(
            "candidate_nodes",
            _NODES,
            "The UUIDs or names of the nodes from which the service selects. By default it selects from all nodes.",
        ),
        optional(
            "node",
            UUID_OR_NAME,
            "The UUID or name of a node that is in use already and gets this allocation.",
            _BACKFILL_SINCE,
            too_old_status=400,
        ),
        optional(
            "owner", TEXT, "The project that the allocation belongs to. The project must own or lease the node.", _OWNER_SINCE
        ),
        optional("resource_class", text(80, 1), "The resource class that the node must have."),
        optional("traits", TRAITS, "The traits that the node must have."),
    ),
)


class AllocationsResource:
    """Routes that create, list, show, change and delete allocations."""

    rules: ClassVar[Mapping[str, Persona]] = {_CREATE_FOR_OTHERS: "system-member"}

    @route(
        "GET",
        "/v1/allocations",
        policy="baremetal:allocation:list",
        role="lister",
        since=SINCE,
        query=(
            Parameter("node", UUID_OR_NAME, "The UUID or name of the allocated node."),
            Parameter("owner", TEXT, "The project that the allocation belongs to.", _OWNER_SINCE),
            Parameter("resource_class", TEXT, "The requested resource class."),
            Parameter("state", TEXT, "The state of the allocation: allocating, active or error."),
            *PAGING,
            FIELDS,
        ),
        response=ResponseSpec(ALLOCATION_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List allocations. Only allocations that match all filters are listed."""
        where = {name: request.query.get(name) for name in ("owner", "resource_class", "state")}
        node = _find_optional_node(request, request.query.get("node"))
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
        """Create an allocation. The service selects a node in the background and then sets node_uuid and state."""
        values = dict(request.body)
        crud.check_name(values.get("name"))
        node = _find_optional_node(request, values.pop("node", None))
        if node is None and not values.get("resource_class"):
            raise InvalidInput(
                [Problem("resource_class", "is missing", "give a resource class, or in node a node that is in use already")]
            )
        if node is not None:
            values["resource_class"] = values.get("resource_class") or node.resource_class
            values["uuid"] = values.get("uuid") or node.instance_uuid
        values["candidate_nodes"] = [_candidate_uuid(request, ident) for ident in values.get("candidate_nodes") or ()]
        values = _set_owner(request, _FIELDS.new_values(values))
        node_uuid = None if node is None else node.uuid
        allocation: AllocationRecord = request.rpc("create_allocation", values=values, node=node_uuid)
        request.location = f"allocations/{allocation.uuid}"
        return ALLOCATION_VIEW.whole(request.minor).record(request, allocation)

    @route(
        "PATCH",
        "/v1/allocations/{allocation}",
        policy="baremetal:allocation:update",
        role="allocation-member",
        since=_UPDATE_SINCE,
        too_old_status=405,
        body=_FIELDS.patch_type,
        response=ResponseSpec(ALLOCATION_VIEW, whole=True),
    )
    def update(self, request: APIRequest) -> dict[str, Any]:
        """Change the name or the extra data of an allocation."""
        allocation = retry_on_revision_conflict(lambda: _update_once(request))
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
        """Delete an allocation, so that its node can be allocated again."""
        request.rpc("delete_allocation", allocation=_find_permitted(request).uuid)


class NodeAllocationResource:
    """Routes that show and delete the allocation of a node."""

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
        """Show the allocation of a node. The status is 400 for an unknown node, and 404 for a node without an allocation."""
        try:
            node = request.node(rule=VIEW_NODE)
        except NotFound as exc:
            raise to_invalid_input(exc, "node") from exc
        return render_record(request, ALLOCATION_VIEW, _find_by_node(request, node))

    @route(
        "DELETE",
        "/v1/nodes/{node}/allocation",
        policy="baremetal:allocation:delete",
        role="allocation-member",
        since=SINCE,
        status=204,
    )
    def delete(self, request: APIRequest) -> None:
        """Delete the allocation of a node, so that the node can be allocated again."""
        allocation = _find_by_node(request, request.node(rule=VIEW_NODE))
        _enforce(request, allocation)
        request.rpc("delete_allocation", allocation=allocation.uuid)


def _update_once(request: APIRequest) -> AllocationRecord:
    """Apply the patch in the body to the allocation as it is now. Raises ``RevisionConflict`` if it changes meanwhile."""
    allocation = _find_permitted(request)
    changed = _FIELDS.compute_changes(allocation, request.body, request.minor)
    crud.check_name(changed.get("name"))
    if changed:
        allocation = crud.save_changes(request, allocation, changed)
    return allocation


def _set_owner(request: APIRequest, values: dict[str, Any]) -> dict[str, Any]:
    """Return *values* with the owner of the new allocation.

    The default owner is the caller's project. Raises ``Forbidden`` if the values name another project and the policy
    does not allow that.
    """
    project = None if request.context.is_system else request.context.project
    if project is None:
        return values
    if values.get("owner") not in (None, project):
        request.require(_CREATE_FOR_OTHERS)
    return {**values, "owner": values.get("owner") or project}


def _find_permitted(request: APIRequest) -> AllocationRecord:
    """Return the allocation that the path names. Raises ``Forbidden`` if the caller may not use the route on it."""
    allocation = crud.find(request, AllocationRecord, "allocation")
    _enforce(request, allocation)
    return allocation


def _enforce(request: APIRequest, allocation: AllocationRecord) -> None:
    crud.enforce_owner(request, request.route.policy, "allocation", allocation)


def _find_by_node(request: APIRequest, node: NodeRecord) -> AllocationRecord:
    """Return the allocation of *node*. Raises ``AllocationNotFound``."""
    found = request.backend.store.records(AllocationRecord, Query(where={"node_uuid": node.uuid}, limit=1), scope=request.scope)
    if not found:
        raise AllocationNotFound(f"node {node.uuid} has no allocation", node=node.uuid)
    return AllocationRecord(**found[0])


def _candidate_uuid(request: APIRequest, ident: str) -> str:
    return _find_node(request, ident, "candidate_nodes").uuid


def _find_optional_node(request: APIRequest, ident: str | None) -> NodeRecord | None:
    return None if ident is None else _find_node(request, ident, "node")


def _find_node(request: APIRequest, ident: str, field: str) -> NodeRecord:
    """Return the node that *field* of the request names.

    Raises ``InvalidInput`` if no such node exists: status 404 would mean that the path is wrong.
    """
    try:
        return request.backend.store.node(ident, scope=request.scope)
    except NotFound as exc:
        raise to_invalid_input(exc, field) from exc
