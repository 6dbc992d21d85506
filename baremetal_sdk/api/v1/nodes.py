"""API resource ``/v1/nodes/{node}``: creating, showing, changing, validating and deleting single nodes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NotRequired, TypedDict

from baremetal_interfaces import InvalidInput, NotFound, Problem
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.errors import to_invalid_input
from baremetal_sdk.api.framework.json_patch import (
    PatchOperation,
    apply_patch,
    parse_patch,
    parse_touched,
    patch_type,
    select_changed,
)
from baremetal_sdk.api.framework.masking import restore_masked
from baremetal_sdk.api.framework.pagination import FIELDS
from baremetal_sdk.api.framework.parameters import Parameter, check_versions, not_acceptable_before
from baremetal_sdk.api.framework.request import VIEW_NODE, APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, UUID, UUID_OR_NAME
from baremetal_sdk.api.framework.views import ResponseSpec
from baremetal_sdk.api.v1.node_fields import (
    CHASSIS_REMOVAL_SINCE,
    CREATION,
    DEFAULTS,
    ENROLL_SINCE,
    PATCH_FIELDS,
    check_name,
    check_removal,
    parse_patch_value,
    replace_null,
)
from baremetal_sdk.api.v1.node_redaction import find_redacted_fields, render_node
from baremetal_sdk.api.v1.node_rules import (
    CHANGE_OWNER_OF_ACTIVE,
    CREATE,
    CREATE_OWN,
    DELETE,
    DELETE_OWN,
    FIELD_RULES,
    JUDGED_BY_VALUE,
    RULES,
    UPDATE,
    find_change_rule,
    find_creation_rules,
)
from baremetal_sdk.api.v1.node_view import NODE_VIEW
from baremetal_sdk.store.records.hardware import ChassisRecord
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.policy import AllocationRecord
from baremetal_sdk.store.revisions import retry_on_revision_conflict
from baremetal_sdk.update_rules.rules import Change, Circumstance
from baremetal_sdk.update_rules.table import ALLOCATION_HAS_OWNER, NODE_UPDATE, OWNER_IS_FIXED

_FREE_FORM = ("driver_info", "instance_info")
"""Fields whose secrets are masked in responses. A client may send the masks back in a patch."""


class InterfaceValidation(TypedDict):
    """The validation of one interface. *result* is null if the node does not have it. *reason* is missing if nothing is wrong."""

    result: bool | None
    reason: NotRequired[str]


class NodesResource:
    """Routes that create, show, change, validate and delete single nodes."""

    rules: ClassVar[Mapping[str, Persona]] = RULES

    @route(
        "GET",
        "/v1/nodes/{node}",
        policy="baremetal:node:get",
        query=(FIELDS,),
        response=ResponseSpec(NODE_VIEW),
    )
    def show(self, request: APIRequest) -> Any:
        """Show a node, with the selected fields or all of them."""
        fields = request.query.get("fields")
        selection = NODE_VIEW.whole(request.minor) if fields is None else NODE_VIEW.select(request.minor, fields)
        seen = request.node_version()
        if find_redacted_fields(request, selection, seen.owner, seen.lessee):
            return render_node(request, selection, request.node())
        return request.render_cache.record(
            request, selection, seen, lambda: request.backend.store.node(seen.uuid, scope=request.scope)
        )

    @route(
        "POST",
        "/v1/nodes",
        policy=CREATE,
        role="system-enroller",
        alternative_rules=(CREATE_OWN,),
        status=201,
        body=CREATION,
        response=ResponseSpec(NODE_VIEW, whole=True),
    )
    def create(self, request: APIRequest) -> dict[str, Any]:
        """Create a node. It is in state enroll, or before version 1.11 in state available."""
        values = {name: value for name, value in request.body.items() if value is not None}
        is_own = request.is_allowed(CREATE_OWN)
        request.require(CREATE_OWN if is_own else CREATE)
        if is_own:
            request.set_owner(values)
        values.setdefault("uuid", str(uuid.uuid4()))
        _enforce_creation_rules(request, values)
        if "name" in values:
            check_name(values["name"], request.minor)
        if "parent_node" in values:
            values["parent_node"] = crud.resolve_linked_node(
                request, values["parent_node"], "parent_node", values.get("owner")
            ).uuid
        _check_chassis(request, values)
        if "conductor_group" in values:
            values["conductor_group"] = values["conductor_group"].lower()
        if request.minor < ENROLL_SINCE:
            values["provision_state"] = "available"
        node: NodeRecord = request.rpc("create_node", values=values)
        request.location = f"nodes/{node.uuid}"
        return NODE_VIEW.whole(request.minor).record(request, node)

    @route(
        "PATCH",
        "/v1/nodes/{node}",
        policy=UPDATE,
        role="leased-member",
        alternative_rules=FIELD_RULES,
        query=(
            Parameter(
                "reset_interfaces",
                BOOLEAN,
                "True to reset all interfaces that the patch does not set to the defaults of the new driver.",
                since=45,
            ),
        ),
        body=patch_type(PATCH_FIELDS.by_name),
        response=ResponseSpec(NODE_VIEW, whole=True),
    )
    def update(self, request: APIRequest) -> dict[str, Any]:
        """Change fields of a node, with a JSON patch (RFC 6902)."""
        patch = parse_patch(request.body, request.minor)
        _check_patch(patch, request.minor)
        reset = bool(request.query.get("reset_interfaces"))
        if reset and not any(operation.path == ("driver",) for operation in patch):
            wrong = Problem(
                "reset_interfaces",
                "is only allowed if the patch changes the driver",
                "change the driver, or leave out reset_interfaces",
            )
            raise InvalidInput([wrong])
        return render_node(request, NODE_VIEW.whole(request.minor), _apply_patch(request, patch, reset_interfaces=reset))

    @route("DELETE", "/v1/nodes/{node}", policy=DELETE, role="system-admin", alternative_rules=(DELETE_OWN,), status=204)
    def delete(self, request: APIRequest) -> None:
        """Delete a node and the records that belong to it, such as its ports."""
        node = request.node(rule=VIEW_NODE)
        request.enforce(node, DELETE if request.is_allowed(DELETE, node) else DELETE_OWN)
        request.rpc("delete_node", node=node.uuid)

    @route("GET", "/v1/nodes/{node}/validate", policy="baremetal:node:validate", role="member")
    def validate(self, request: APIRequest) -> dict[str, InterfaceValidation]:
        """Validate the interfaces of a node: report for each whether its settings are complete, and the reason if not."""
        return _validate(request, request.node())

    @route(
        "GET",
        "/v1/nodes/validate",
        policy="baremetal:node:validate",
        role="member",
        query=(
            Parameter("node", UUID_OR_NAME, "The UUID or name of the node."),
            Parameter("node_uuid", UUID, "The UUID of the node."),
        ),
    )
    def validate_named(self, request: APIRequest) -> dict[str, InterfaceValidation]:
        """Validate the interfaces of the node in the query. Either node or node_uuid is required."""
        ident = request.query.get("node_uuid") or request.query.get("node")
        if ident is None:
            raise InvalidInput([Problem("node", "is missing", "give the UUID or name of the node")])
        return _validate(request, request.node(ident))


def _validate(request: APIRequest, node: NodeRecord) -> dict[str, InterfaceValidation]:
    results: Mapping[str, Mapping[str, Any]] = request.rpc("validate_node", node=node.uuid)
    return {kind: _drop_empty_reason(result) for kind, result in results.items()}


def _drop_empty_reason(result: Mapping[str, Any]) -> InterfaceValidation:
    """Return the result without its reason if nothing is wrong, as clients of Ironic expect."""
    if result["reason"]:
        return {"result": result["result"], "reason": result["reason"]}
    return {"result": result["result"]}


def _check_chassis(request: APIRequest, values: Mapping[str, Any]) -> None:
    """Raise ``InvalidInput`` if the chassis in *values* does not exist."""
    if values.get("chassis_uuid") is not None:
        try:
            request.backend.store.record(ChassisRecord, values["chassis_uuid"])
        except NotFound as exc:
            raise to_invalid_input(exc, "chassis_uuid") from exc


def _check_patch(patch: Sequence[PatchOperation], minor: int) -> None:
    """Raise ``InvalidInput`` or ``NotAcceptable`` if *patch* changes a field that clients may not change in this microversion."""
    for operation in patch:
        if operation.field not in PATCH_FIELDS.by_name:
            names = ", ".join(sorted(field.name for field in PATCH_FIELDS.declared if field.since <= minor))
            raise operation.error(f"the field {operation.field[:64]!r} cannot be changed", f"changeable are {names}")
    check_versions((PATCH_FIELDS.by_name[operation.field] for operation in patch), minor)


def _apply_patch(request: APIRequest, patch: list[PatchOperation], *, reset_interfaces: bool) -> NodeRecord:
    """Apply *patch* to the node and return the result. If the node changes before the write, read it again and repeat."""
    return retry_on_revision_conflict(lambda: _apply_patch_once(request, patch, reset_interfaces=reset_interfaces))


def _apply_patch_once(request: APIRequest, patch: list[PatchOperation], *, reset_interfaces: bool) -> NodeRecord:
    """Apply *patch* to the node as it is now. Raises ``RevisionConflict`` if the node changes before the write."""
    node = request.node(rule=VIEW_NODE)
    fields = {operation.field for operation in patch}
    # Before the patch is applied: its error messages tell a caller about the values of the fields that it touches.
    _enforce_rules(request, node, {find_change_rule(name, None) for name in fields - JUDGED_BY_VALUE} if fields else {UPDATE})
    requested = Change(node=node, values={operation.field: operation.value for operation in patch}, minor=request.minor)
    NODE_UPDATE.check_before_values(requested)
    document = {name: getattr(node, name) for name in PATCH_FIELDS.by_name}
    touched = apply_patch(document, patch)
    for name, value in touched.items():
        check_removal(name, value)
    for name in _FREE_FORM:
        if name in touched:
            touched[name] = restore_masked(touched[name], document[name])
    new = parse_touched(touched, parse_patch_value, DEFAULTS)
    _enforce_rules(request, node, {find_change_rule(name, new[name]) for name in JUDGED_BY_VALUE & new.keys()})
    changed = select_changed(document, new)
    if not changed:
        return node
    _check_changes(request, node, changed)
    # As in Ironic, a patch with the present driver resets nothing.
    reset = reset_interfaces and "driver" in changed
    updated: NodeRecord = request.rpc(
        "update_node", node=node.uuid, changes=changed, reset_interfaces=reset, revision=node.revision
    )
    return updated


def _enforce_rules(request: APIRequest, node: NodeRecord, rules: Iterable[str]) -> None:
    """Raise ``Forbidden`` unless each of *rules* allows the request for *node*."""
    for rule in sorted(rules):
        request.enforce(node, rule)


def _enforce_creation_rules(request: APIRequest, values: Mapping[str, Any]) -> None:
    """Raise ``Forbidden`` if the caller may create a node, but none with these parsed *values*.

    The rule for creating nodes covers all fields. The rule for creating own nodes covers only the fields that the owner of
    the node may change later.
    """
    if not request.is_allowed(CREATE):
        _enforce_rules(request, NodeRecord(**values), find_creation_rules(values))


def _check_changes(request: APIRequest, node: NodeRecord, changed: dict[str, Any]) -> None:
    """Check and complete *changed* in place. Raises ``InvalidInput``, ``NotAcceptable`` and ``InvalidState``."""
    _check_chassis(request, changed)
    if "chassis_uuid" in changed and changed["chassis_uuid"] is None and request.minor < CHASSIS_REMOVAL_SINCE:
        raise not_acceptable_before("the removal of chassis_uuid", CHASSIS_REMOVAL_SINCE)
    if changed.get("name") is not None:
        check_name(changed["name"], request.minor)
    if changed.get("parent_node") is not None:
        changed["parent_node"] = crud.resolve_linked_node(request, changed["parent_node"], "parent_node", node.owner).uuid
    if "conductor_group" in changed:
        changed["conductor_group"] = replace_null("conductor_group", changed["conductor_group"]).lower()
    circumstances = _find_circumstances(request, node, changed)
    NODE_UPDATE.check(Change(node=node, values=changed, minor=request.minor, circumstances=circumstances))


def _find_circumstances(request: APIRequest, node: NodeRecord, changed: Mapping[str, Any]) -> frozenset[Circumstance]:
    """Return the circumstances by which the rules decide whether the owner of the node can change."""
    found = set()
    if "owner" in changed:
        if not request.is_allowed(CHANGE_OWNER_OF_ACTIVE, node):
            found.add(OWNER_IS_FIXED)
        if node.allocation_uuid is not None and _find_allocation_owner(request, node.allocation_uuid) is not None:
            found.add(ALLOCATION_HAS_OWNER)
    return frozenset(found)


def _find_allocation_owner(request: APIRequest, allocation: str) -> str | None:
    """Return the project to which an allocation belongs, or None."""
    return request.backend.store.record(AllocationRecord, allocation).owner
