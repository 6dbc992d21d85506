"""``/v1/nodes``: listing, showing, creating, changing and deleting nodes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from baremetal_interfaces import InvalidInput, NotFound, Problem
from baremetal_sdk.api.call import Call
from baremetal_sdk.api.errors import as_bad_request
from baremetal_sdk.api.listing import FIELDS
from baremetal_sdk.api.masking import restored
from baremetal_sdk.api.node_fields import (
    CHASSIS_REMOVED_SINCE,
    CREATION,
    DEFAULTS,
    ENROLL_SINCE,
    PATCHED,
    check_name,
    check_removal,
    read_patched,
    without_null,
)
from baremetal_sdk.api.node_view import NODE_VIEW
from baremetal_sdk.api.parameters import Parameter, check_versions, too_new
from baremetal_sdk.api.patch import JSON_PATCH, Operation, apply, changes, operations
from baremetal_sdk.api.registry import LeastRole, route
from baremetal_sdk.api.values import BOOLEAN, UUID, UUID_OR_NAME
from baremetal_sdk.errors import NodeAssociated, RevisionConflict
from baremetal_sdk.store.records import NodeRecord
from baremetal_sdk.store.records_hardware import ChassisRecord

PATCH_ATTEMPTS = 5
"""How often a patch is applied anew when the node changed under it."""
UPDATE = "baremetal:node:update"
_OF_ADMINS = frozenset(name for name in PATCHED.by_name if name.endswith("_interface")) | {
    "chassis_uuid",
    "conductor_group",
    "disable_power_off",
    "driver",
    "driver_info",
    "lessee",
    "owner",
    "parent_node",
    "shard",
}
"""Fields that say whose a node is and how it is reached: who changes the address of a BMC is sent its credentials."""
_OF_SYSTEM: dict[str, LeastRole] = {
    "conductor_group": "system-operator",
    "owner": "system-operator",
    "parent_node": "system-operator",
    "shard": "system-admin",
}
"""Those of them that no project changes, however it owns a node."""
_OF_MEMBERS = frozenset({"extra", "protected", "protected_reason"})
"""Fields that members of a project change, if it only leases the node, too."""
_FREE_FORM = ("driver_info", "instance_info")
"""Fields in which clients are shown masks in place of secrets."""


def _least_role(name: str) -> LeastRole:
    if name in _OF_MEMBERS:
        return "leased-operator"
    return _OF_SYSTEM.get(name, "admin") if name in _OF_ADMINS else "operator"


class Nodes:
    """Nodes, one by one."""

    rules: ClassVar[dict[str, LeastRole]] = {f"{UPDATE}:{name}": _least_role(name) for name in sorted(PATCHED.by_name)}

    @route("GET", "/v1/nodes/{node}", policy="baremetal:node:get", query=(FIELDS,))
    def show(self, call: Call) -> Any:
        """Show a node."""
        fields = call.query.get("fields")
        shape = NODE_VIEW.whole(call.minor) if fields is None else NODE_VIEW.selected(call.minor, fields)
        seen = call.glance()
        return call.fragments.one(call, shape, seen, lambda: call.backend.store.node(seen.uuid, scope=call.scope))

    @route("POST", "/v1/nodes", policy="baremetal:node:create", role="admin", status=201, body=CREATION)
    def create(self, call: Call) -> dict[str, Any]:
        """Enrol a node."""
        values = {name: value for name, value in call.body.items() if value is not None}
        if "name" in values:
            check_name(values["name"], call.minor)
        if "parent_node" in values:
            values["parent_node"] = _parent(call, values["parent_node"])
        _check_chassis(call, values)
        if "conductor_group" in values:
            values["conductor_group"] = values["conductor_group"].lower()
        call.own(values)
        values.setdefault("uuid", str(uuid.uuid4()))
        if call.minor < ENROLL_SINCE:
            values["provision_state"] = "available"
        node: NodeRecord = call.rpc("create_node", values=values)
        call.location = f"nodes/{node.uuid}"
        return NODE_VIEW.whole(call.minor).record(call, node)

    @route(
        "PATCH",
        "/v1/nodes/{node}",
        policy=UPDATE,
        role="leased-operator",
        query=(Parameter("reset_interfaces", BOOLEAN, "Whether interfaces become the new driver's defaults.", since=45),),
        body=JSON_PATCH,
    )
    def update(self, call: Call) -> dict[str, Any]:
        """Change fields of a node."""
        patch = operations(call.body, call.minor)
        _check_patch(patch, call.minor)
        reset = bool(call.query.get("reset_interfaces"))
        if reset and not any(operation.path == ("driver",) for operation in patch):
            wrong = Problem("reset_interfaces", "the driver is not being changed", "it is taken together with a new driver")
            raise InvalidInput([wrong])
        return NODE_VIEW.whole(call.minor).record(call, _patched(call, patch, reset))

    @route("DELETE", "/v1/nodes/{node}", policy="baremetal:node:delete", role="admin", status=204)
    def delete(self, call: Call) -> None:
        """Delete a node, with its ports."""
        call.rpc("delete_node", node=call.node().uuid)

    @route("GET", "/v1/nodes/{node}/validate", policy="baremetal:node:validate", role="operator")
    def validate(self, call: Call) -> dict[str, Any]:
        """Tell of each interface of a node whether it has all that it needs."""
        return _validated(call, call.node())

    @route(
        "GET",
        "/v1/nodes/validate",
        policy="baremetal:node:validate",
        role="operator",
        query=(
            Parameter("node", UUID_OR_NAME, "The node's UUID or name."),
            Parameter("node_uuid", UUID, "The node's UUID."),
        ),
    )
    def validate_named(self, call: Call) -> dict[str, Any]:
        """Tell of each interface of a node, named in the query, whether it has all that it needs."""
        ident = call.query.get("node_uuid") or call.query.get("node")
        if ident is None:
            raise InvalidInput([Problem("node", "it is missing", "give the node's UUID or name")])
        return _validated(call, call.node(ident))


def _validated(call: Call, node: NodeRecord) -> dict[str, Any]:
    found: Mapping[str, Mapping[str, Any]] = call.rpc("validate_node", node=node.uuid)
    return {kind: {name: value for name, value in said.items() if name != "reason" or value} for kind, said in found.items()}


def _parent(call: Call, ident: str) -> str:
    try:
        return call.backend.store.node(ident, scope=call.scope).uuid
    except NotFound as exc:
        raise as_bad_request(exc, "parent_node") from exc


def _check_chassis(call: Call, values: Mapping[str, Any]) -> None:
    if values.get("chassis_uuid") is not None:
        try:
            call.backend.store.record(ChassisRecord, values["chassis_uuid"])
        except NotFound as exc:
            raise as_bad_request(exc, "chassis_uuid") from exc


def _check_patch(patch: Sequence[Operation], minor: int) -> None:
    for operation in patch:
        if operation.field not in PATCHED.by_name:
            names = ", ".join(sorted(field.name for field in PATCHED.declared if field.since <= minor))
            raise operation.problem(f"{operation.field[:64]!r} cannot be changed", f"these can: {names}")
    check_versions((PATCHED.by_name[operation.field] for operation in patch), minor)


def _patched(call: Call, patch: list[Operation], reset: bool) -> NodeRecord:
    """Apply *patch* to the node as it is; when it changed in between, apply it to what it is then."""
    for _ in range(PATCH_ATTEMPTS - 1):
        try:
            return _patched_once(call, patch, reset)
        except RevisionConflict:
            continue
    return _patched_once(call, patch, reset)


def _patched_once(call: Call, patch: list[Operation], reset: bool) -> NodeRecord:
    node = call.node()
    document = {name: getattr(node, name) for name in PATCHED.by_name}
    touched = apply(document, patch)
    for name, value in touched.items():
        check_removal(name, value)
    for name in _FREE_FORM:
        if name in touched:
            touched[name] = restored(touched[name], document[name])
    changed = changes(document, touched, read_patched, DEFAULTS)
    for name in changed:
        call.allow(node, f"{UPDATE}:{name}")
    _check_changes(call, node, changed)
    if not changed:
        return node
    updated: NodeRecord = call.rpc("update_node", node=node.uuid, changes=changed, reset_interfaces=reset, revision=node.revision)
    return updated


def _check_changes(call: Call, node: NodeRecord, changed: dict[str, Any]) -> None:
    _check_chassis(call, changed)
    if "chassis_uuid" in changed and changed["chassis_uuid"] is None and call.minor < CHASSIS_REMOVED_SINCE:
        raise too_new("the removal of chassis_uuid", CHASSIS_REMOVED_SINCE)
    if changed.get("name") is not None:
        check_name(changed["name"], call.minor)
    if changed.get("parent_node") is not None:
        changed["parent_node"] = _parent(call, changed["parent_node"])
    if "conductor_group" in changed:
        changed["conductor_group"] = without_null("conductor_group", changed["conductor_group"]).lower()
    if node.instance_uuid is not None and changed.get("instance_uuid") is not None:
        raise NodeAssociated(
            f"instance_uuid: node {node.uuid} is associated with instance {node.instance_uuid}; remove that one first",
            instance_uuid=node.instance_uuid,
        )
