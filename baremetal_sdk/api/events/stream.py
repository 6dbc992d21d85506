"""``/v1/events/stream``: what happens to nodes, as server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson
from webob import Response

from baremetal_interfaces import NotFound
from baremetal_sdk.api.events.feed import EventFilter
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import VIEW_NODE, APIRequest, node_target
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, TEXT, UUID_OR_NAME, InvalidValue, ValueType
from baremetal_sdk.api.v1.node_redaction import REDACTED_VALUES
from baremetal_sdk.api.v1.node_rules import SEES_ALL_FIELDS
from baremetal_sdk.store.outbox import EVENT_KINDS, LEASE, Event, EventPosition

CONTENT_TYPE = "text/event-stream"
_RESTRICTED = ("last_error", "reservation")
"""What events tell that not everybody may see of a node."""


def _kinds(value: Any) -> frozenset[str]:
    words = [word.strip() for word in str(value).split(",") if word.strip()]
    for word in words:
        if word not in EVENT_KINDS:
            raise InvalidValue(f"there is no event {word[:32]!r}", f"there are {', '.join(EVENT_KINDS)}")
    if not words:
        raise InvalidValue("it names none", f"there are {', '.join(EVENT_KINDS)}")
    return frozenset(words)


_KINDS = ValueType(_kinds, {"type": "array", "minItems": 1, "items": {"enum": list(EVENT_KINDS)}})
_QUERY = (
    Parameter("types", _KINDS, f"Events to send, with commas between them: {', '.join(EVENT_KINDS)}; by default all."),
    Parameter("node", UUID_OR_NAME, "The only node to tell of; by default all that the caller may see."),
    Parameter("wait", BOOLEAN, "Whether to wait for more; if not, the stream ends behind the last event that there is now."),
    Parameter("after", TEXT, "The id of the last event that is known; by default, what comes now. Last-Event-ID goes before it."),
)


class EventStreamResource:
    """Following nodes."""

    @route(
        "GET",
        "/v1/events/stream",
        policy="baremetal:node:list",
        role="lister",
        query=_QUERY,
        response={"type": "string"},
        content_type=CONTENT_TYPE,
    )
    def follow(self, request: APIRequest) -> Response:
        """Follow what happens to nodes: states, power, steps and leases, as server-sent events."""
        if not request.backend.config.events.enabled:
            raise NotFound("no events are kept here: [events] enabled is false")
        node = None if "node" not in request.query else request.node(request.query["node"]).uuid
        wanted = EventFilter(request.scope.project, request.query.get("types", frozenset(EVENT_KINDS)), node, _redacting(request))
        known = request.last_event or request.query.get("after")
        reader = request.feed.open(wanted, EventPosition.parse(known) if known else None, wait=request.query.get("wait", True))
        headers = [("Content-Type", f"{CONTENT_TYPE}; charset=utf-8"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")]
        return Response(status="200 OK", headerlist=headers, app_iter=reader)


def _redacting(request: APIRequest) -> Callable[[Event], str] | None:
    """What the caller may see of events, as it may of nodes; None where that is all of them."""
    if request.policy.allows(SEES_ALL_FIELDS, request.context, {}):
        return None

    @lru_cache(256)
    def hidden(owner: str | None, lessee: str | None) -> tuple[str, ...]:
        target = node_target(owner, lessee)
        return tuple(name for name in _RESTRICTED if not request.policy.allows(f"{VIEW_NODE}:{name}", request.context, target))

    def content(event: Event) -> str:
        names = hidden(event.owner, event.lessee)
        if not names:
            return event.content
        told = orjson.loads(event.content)
        told.update({name: REDACTED_VALUES[name] for name in names if told.get(name) is not None})
        if event.kind == LEASE and "reservation" in names:
            told["purpose"] = None
        return orjson.dumps(told).decode()

    return content
