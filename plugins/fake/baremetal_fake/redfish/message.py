"""HTTP/1.1 requests and answers of a simulated Redfish BMC. The parser refuses ambiguous requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from baremetal_fake.redfish.errors import RedfishError

MAX_HEAD_BYTES = 32 * 1024
"""Maximum bytes of a request line and its headers. The BMC answers HTTP 431 to a longer head."""
MAX_BODY_BYTES = 1024 * 1024
"""Maximum bytes of a request body. The BMC answers HTTP 413 to a longer body."""
_HEAD_END = b"\r\n\r\n"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass
class Request:
    """An HTTP request. Header names are in lower case, and *path* does not include the query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    keep_alive: bool = True

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; raise RedfishError if it is something else. Without a body, the object is empty."""
        if not self.body:
            return {}
        try:
            value = json.loads(self.body)
        except ValueError:
            raise RedfishError(400, "MalformedJSON", "The request body is not valid JSON.") from None
        if not isinstance(value, dict):
            raise RedfishError(400, "UnrecognizedRequestBody", "The request body must be a JSON object.")
        return value


@dataclass
class Answer:
    """An HTTP answer. A *body* of bytes is sent unchanged, a mapping is sent as JSON, and None means no body."""

    status: int = 200
    body: Mapping[str, Any] | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """Return the body as bytes: a mapping encoded as JSON, or no bytes without a body."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()

    def encode(self, keep_alive: bool, head_only: bool = False) -> bytes:
        """Return the whole HTTP answer as bytes.

        With *keep_alive* false, the answer says that the connection closes. With *head_only*, the body is omitted, as for
        HEAD.
        """
        content = self.content()
        lines = [f"HTTP/1.1 {self.status} {_PHRASES.get(self.status, 'Status')}", "OData-Version: 4.0", "Cache-Control: no-cache"]
        if content:
            lines.append("Content-Type: application/json; charset=utf-8")
        lines.extend(f"{name}: {value}" for name, value in self.headers.items())
        if not keep_alive:
            lines.append("Connection: close")
        if self.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(content)}")
        head = "\r\n".join(lines).encode("latin-1") + _HEAD_END
        return head if head_only else head + content


class Parser:
    """Incremental parser of the HTTP requests that arrive at one connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | None = None
        self._length = 0

    def feed(self, data: bytes) -> None:
        """Add *data*, bytes that arrived at the connection."""
        self._buffer += data

    @property
    def buffered(self) -> int:
        """Number of bytes that arrived and that :meth:`next` has not consumed yet."""
        return len(self._buffer)

    def next(self) -> Request | None:
        """Return the next complete request, or None if more bytes are needed; raise RedfishError if the HTTP is not valid."""
        if self._head is None and not self._parse_head():
            return None
        if len(self._buffer) < self._length or self._head is None:
            return None
        request, self._head = self._head, None
        request.body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        return request

    def _parse_head(self) -> bool:
        """Parse the request line and the headers if they are complete; return whether they were."""
        end = self._buffer.find(_HEAD_END)
        if end > MAX_HEAD_BYTES or (end < 0 and len(self._buffer) > MAX_HEAD_BYTES):
            raise RedfishError(431, "GeneralError", f"The header is longer than {MAX_HEAD_BYTES} bytes.")
        if end < 0:
            return False
        head = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + len(_HEAD_END)]
        self._head = _parse_request_head(head)
        self._length = _body_length(self._head.headers)
        return True


def _parse_request_head(head: str) -> Request:
    first, *lines = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[0].isalpha() or not words[1].startswith("/") or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise RedfishError(400, "GeneralError", "The request line is not valid.")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise RedfishError(400, "GeneralError", "A header line is not valid.")
        name = name.lower()
        if name == "content-length" and headers.get(name, value.strip()) != value.strip():
            raise RedfishError(400, "GeneralError", "The request gives two different lengths of its body.")
        headers[name] = value.strip()
    connection = headers.get("connection", "").lower()
    keep_alive = "close" not in connection if words[2] == "HTTP/1.1" else "keep-alive" in connection
    return Request(words[0].upper(), words[1].partition("?")[0], headers, keep_alive=keep_alive)


def _body_length(headers: Mapping[str, str]) -> int:
    """Return the length of the request body in bytes; raise RedfishError if *headers* do not give a valid length."""
    if "transfer-encoding" in headers:
        raise RedfishError(411, "GeneralError", "The request must give the length of its body.")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise RedfishError(400, "GeneralError", "The length of the body is not valid.")
    length = int(text)
    if length > MAX_BODY_BYTES:
        raise RedfishError(413, "GeneralError", f"The body is longer than {MAX_BODY_BYTES} bytes.")
    return length
