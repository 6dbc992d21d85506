"""JSON in requests and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from webob import Request

from baremetal_interfaces import InvalidInput
from baremetal_sdk.api.framework.errors import RequestTooLarge, UnsupportedContent

DEEPEST = 64
"""Objects and lists inside each other in the body of a request, at most."""


def read(request: Request, largest: int) -> Any:
    """The JSON value in the body of *request*, which has *largest* bytes at most; None where there is no body.

    Raises ``UnsupportedContent``, ``RequestTooLarge`` and ``InvalidInput``.
    """
    raw = _raw(request, largest)
    if not raw.strip():
        return None
    _check_content_type(request)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise InvalidInput(f"the body of the request is not valid JSON: {exc}") from None
    if raw.count(b"[") + raw.count(b"{") > DEEPEST:
        _check_depth(value)
    return value


def _raw(request: Request, largest: int) -> bytes:
    if not request.is_body_readable:
        return b""
    too_large = RequestTooLarge(f"the body of the request is too large; {largest} bytes are taken at most")
    if (request.content_length or 0) > largest:
        raise too_large
    try:
        raw: bytes = request.body_file.read(largest + 1)
    except OSError as exc:
        raise InvalidInput(f"the body of the request could not be read: {exc}") from exc
    if len(raw) > largest:
        raise too_large
    return raw


def _check_content_type(request: Request) -> None:
    content_type = (request.content_type or "application/json").lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise UnsupportedContent(f"Content-Type: {content_type[:64]!r} is not taken; send application/json")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _inside(outer)]
        if not level:
            return
    raise InvalidInput(f"the body of the request is nested too deeply; {DEEPEST} levels are taken at most")


def _inside(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def as_object(body: Any) -> dict[str, Any]:
    """The body where it is an object, an empty one where there is none. Raises ``InvalidInput``."""
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise InvalidInput("the body of the request is not a JSON object; give its fields by name")
    return body


def dump(value: Any) -> bytes:
    """*value* as JSON. Dates are written as RFC 3339 says."""
    return orjson.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
