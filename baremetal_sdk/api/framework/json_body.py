"""JSON bodies: reading and checking those of requests, and encoding those of responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from webob import Request

from baremetal_interfaces import InvalidInput
from baremetal_interfaces.json_cost import compute_max_values, count_values
from baremetal_sdk.api.framework.errors import RequestTooLarge, UnsupportedContent

MAX_DEPTH = 64
"""Maximum nesting of objects and lists in the body of a request."""


def read(request: Request, max_bytes: int) -> Any:
    """Return the JSON value in the body of *request*, or None if the body is empty.

    Raises ``RequestTooLarge`` for a body of more than *max_bytes* or with too many values, ``UnsupportedContent`` for another
    content type, and ``InvalidInput`` for a body that cannot be read, is not JSON or is nested too deeply.
    """
    raw = _read_bytes(request, max_bytes)
    if not raw.strip():
        return None
    _check_content_type(request)
    max_values = compute_max_values(max_bytes)
    if count_values(raw) > max_values:
        raise RequestTooLarge(f"the body of the request has too many values; the limit is {max_values} values")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise InvalidInput(f"the body of the request is not valid JSON: {exc}") from None
    # A body with few brackets cannot be nested deeply. This saves most requests the walk over the value.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _check_depth(value)
    return value


def _read_bytes(request: Request, max_bytes: int) -> bytes:
    if not request.is_body_readable:
        return b""
    too_large = RequestTooLarge(f"the body of the request is too large; the limit is {max_bytes} bytes")
    if (request.content_length or 0) > max_bytes:
        raise too_large
    try:
        # One byte more than allowed, because a chunked body has no length.
        raw: bytes = request.body_file.read(max_bytes + 1)
    except OSError as exc:
        raise InvalidInput(f"cannot read the body of the request: {exc}") from exc
    if len(raw) > max_bytes:
        raise too_large
    return raw


def _check_content_type(request: Request) -> None:
    content_type = (request.content_type or "application/json").lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise UnsupportedContent(f"Content-Type: {content_type[:64]!r} is not supported; send application/json")


def _check_depth(value: Any) -> None:
    # Level by level, because recursion on hostile input could exhaust the stack.
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _children(outer)]
        if not level:
            return
    raise InvalidInput(f"the body of the request is nested too deeply; the limit is {MAX_DEPTH} levels")


def _children(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def as_object(body: Any) -> dict[str, Any]:
    """Return *body*, or an empty object for None. Raises ``InvalidInput`` if *body* is not an object."""
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise InvalidInput("the body of the request is not a JSON object; send an object with fields")
    return body


def dump(value: Any) -> bytes:
    """Return *value* as JSON text in UTF-8. Times are in the format of RFC 3339, and sets become sorted lists."""
    return orjson.dumps(value, default=_to_plain)


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"cannot encode a value of type {type(value).__name__} as JSON")
