"""Format of RPC calls: JSON-RPC 2.0 requests. The member ``baremetal`` has the data that the standard does not define."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from baremetal_interfaces.text import clean_text
from baremetal_sdk.context import RequestContext, new_request_id
from baremetal_sdk.rpc.codec import Codec, MalformedMessage
from baremetal_sdk.rpc.registry import parse_version

EXTENSION = "baremetal"
"""Name of the request member with version, timeout, context and trace."""
_MAX_NAME_LENGTH = 255
"""Maximum length of method names and request ids, in characters."""
_REQUEST_ID = re.compile(rf"[\w.:@-]{{1,{_MAX_NAME_LENGTH}}}", re.ASCII)
_MAX_TRACE_LENGTH = 16_384
"""Maximum total length of all trace headers, in characters. W3C Baggage allows half of it."""


@dataclass(frozen=True)
class RPCRequest:
    """One RPC request: a call, whose result is returned, or a cast, which is only accepted.

    *timeout* is in seconds from the arrival of the message. It is not a date, because the clocks of machines differ.
    """

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ident: str | int | None = None
    """Identifier that the response repeats. None for a notification, which has no response."""
    cast: bool = False
    version: str | None = None
    timeout: float | None = None
    context: RequestContext | None = None
    trace: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers that continue the caller's trace, such as ``traceparent``."""

    def dump(self, codec: Codec) -> dict[str, Any]:
        """Return the request as a JSON object, with arguments encoded by *codec*."""
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
        """Return the request in *message*, a decoded JSON value. Raises ``MalformedMessage``, which names the wrong member."""
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            raise MalformedMessage('a request must be an object with "jsonrpc": "2.0"')
        method, ident = message.get("method"), message.get("id")
        if not isinstance(method, str) or not 0 < len(method) <= _MAX_NAME_LENGTH:
            raise MalformedMessage(f"method of the request must be a text of 1 to {_MAX_NAME_LENGTH} characters")
        if isinstance(ident, bool) or not isinstance(ident, str | int | None):
            raise MalformedMessage("id of the request must be a text or an integer")
        params = message.get("params", {})
        if not isinstance(params, dict):
            raise MalformedMessage("params of the request must be an object, because arguments are passed by name")
        extension = message.get(EXTENSION) or {}
        if not isinstance(extension, dict):
            raise MalformedMessage(f"{EXTENSION} of the request must be an object")
        return cls(
            method=method,
            arguments={name: codec.load(value) for name, value in params.items()},
            ident=ident,
            # A message without an id is a notification (JSON-RPC 2.0, section 4.1). Its sender expects no response.
            cast=extension.get("cast") is True or "id" not in message,
            version=_parse_version(extension.get("version")),
            timeout=_parse_timeout(extension.get("timeout")),
            context=_parse_context(extension.get("context")),
            trace=_parse_trace(extension.get("trace")),
        )


def _parse_version(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedMessage("version of the request must be a text such as 1.0")
    try:
        parse_version(value)
    except ValueError as exc:
        raise MalformedMessage(str(exc)) from None
    return value


def _parse_timeout(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MalformedMessage("timeout of the request must be a finite number of seconds")
    return float(value)


def _parse_context(value: Any) -> RequestContext | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("request_id"), str):
        raise MalformedMessage("context of the request must be an object with a request_id")
    roles = value.get("roles") or []
    texts = [value["request_id"], value.get("user"), value.get("project")]
    if not isinstance(roles, list) or not all(text is None or isinstance(text, str) for text in (*texts, *roles)):
        raise MalformedMessage("context of the request must contain texts only")
    return RequestContext(
        # The ID stands in brackets in each line of the log. Any text would let a caller write what looks like a message.
        request_id=value["request_id"] if _REQUEST_ID.fullmatch(value["request_id"]) else new_request_id(),
        user=_clean(value.get("user")),
        project=_clean(value.get("project")),
        roles=frozenset(clean_text(role, _MAX_NAME_LENGTH) for role in roles),
    )


def _clean(text: str | None) -> str | None:
    return None if text is None else clean_text(text, _MAX_NAME_LENGTH)


def _parse_trace(value: Any) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(header, str) for header in value.values()):
        raise MalformedMessage("trace of the request must be an object of texts")
    if sum(len(name) + len(header) for name, header in value.items()) > _MAX_TRACE_LENGTH:
        raise MalformedMessage(f"trace of the request has more than {_MAX_TRACE_LENGTH} characters")
    return value
