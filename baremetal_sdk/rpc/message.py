"""One call as a message: a JSON-RPC 2.0 request, and in its member ``baremetal`` what the standard has no place for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from baremetal_sdk.context import RequestContext
from baremetal_sdk.rpc.codec import Codec, MalformedMessage
from baremetal_sdk.rpc.registry import parse_version

EXTENSION = "baremetal"
_LONGEST_NAME = 255
_LONGEST_TRACE = 16_384
"""Characters of all names and values together. W3C's baggage may have half of that."""


@dataclass(frozen=True)
class RPCRequest:
    """A call or a cast. *timeout* is in seconds, counted from its arrival: clocks of machines differ."""

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ident: str | int | None = None
    """What the answer is for; None where nobody waits for one."""
    cast: bool = False
    version: str | None = None
    timeout: float | None = None
    context: RequestContext | None = None
    trace: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What lets the caller's trace go on, as headers such as ``traceparent``."""

    def dump(self, codec: Codec) -> dict[str, Any]:
        """The message as JSON values."""
        extension: dict[str, Any] = {"cast": self.cast, "version": self.version, "timeout": self.timeout}
        if self.context is not None:
            extension["context"] = {
                "request_id": self.context.request_id,
                "user": self.context.user,
                "project": self.context.project,
                "roles": sorted(self.context.roles),
            }
        if self.trace:
            extension["trace"] = dict(self.trace)
        return {
            "jsonrpc": "2.0",
            "method": self.method,
            "params": {name: codec.dump(value) for name, value in self.arguments.items()},
            "id": self.ident,
            EXTENSION: extension,
        }

    @classmethod
    def load(cls, message: Any, codec: Codec) -> RPCRequest:
        """The request in a message. Raises ``MalformedMessage``, which says what is wrong with it."""
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            raise MalformedMessage('a request is an object with "jsonrpc": "2.0"')
        method, ident = message.get("method"), message.get("id")
        if not isinstance(method, str) or not 0 < len(method) <= _LONGEST_NAME:
            raise MalformedMessage("method has to be the name of a method")
        if isinstance(ident, bool) or not isinstance(ident, str | int | None):
            raise MalformedMessage("id has to be a text or a whole number")
        params = message.get("params", {})
        if not isinstance(params, dict):
            raise MalformedMessage("params has to be an object: arguments are given by name")
        extension = message.get(EXTENSION) or {}
        if not isinstance(extension, dict):
            raise MalformedMessage(f"{EXTENSION} has to be an object")
        return cls(
            method=method,
            arguments={name: codec.load(value) for name, value in params.items()},
            ident=ident,
            # Without an id nobody waits for an answer, and the standard calls that a notification.
            cast=extension.get("cast") is True or "id" not in message,
            version=_version(extension.get("version")),
            timeout=_timeout(extension.get("timeout")),
            context=_context(extension.get("context")),
            trace=_trace(extension.get("trace")),
        )


def _version(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedMessage("version has to be a text such as 1.0")
    try:
        parse_version(value)
    except ValueError as exc:
        raise MalformedMessage(str(exc)) from None
    return value


def _timeout(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MalformedMessage("timeout has to be a number of seconds")
    return float(value)


def _context(value: Any) -> RequestContext | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("request_id"), str):
        raise MalformedMessage("context has to be an object with a request_id")
    roles = value.get("roles") or []
    texts = [value["request_id"], value.get("user"), value.get("project")]
    if not isinstance(roles, list) or not all(one is None or isinstance(one, str) for one in (*texts, *roles)):
        raise MalformedMessage("context has to hold texts")
    return RequestContext(
        request_id=value["request_id"][:_LONGEST_NAME],
        user=value.get("user"),
        project=value.get("project"),
        roles=frozenset(roles),
    )


def _trace(value: Any) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise MalformedMessage("trace has to be an object of texts")
    if sum(len(name) + len(one) for name, one in value.items()) > _LONGEST_TRACE:
        raise MalformedMessage(f"trace has more than {_LONGEST_TRACE} characters")
    return value
