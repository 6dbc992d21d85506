"""HTTP/1.1 messages: as much of them as BMCs speak, and no tolerance for what is ambiguous."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from baremetal_fake.redfish.errors import RedfishError

MAX_HEAD = 32 * 1024
MAX_BODY = 1024 * 1024
_END = b"\r\n\r\n"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass
class Request:
    """One request. Header names are in lower case; *path* is without the query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    keep_alive: bool = True

    def json(self) -> dict[str, Any]:
        """The body as an object, empty where there is no body; RedfishError where it is something else."""
        if not self.body:
            return {}
        try:
            value = json.loads(self.body)
        except ValueError:
            raise RedfishError(400, "MalformedJSON", "The request body is not valid JSON.") from None
        if not isinstance(value, dict):
            raise RedfishError(400, "UnrecognizedRequestBody", "The request body has to be a JSON object.")
        return value


@dataclass
class Answer:
    """One answer. A *body* of None is an empty one; bytes are sent as they are."""

    status: int = 200
    body: Mapping[str, Any] | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The body as it is sent."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()

    def encode(self, keep_alive: bool, head_only: bool = False) -> bytes:
        """The whole answer as it is sent."""
        content = self.content()
        lines = [f"HTTP/1.1 {self.status} {_PHRASES.get(self.status, 'Status')}", "OData-Version: 4.0", "Cache-Control: no-cache"]
        if content:
            lines.append("Content-Type: application/json; charset=utf-8")
        lines.extend(f"{name}: {value}" for name, value in self.headers.items())
        if not keep_alive:
            lines.append("Connection: close")
        if self.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(content)}")
        head = "\r\n".join(lines).encode("latin-1") + _END
        return head if head_only else head + content


class Parser:
    """Turns the bytes of one connection into requests."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | None = None
        self._length = 0

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        self._buffer += data

    @property
    def waiting(self) -> int:
        """Bytes that have arrived and are not part of a request yet."""
        return len(self._buffer)

    def next(self) -> Request | None:
        """The next whole request, or None until more arrives. Raises RedfishError where the stream makes no sense."""
        if self._head is None and not self._parse_head():
            return None
        if len(self._buffer) < self._length or self._head is None:
            return None
        request, self._head = self._head, None
        request.body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        return request

    def _parse_head(self) -> bool:
        end = self._buffer.find(_END)
        if end > MAX_HEAD or (end < 0 and len(self._buffer) > MAX_HEAD):
            raise RedfishError(431, "GeneralError", f"The header is longer than {MAX_HEAD} bytes.")
        if end < 0:
            return False
        head = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + len(_END)]
        self._head = _request_of(head)
        self._length = _body_length(self._head.headers)
        return True


def _request_of(head: str) -> Request:
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
            raise RedfishError(400, "GeneralError", "There are two lengths of the body.")
        headers[name] = value.strip()
    wish = headers.get("connection", "").lower()
    keep = "close" not in wish if words[2] == "HTTP/1.1" else "keep-alive" in wish
    return Request(words[0].upper(), words[1].partition("?")[0], headers, keep_alive=keep)


def _body_length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise RedfishError(411, "GeneralError", "The request has to give the length of its body.")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise RedfishError(400, "GeneralError", "The length of the body is not valid.")
    length = int(text)
    if length > MAX_BODY:
        raise RedfishError(413, "GeneralError", f"The body is longer than {MAX_BODY} bytes.")
    return length
