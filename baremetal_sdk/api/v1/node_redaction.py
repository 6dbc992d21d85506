"""Redaction of node fields: callers that only use a node, such as its lessee, do not see fields about the infrastructure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_sdk.api.framework.request import VIEW_NODE, APIRequest, node_target
from baremetal_sdk.api.framework.views import FieldSelection
from baremetal_sdk.api.v1.node_rules import RESTRICTED, SEES_ALL_FIELDS

REDACTED_VALUES: Mapping[str, Any] = {
    "driver_info": {"content": f"** Redacted - requires {VIEW_NODE}:driver_info permission. **"},
    "driver_internal_info": {"content": f"** Redacted - Requires {VIEW_NODE}:driver_internal_info permission. **"},
    "last_error": f"** Value Redacted - Requires {VIEW_NODE}:last_error permission. **",
    "reservation": f"** Redacted - requires {VIEW_NODE}:reservation permission. **",
}
"""Field -> the value that callers without permission get instead. The texts are Ironic's, because clients match them."""


def find_restricted_fields(request: APIRequest, selection: FieldSelection) -> tuple[str, ...]:
    """Return the fields of *selection* that the caller may not see of every node. For callers that see all fields it is empty."""
    restricted = tuple(name for name in RESTRICTED if name in selection.field_names)
    if not restricted or request.policy.allows(SEES_ALL_FIELDS, request.context, {}):
        return ()
    return restricted


def find_redacted_fields(
    request: APIRequest, selection: FieldSelection, owner: str | None, lessee: str | None
) -> tuple[str, ...]:
    """Return the fields of *selection* that the caller may not see of a node with this owner and lessee."""
    restricted = find_restricted_fields(request, selection)
    target = node_target(owner, lessee) if restricted else {}
    return tuple(name for name in restricted if not request.policy.allows(f"{VIEW_NODE}:{name}", request.context, target))


def render_node(request: APIRequest, selection: FieldSelection, node: Any) -> dict[str, Any]:
    """Return a node as a JSON object, with placeholders in place of the values that the caller may not see."""
    return _redact(selection.record(request, node), find_redacted_fields(request, selection, node.owner, node.lessee))


def render_row(request: APIRequest, selection: FieldSelection, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a listing as a JSON object, with placeholders in place of the values that the caller may not see.

    *row* must contain the columns ``owner`` and ``lessee``.
    """
    return _redact(selection.row(request, row), find_redacted_fields(request, selection, row["owner"], row["lessee"]))


def _redact(content: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    for name in names:
        content[name] = REDACTED_VALUES[name]
    return content
