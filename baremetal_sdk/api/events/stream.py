"""API resource ``/v1/events/stream``: changes of nodes as a stream of server-sent events."""

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
"""The fields of events that a policy rule protects, as it protects the same fields of a node."""


def _parse_kinds(value: Any) -> frozenset[str]:
    words = [word.strip() for word in str(value).split(",") if word.strip()]
    for word in words:
        if word not in EVENT_KINDS:
            raise InvalidValue(f"{word[:32]!r} is not an event type", f"use one or more of {', '.join(EVENT_KINDS)}")
    if not words:
        raise InvalidValue("is empty", f"use one or more of {', '.join(EVENT_KINDS)}")
    return frozenset(words)


_KINDS = ValueType(_parse_kinds, {"type": "array", "minItems": 1, "items": {"enum": list(EVENT_KINDS)}})
_QUERY = (
    Parameter("types", _KINDS, f"The event types, separated by commas: {', '.join(EVENT_KINDS)}. The default is all of them."),
    Parameter("node", UUID_OR_NAME, "The UUID or name of the only node to report. The default is all visible nodes."),
    Parameter("wait", BOOLEAN, "Whether to wait for new events. If false, the stream ends after the last event that exists now."),
    Parameter("after", TEXT, "The id of the last known event. The default is new events only. Last-Event-ID takes precedence."),
)


class EventStreamResource:
    """Route that streams events of nodes to a client until the client or the server ends the response."""

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
        """Stream changes of nodes as server-sent events: states, power, steps and leases."""
        if not request.backend.config.events.enabled:
            raise NotFound("event streams are disabled; set [events] enabled to true in the configuration of the service")
        node = None if "node" not in request.query else request.node(request.query["node"]).uuid
        kinds = request.query.get("types", frozenset(EVENT_KINDS))
        filter = EventFilter(request.scope.project, kinds, node, _redact_for(request))
        known = request.last_event or request.query.get("after")
        cursor = EventPosition.parse(known) if known else None
        subscription = request.feed.open(filter, cursor, wait=request.query.get("wait", True))
        subscription.is_authorized = request.is_authorized
        headers = [
            ("Content-Type", f"{CONTENT_TYPE}; charset=utf-8"),
            ("Cache-Control", "no-store"),
            # nginx buffers a response until it is complete; this header disables that.
            ("X-Accel-Buffering", "no"),
        ]
        return Response(status="200 OK", headerlist=headers, app_iter=subscription)


def _redact_for(request: APIRequest) -> Callable[[Event], str] | None:
    """Return the function that redacts events for the client. None: the client may see all fields."""
    if request.policy.allows(SEES_ALL_FIELDS, request.context, {}):
        return None

    # The answer depends on owner and lessee only, and a stream sees few of them. The policy is asked once for each pair.
    @lru_cache(256)
    def hidden_fields(owner: str | None, lessee: str | None) -> tuple[str, ...]:
        target = node_target(owner, lessee)
        return tuple(name for name in _RESTRICTED if not request.policy.allows(f"{VIEW_NODE}:{name}", request.context, target))

    def redact(event: Event) -> str:
        names = hidden_fields(event.owner, event.lessee)
        if not names:
            return event.content
        content = orjson.loads(event.content)
        content.update({name: REDACTED_VALUES[name] for name in names if content.get(name) is not None})
        # No rule protects the purpose of a lease, but it tells as much as the holder. The rule of the holder protects both.
        if event.kind == LEASE and "reservation" in names:
            content["purpose"] = None
        return orjson.dumps(content).decode()

    return redact
