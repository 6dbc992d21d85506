"""What tells of the infrastructure behind a node, kept from those who only use it, such as its lessee."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_sdk.api.framework.request import VIEW_NODE, APIRequest, node_target
from baremetal_sdk.api.framework.views import FieldSelection
from baremetal_sdk.api.v1.node_rules import RESTRICTED, SEES_ALL_FIELDS

IN_PLACE: Mapping[str, Any] = {
    "driver_info": {"content": f"** Redacted - requires {VIEW_NODE}:driver_info permission. **"},
    "driver_internal_info": {"content": f"** Redacted - Requires {VIEW_NODE}:driver_internal_info permission. **"},
    "last_error": f"** Value Redacted - Requires {VIEW_NODE}:last_error permission. **",
    "reservation": f"** Redacted - requires {VIEW_NODE}:reservation permission. **",
}
"""What clients see in place of a field, as they know it."""


def may_be_redacted(request: APIRequest, selection: FieldSelection) -> tuple[str, ...]:
    """The fields of a selection that the caller may not see of every node."""
    shown = tuple(name for name in RESTRICTED if name in selection.shown)
    return () if not shown or request.policy.allows(SEES_ALL_FIELDS, request.context, {}) else shown


def redacted(request: APIRequest, selection: FieldSelection, owner: str | None, lessee: str | None) -> tuple[str, ...]:
    """The fields of a selection that the caller may not see of a node of these projects."""
    asked = may_be_redacted(request, selection)
    target = node_target(owner, lessee) if asked else {}
    return tuple(name for name in asked if not request.policy.allows(f"{VIEW_NODE}:{name}", request.context, target))


def shown_node(request: APIRequest, selection: FieldSelection, node: Any) -> dict[str, Any]:
    """A node as the caller may see it."""
    return _without(selection.record(request, node), redacted(request, selection, node.owner, node.lessee))


def shown_row(request: APIRequest, selection: FieldSelection, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a listing as the caller may see it; it has the owner and the lessee."""
    return _without(selection.row(request, row), redacted(request, selection, row["owner"], row["lessee"]))


def _without(shown: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    for name in names:
        shown[name] = IN_PLACE[name]
    return shown
