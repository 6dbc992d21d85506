"""JSON bodies: reading and checking those of requests, and encoding those of responses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson
from webob import Request

from baremetal_interfaces import InvalidInput, Problem
from baremetal_interfaces.json_cost import count_values
from baremetal_interfaces.json_values import MAX_INTEGER, clean_json, find_problem
from baremetal_sdk.api.framework.errors import RequestTooLarge, UnsupportedContent
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
MAX_DEPTH = 64
"""Maximum nesting of objects and lists in the body of a request."""
_MAX_RESPONSE_DEPTH = 100
_MAX_INTEGER_LENGTH = 20
"""Number of characters in the longest integers of 64 bits."""
# Bodies without an escaped NUL and without a long integer need no further search.
_SUSPECT = re.compile(rb"\\u0000|[0-9]{19}")
_PATCH_INDEX = re.compile(r"^(?:key '[^']*' of )?/([0-9]+)/")


def read(request: Request, max_bytes: int, *, max_values: int) -> Any:
    """Return the JSON value in the body of *request*, or None if the body is empty.

    Raises ``RequestTooLarge`` for a body of more than *max_bytes* or *max_values*, ``UnsupportedContent`` for another
    content type, and ``InvalidInput`` for a body that cannot be read, is not JSON or is nested too deeply.
    """
    raw = _read_bytes(request, max_bytes)
    if not raw.strip():
        return None
    _check_content_type(request)
    if count_values(raw) > max_values:
        raise RequestTooLarge(f"the body of the request has too many values; the limit is {max_values} values")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        problem = _find_problem(raw)
        raise InvalidInput([problem] if problem else f"the body of the request is not valid JSON: {exc}") from None
    if _SUSPECT.search(raw):
        problem = _find_problem(raw)
        if problem is not None:
            raise InvalidInput([problem])
    # A body with few brackets cannot be nested deeply. This saves most requests the walk over the value.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _check_depth(value)
    return value


def _find_problem(raw: bytes) -> Problem | None:
    """Return the first value of a body that breaks a rule for JSON values, with its place, or None.

    orjson would decode integers of more than 64 bits as floats. It refuses halves of surrogate pairs and infinite numbers, but
    does not name their fields.
    """
    try:
        value = json.loads(raw, parse_int=_parse_integer, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    problem = find_problem(value, "", limited=False)
    # The place begins with a slash or, for an operation of a patch, with a slash and its index.
    return problem and problem._replace(field=_PATCH_INDEX.sub(r"patch[\1]/", problem.field).lstrip("/"))


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _parse_integer(text: str) -> int:
    # The conversion of very long texts costs much time, and their value does not matter.
    return int(text) if len(text) <= _MAX_INTEGER_LENGTH else MAX_INTEGER + 1


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
    """Return *value* as JSON text in UTF-8. Times are in the format of RFC 3339, and sets become sorted lists.

    A value that JSON cannot represent comes from a record that an earlier release or another program stored, or from a driver.
    Such a number becomes null, and text gets visible escapes, so that it does not break the response with all other records.
    """
    try:
        return _encode(value)
    except orjson.JSONEncodeError as exc:
        uuid = str(value.get("uuid", "")) if isinstance(value, Mapping) else ""
        problem = find_problem(value, uuid, limited=False)
        LOG.warning("a value cannot be shown as JSON and was replaced: %s", problem or exc)
        return _encode(clean_json(value, _MAX_RESPONSE_DEPTH))


def _encode(value: Any) -> bytes:
    # A copy, because orjson (3.13) returns its whole buffer, which is up to eight times as long as the text. Rendered records
    # stay in a cache, and a response stays in memory until its client has read it.
    return bytes(memoryview(orjson.dumps(value, default=_to_plain)))


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"cannot encode a value of type {type(value).__name__} as JSON")
