"""Reading one HTTP answer from a wire: its head, and then as much as it says, and no more.

Of the headers only those are looked at that say where the answer ends; who wants more of them has them parsed then.
"""

from __future__ import annotations

import json as json_codec
import re
from email.parser import Parser
from http.client import HTTPMessage
from typing import Any, NamedTuple

from baremetal_interfaces.http.errors import BadAnswer, Broken, TooLarge
from baremetal_interfaces.http.socket import DeadlineSocket

HEAD_ROOM = 256 * 1024
"""Bytes that the head of an answer may have."""

_STATUS = re.compile(rb"HTTP/1\.(\d) (\d\d\d)(?: [^\r\n]*)?\r?\n")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_FRAMING = re.compile(rb"^(content-length|transfer-encoding|connection)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LONGEST_LINE = 8 * 1024
_EMPTY = frozenset({b"204", b"304"})
_SWITCHING = b"101"


class HTTPResponse:
    """An answer that has come as a whole. Names of headers are not case sensitive."""

    __slots__ = ("_head", "_headers", "body", "status")

    def __init__(self, status: int, headers: HTTPMessage | bytes, body: bytes) -> None:
        self.status = status
        self.body = body
        self._head = headers if isinstance(headers, bytes) else b""
        self._headers = headers if isinstance(headers, HTTPMessage) else None

    def __repr__(self) -> str:
        return f"<HTTPResponse {self.status}>"

    @property
    def headers(self) -> HTTPMessage:
        """The headers. They are parsed when they are first asked for: many who read a body never do."""
        if self._headers is None:
            # In the way of the standard library, from lines whose ends it was read by already.
            self._headers = Parser(_class=HTTPMessage).parsestr(self._head.decode("latin-1"), headersonly=True)
        return self._headers

    def json(self) -> Any:
        """The body as a JSON value; raises :class:`BadAnswer` where it is none."""
        try:
            return json_codec.loads(self.body)
        except (ValueError, RecursionError):
            raise BadAnswer(f"the body of an answer with status {self.status} is not JSON") from None


class Gone(Exception):
    """The stream ended before the first byte of an answer."""


class RawAnswer(NamedTuple):
    """An answer as it came. *head* is the lines of the headers; *keep* tells whether the connection can be used again."""

    status: int
    head: bytes
    body: bytes
    keep: bool


def read_answer(wire: DeadlineSocket, method: str, most: int) -> RawAnswer:
    """Read the answer to a request with this *method*, of at most so many bytes."""
    return _Reader(wire, most).read(method)


class _Framing(NamedTuple):
    length: int | None
    chunked: bool
    close: bool


class _Reader:
    def __init__(self, wire: DeadlineSocket, most: int) -> None:
        self._wire = wire
        self._most = most
        self._data = b""

    def read(self, method: str) -> RawAnswer:
        version, status, head = self._final_head()
        framing = _framing_of(head, version)
        if method == "HEAD" or status in _EMPTY:
            return RawAnswer(int(status), head, b"", not framing.close and not self._data)
        if framing.chunked:
            body = self._chunks()
        elif framing.length is not None:
            body = self._exactly(framing.length)
        else:
            return RawAnswer(int(status), head, self._all(), keep=False)
        # What follows an answer was not asked for; it must not be taken for the next one.
        return RawAnswer(int(status), head, body, not framing.close and not self._data)

    def _final_head(self) -> tuple[bytes, bytes, bytes]:
        """The first head that is not just an announcement of another one."""
        while True:
            version, status, head = self._head()
            if status == _SWITCHING or status < b"100":
                raise BadAnswer(f"the answer has the status {int(status)}, which nobody asked for")
            if status >= b"200":
                return version, status, head

    def _head(self) -> tuple[bytes, bytes, bytes]:
        seen = 0
        while (end := _END_OF_HEAD.search(self._data, max(0, seen - 3))) is None:
            seen = len(self._data)
            if seen > HEAD_ROOM:
                raise TooLarge("the head of its answer is larger than allowed")
            if seen > len(b"HTTP/1.") and not self._data.startswith(b"HTTP/1."):
                raise BadAnswer("the answer is not HTTP")
            if not self._more():
                raise self._cut("in the middle of the answer's head")
        first = _STATUS.match(self._data)
        if first is None or first.end() > end.end():
            raise BadAnswer("the answer is not HTTP")
        head, self._data = self._data[first.end() : end.end()], self._data[end.end() :]
        return first[1], first[2], head

    def _cut(self, where: str) -> Exception:
        if not self._wire.received:
            return Gone()
        if self._data and not b"HTTP/1.".startswith(self._data[:7]):
            return BadAnswer("the answer is not HTTP")
        return Broken(f"the connection was closed {where}")

    def _exactly(self, length: int) -> bytes:
        if length > self._most:
            raise TooLarge(f"its answer has {length} bytes, and {self._most} are allowed")
        return self._taken(length)

    def _chunks(self) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while length := self._chunk_length():
            size += length
            if size > self._most:
                raise self._too_large()
            pieces.append(self._taken(length))
            if self._line():
                raise BadAnswer("the answer has a chunk that is longer than it says")
        while self._line():
            pass  # what is behind the last chunk: nobody asks for it
        return b"".join(pieces)

    def _chunk_length(self) -> int:
        found = _CHUNK.fullmatch(self._line() + b"\n")
        if found is None:
            raise BadAnswer("the answer has a chunk whose size is no number")
        return int(found[1], 16)

    def _all(self) -> bytes:
        pieces = [self._data]
        size = len(self._data)
        while size <= self._most and (piece := self._wire.read_some()):
            pieces.append(piece)
            size += len(piece)
        if size > self._most:
            raise self._too_large()
        return b"".join(pieces)

    def _taken(self, length: int) -> bytes:
        """The next *length* bytes."""
        pieces = [self._data]
        missing = length - len(self._data)
        while missing > 0:
            piece = self._wire.read_some()
            if not piece:
                raise Broken(f"the connection was closed with {missing} bytes of the answer missing")
            pieces.append(piece)
            missing -= len(piece)
        whole = b"".join(pieces) if len(pieces) > 1 else self._data
        self._data = whole[length:]
        return whole[:length] if self._data else whole

    def _line(self) -> bytes:
        """The next line, without its end."""
        while (end := self._data.find(b"\n")) < 0:
            if len(self._data) > _LONGEST_LINE:
                raise BadAnswer("the answer has a line between its chunks that is too long")
            if not self._more():
                raise Broken("the connection was closed in the middle of the answer")
        line, self._data = self._data[:end], self._data[end + 1 :]
        return line.rstrip(b"\r")

    def _more(self) -> bool:
        piece = self._wire.read_some()
        self._data += piece
        return bool(piece)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"its answer is larger than the {self._most} bytes that are allowed")


def _framing_of(head: bytes, version: bytes) -> _Framing:
    if b"\n " in head or b"\n\t" in head:
        head = _FOLDED.sub(b" ", head)
    lengths: set[bytes] = set()
    chunked, close = False, version == b"0"
    for name, value in _FRAMING.findall(head):
        value = value.strip()
        if len(name) == len(b"content-length"):
            lengths.add(value)
        elif len(name) == len(b"connection"):
            words = value.lower()
            close = b"close" in words or (close and b"keep-alive" not in words)
        else:
            chunked = _is_chunked(value)
    if len(lengths) > 1 or not all(length.isdigit() and len(length) < 20 for length in lengths):
        raise BadAnswer("the answer contradicts itself about its length")
    return _Framing(int(lengths.pop()) if lengths else None, chunked, close)


def _is_chunked(encoding: bytes) -> bool:
    encoding = encoding.lower()
    if encoding not in (b"chunked", b"identity", b""):
        raise BadAnswer("the answer is encoded in a way that nobody asked for")
    return encoding == b"chunked"
