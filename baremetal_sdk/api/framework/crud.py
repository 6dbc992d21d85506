"""What the handlers of stored resources have in common: finding one, listing a page, and having a conductor write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from baremetal_interfaces import Forbidden, InvalidInput, NotFound, Problem
from baremetal_sdk.api.framework.errors import to_invalid_input
from baremetal_sdk.api.framework.pagination import build_page, parse_page_request
from baremetal_sdk.api.framework.request import VIEW_NODE, APIRequest, check_ident
from baremetal_sdk.api.framework.types import canonical_uuid
from baremetal_sdk.api.framework.views import View
from baremetal_sdk.store.records.kinds import RECORD_KINDS
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import Query

R = TypeVar("R")


def find(request: APIRequest, kind: type[R], argument: str) -> R:
    """The record that a segment of the path names."""
    ident = check_ident(argument, request.arguments[argument])
    if RECORD_KINDS[kind].lookup_fields == ("uuid",) and canonical_uuid(ident) is None:
        raise InvalidInput([Problem(argument, f"{ident[:64]!r} is not a UUID", f"a {RECORD_KINDS[kind].label} has no name")])
    try:
        return request.backend.store.record(kind, ident, scope=request.scope)
    except NotFound:
        if not request.json_suffix:
            raise
        return request.backend.store.record(kind, ident + ".json", scope=request.scope)


def list_records(
    request: APIRequest, kind: type[Any], view: View, where: Mapping[str, Any], *, whole: bool = False, **of_node: Any
) -> dict[str, Any]:
    """A page of records; what is None in *where* and *of_node* is not asked for."""
    asked = parse_page_request(request, view, whole=whole)
    query = Query(
        where=_given(where),
        fields=asked.selection.columns,
        limit=asked.limit + 1,
        marker=asked.marker,
        sort_key=asked.sort_key,
        sort_dir=asked.sort_dir,
        node_where=_given(of_node),
    )
    return build_page(request, asked, request.backend.store.records(kind, query, scope=request.scope))


def filter_node(request: APIRequest, name: str = "node") -> str | None:
    """The UUID of the node that a filter of a listing names."""
    return request.node(request.query[name]).uuid if name in request.query else None


def body_node(request: APIRequest, ident: str, field: str = "node_uuid") -> str:
    """The UUID of the node that a field of the body names. Raises ``InvalidInput``: the path is another one.

    Who acts for a project is not told whether a node is missing or another project's: both are ``Forbidden``.
    """
    try:
        return request.node(ident).uuid
    except NotFound as exc:
        if request.scope.project is not None:
            rule = request.route.policy
            raise Forbidden(f"{rule} is not allowed: {field}: your project has no node {ident[:64]!r}", rule=rule) from exc
        raise to_invalid_input(exc, field) from exc


def resolve_linked_node(request: APIRequest, ident: str, field: str, owner: str | None) -> NodeRecord:
    """The node that something of *owner* is linked to: the same owner's. Raises ``InvalidInput``, also for what is not seen."""
    try:
        node = request.node(ident, rule=VIEW_NODE)
    except (NotFound, Forbidden):
        node = None
    if node is None or node.owner != owner:
        raise InvalidInput([Problem(field, f"{ident[:64]!r} cannot be taken", "a node of the same owner, which you may see")])
    return node


def enforce_owner(request: APIRequest, rule: str, what: str, record: Any) -> None:
    """Ask the policy whether the caller may do what *rule* is about to a record that has an owner."""
    request.policy.enforce(rule, request.context, {f"{what}.uuid": record.uuid, f"{what}.owner": record.owner})


def create(request: APIRequest, kind: type[R], view: View, values: Mapping[str, Any]) -> dict[str, Any]:
    """Have a record created, and show it."""
    record = request.rpc("create_record", kind=RECORD_KINDS[kind].table, values=values)
    request.location = f"{view.path}/{record.uuid}"
    return view.whole(request.minor).record(request, record)


def update(request: APIRequest, kind: type[R], view: View, record: Any, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Have a record changed as it was read, and show it."""
    if changed:
        arguments = {"uuid": record.uuid, "changes": changed, "revision": record.revision}
        record = request.rpc("update_record", kind=RECORD_KINDS[kind].table, **arguments)
    return view.whole(request.minor).record(request, record)


def delete(request: APIRequest, kind: type[Any], uuid: str) -> None:
    """Have a record deleted."""
    request.rpc("delete_record", kind=RECORD_KINDS[kind].table, uuid=uuid)


def require_name(name: str | None) -> None:
    """Refuse a name that reads as a UUID: nobody could tell it from one."""
    if name is not None and canonical_uuid(name) is not None:
        raise InvalidInput([Problem("name", "it is a UUID", "a name has another form")])


def _given(conditions: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in conditions.items() if value is not None}
