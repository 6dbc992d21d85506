"""Decoding of JSON documents from foreign servers, with limits for the work and the memory that a document may cost."""

from __future__ import annotations

import json
import threading
from typing import Any

from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.errors import Busy
from baremetal_interfaces.http.errors import BadAnswer
from baremetal_interfaces.json_cost import count_values

DEFAULT_MAX_DOCUMENT_BYTES = 1024 * 1024
"""Maximum size of the body of a response in bytes, unless the process or the session sets another one."""
LARGE_FACTOR = 4
"""How much larger the response may be to a request for a large document, such as an attribute registry or a collection."""
MAX_DEPTH = 64
"""Maximum depth of a document, in nested arrays and objects."""

_LARGE_BYTES = 256 * 1024
"""Size from which a document is decoded alone, in bytes."""

decoding_slot = threading.BoundedSemaphore(1)
"""Held during the decoding of a large document. Decoding several at a time is not faster, and takes more memory."""
_max_document_bytes = DEFAULT_MAX_DOCUMENT_BYTES


def get_max_document_bytes() -> int:
    """Return the maximum size of a response for sessions that set none, in bytes."""
    return _max_document_bytes


def set_max_document_bytes(size: int) -> None:
    """Set the maximum size of a response for all sessions of this process that set none, in bytes.

    The runtime calls this with the operator's option. Raises ``ValueError`` unless *size* is positive.
    """
    global _max_document_bytes
    if size <= 0:
        raise ValueError(f"size: {size} is not positive; set the maximum size of a document in bytes")
    _max_document_bytes = size


def decode_document(body: bytes, *, max_values: int, deadline: Deadline | None = None) -> Any:
    """Return the JSON value in *body*, which may have up to *max_values* values and :data:`MAX_DEPTH` levels.

    One large document is decoded at a time; others wait for it until *deadline*. Raises :class:`BadAnswer` if the body is not
    JSON, has too many values or is nested too deeply, and :class:`~baremetal_interfaces.errors.Busy` after the deadline.
    """
    count = count_values(body)
    if count > max_values:
        raise BadAnswer(f"the document has {len(body)} bytes and up to {count} values; the maximum is {max_values} values")
    if len(body) < _LARGE_BYTES:
        value = _decode(body, None)
    else:
        if not decoding_slot.acquire(timeout=_compute_timeout(deadline)):
            raise Busy("the response was not decoded: other large documents occupy the decoder; try again later", retry_after=1.0)
        try:
            value = _decode(body, _pass_object)
        finally:
            decoding_slot.release()
    _check_depth(value)
    return value


def _compute_timeout(deadline: Deadline | None) -> float:
    return threading.TIMEOUT_MAX if deadline is None else min(max(0.0, deadline.remaining()), threading.TIMEOUT_MAX)


def _decode(body: bytes, hook: Any) -> Any:
    try:
        return json.loads(body, object_hook=hook)
    except RecursionError:
        raise BadAnswer(_too_deep()) from None
    except ValueError:
        raise BadAnswer("the body is not JSON") from None


def _pass_object(value: dict[str, Any]) -> dict[str, Any]:
    """Return *value*. The decoder is written in C and keeps the interpreter; a call of Python lets other threads run."""
    return value


def _check_depth(value: Any) -> None:
    """Raise :class:`BadAnswer` if *value* has more than :data:`MAX_DEPTH` levels.

    Code that handles documents recursively would otherwise fail somewhere with ``RecursionError``.
    """
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return
        children: list[Any] = []
        for container in level:
            members = container.values() if type(container) is dict else container
            children += [member for member in members if type(member) is dict or type(member) is list]
        level = children
    if level:
        raise BadAnswer(_too_deep())


def _too_deep() -> str:
    return f"the document is nested more than {MAX_DEPTH} levels deep"
