"""What the handlers of stored resources have in common: finding one, listing a page, and having a conductor write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from baremetal_interfaces import Forbidden, InvalidInput, NotFound, Problem
from baremetal_sdk.api.framework.errors import as_bad_request
from baremetal_sdk.api.framework.pagination import answer, page
from baremetal_sdk.api.framework.request import SEEN, Call, checked_ident
from baremetal_sdk.api.framework.types import canonical_uuid
from baremetal_sdk.api.framework.views import View
from baremetal_sdk.store.records.kinds import RECORD_KINDS
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import Query

R = TypeVar("R")


def found(call: Call, kind: type[R], argument: str) -> R:
    """The record that a segment of the path names."""
    ident = checked_ident(argument, call.arguments[argument])
    if RECORD_KINDS[kind].lookup_fields == ("uuid",) and canonical_uuid(ident) is None:
        raise InvalidInput([Problem(argument, f"{ident[:64]!r} is not a UUID", f"a {RECORD_KINDS[kind].label} has no name")])
    try:
        return call.backend.store.record(kind, ident, scope=call.scope)
    except NotFound:
        if not call.json_suffix:
            raise
        return call.backend.store.record(kind, ident + ".json", scope=call.scope)


def listed(
    call: Call, kind: type[Any], view: View, where: Mapping[str, Any], *, whole: bool = False, **of_node: Any
) -> dict[str, Any]:
    """A page of records; what is None in *where* and *of_node* is not asked for."""
    asked = page(call, view, whole=whole)
    query = Query(
        where=_given(where),
        fields=asked.shape.columns,
        limit=asked.limit + 1,
        marker=asked.marker,
        sort_key=asked.sort_key,
        sort_dir=asked.sort_dir,
        node_where=_given(of_node),
    )
    return answer(call, asked, call.backend.store.records(kind, query, scope=call.scope))


def asked_node(call: Call, name: str = "node") -> str | None:
    """The UUID of the node that a filter of a listing names."""
    return call.node(call.query[name]).uuid if name in call.query else None


def named_node(call: Call, ident: str, field: str = "node_uuid") -> str:
    """The UUID of the node that a field of the body names. Raises ``InvalidInput``: the path is another one.

    Who acts for a project is not told whether a node is missing or another project's: both are ``Forbidden``.
    """
    try:
        return call.node(ident).uuid
    except NotFound as exc:
        if call.scope.project is not None:
            rule = call.route.policy
            raise Forbidden(f"{rule} is not allowed: {field}: your project has no node {ident[:64]!r}", rule=rule) from exc
        raise as_bad_request(exc, field) from exc


def linked_node(call: Call, ident: str, field: str, owner: str | None) -> NodeRecord:
    """The node that something of *owner* is linked to: the same owner's. Raises ``InvalidInput``, also for what is not seen."""
    try:
        node = call.node(ident, rule=SEEN)
    except (NotFound, Forbidden):
        node = None
    if node is None or node.owner != owner:
        raise InvalidInput([Problem(field, f"{ident[:64]!r} cannot be taken", "a node of the same owner, which you may see")])
    return node


def allow(call: Call, rule: str, what: str, record: Any) -> None:
    """Ask the policy whether the caller may do what *rule* is about to a record that has an owner."""
    call.policy.enforce(rule, call.context, {f"{what}.uuid": record.uuid, f"{what}.owner": record.owner})


def create(call: Call, kind: type[R], view: View, values: Mapping[str, Any]) -> dict[str, Any]:
    """Have a record created, and show it."""
    record = call.rpc("create_record", kind=RECORD_KINDS[kind].table, values=values)
    call.location = f"{view.path}/{record.uuid}"
    return view.whole(call.minor).record(call, record)


def update(call: Call, kind: type[R], view: View, record: Any, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Have a record changed as it was read, and show it."""
    if changed:
        arguments = {"uuid": record.uuid, "changes": changed, "revision": record.revision}
        record = call.rpc("update_record", kind=RECORD_KINDS[kind].table, **arguments)
    return view.whole(call.minor).record(call, record)


def delete(call: Call, kind: type[Any], uuid: str) -> None:
    """Have a record deleted."""
    call.rpc("delete_record", kind=RECORD_KINDS[kind].table, uuid=uuid)


def require_name(name: str | None) -> None:
    """Refuse a name that reads as a UUID: nobody could tell it from one."""
    if name is not None and canonical_uuid(name) is not None:
        raise InvalidInput([Problem("name", "it is a UUID", "a name has another form")])


def _given(conditions: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in conditions.items() if value is not None}
