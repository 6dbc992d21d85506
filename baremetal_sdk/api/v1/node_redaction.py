"""What tells of the infrastructure behind a node, kept from those who only use it, such as its lessee."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_sdk.api.framework.request import SEEN, Call, target_of
from baremetal_sdk.api.framework.views import Shape
from baremetal_sdk.api.v1.node_rules import RESTRICTED, SEES_ALL_FIELDS

IN_PLACE: Mapping[str, Any] = {
    "driver_info": {"content": f"** Redacted - requires {SEEN}:driver_info permission. **"},
    "driver_internal_info": {"content": f"** Redacted - Requires {SEEN}:driver_internal_info permission. **"},
    "last_error": f"** Value Redacted - Requires {SEEN}:last_error permission. **",
    "reservation": f"** Redacted - requires {SEEN}:reservation permission. **",
}
"""What clients see in place of a field, as they know it."""


def may_be_redacted(call: Call, shape: Shape) -> tuple[str, ...]:
    """The fields of a shape that the caller may not see of every node."""
    shown = tuple(name for name in RESTRICTED if name in shape.shown)
    return () if not shown or call.policy.allows(SEES_ALL_FIELDS, call.context, {}) else shown


def redacted(call: Call, shape: Shape, owner: str | None, lessee: str | None) -> tuple[str, ...]:
    """The fields of a shape that the caller may not see of a node of these projects."""
    asked = may_be_redacted(call, shape)
    target = target_of(owner, lessee) if asked else {}
    return tuple(name for name in asked if not call.policy.allows(f"{SEEN}:{name}", call.context, target))


def shown_node(call: Call, shape: Shape, node: Any) -> dict[str, Any]:
    """A node as the caller may see it."""
    return _without(shape.record(call, node), redacted(call, shape, node.owner, node.lessee))


def shown_row(call: Call, shape: Shape, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a listing as the caller may see it; it has the owner and the lessee."""
    return _without(shape.row(call, row), redacted(call, shape, row["owner"], row["lessee"]))


def _without(shown: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    for name in names:
        shown[name] = IN_PLACE[name]
    return shown
