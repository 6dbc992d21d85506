"""HTTP/1.1 framing read strictly: what two parsers could understand differently is refused.

A request that one server on the way ends here and another one there is how requests are smuggled (RFC 9112, section 11.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote_to_bytes

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHOD = re.compile(rb"[A-Z]{1,32}")
_TARGET = re.compile(rb"/[!-~]*")
_HOST = re.compile(rb"[0-9A-Za-z.\-_~]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,64}\](:[0-9]{1,5})?")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_ONLY_ONCE = frozenset({b"Host", b"Content-Length", b"Transfer-Encoding", b"Content-Type"})
_LONGEST_LINE = 4096
_MOST_TRAILERS = 32


class Refused(OSError):
    """A request that is not read any further: the status to answer with, and why. An input error to those who read its body."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ClientGone(OSError):
    """The client closed or broke the connection, or let it stand still for too long."""


@dataclass
class Head:
    """The request line and the headers of one request."""

    method: bytes
    target: bytes
    version: tuple[int, int]
    headers: dict[bytes, bytes] = field(default_factory=dict)
    content_length: int = 0
    chunked: bool = False

    @property
    def path(self) -> bytes:
        """The path, unescaped; an escaped slash stays escaped, because it is no separator."""
        path, _, _ = self.target.partition(b"?")
        return b"%2F".join(unquote_to_bytes(part) for part in re.split(rb"(?i)%2f", path)) if b"%" in path else path

    @property
    def query(self) -> bytes:
        """What stands behind the question mark, as it is."""
        return self.target.partition(b"?")[2]

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants to go on with this connection."""
        wanted = {option.strip().lower() for option in self.headers.get(b"Connection", b"").split(b",")}
        return b"close" not in wanted if self.version >= (1, 1) else b"keep-alive" in wanted

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits to be told to send its body."""
        return self.version >= (1, 1) and self.headers.get(b"Expect", b"").lower() == b"100-continue"


def parse_head(block: bytes) -> Head:
    """Read what stands before the empty line. Raises :class:`Refused`."""
    lines = block.split(b"\r\n")
    head = _request_line(lines[0])
    for line in lines[1:]:
        _add_header(head, line)
    host = head.headers.get(b"Host")
    if host is None and head.version >= (1, 1):
        raise Refused(400, "the Host header is missing")
    if host is not None and not _HOST.fullmatch(host):
        raise Refused(400, "the Host header is no host name with a port")
    _frame(head)
    return head


def _request_line(line: bytes) -> Head:
    parts = line.split(b" ")
    if len(parts) != 3:
        raise Refused(400, "the request line is not a method, a path and a version")
    method, target, protocol = parts
    if not _METHOD.fullmatch(method):
        raise Refused(400, "the method is not in capital letters")
    if protocol not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Refused(505 if protocol.startswith(b"HTTP/") else 400, "the protocol is neither HTTP/1.1 nor HTTP/1.0")
    if not (_TARGET.fullmatch(target) or (target == b"*" and method == b"OPTIONS")) or b"#" in target:
        raise Refused(400, "the path does not start with a slash, or has characters that have to be escaped")
    return Head(method, b"/" if target == b"*" else target, (1, 1) if protocol == b"HTTP/1.1" else (1, 0))


def _add_header(head: Head, line: bytes) -> None:
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        raise Refused(400, "a header line is no name, colon and value")
    if _CONTROL.search(value):
        raise Refused(400, "a header has a control character in its value")
    if b"_" in name:
        return  # WSGI cannot tell X_Y from X-Y: one could stand in for the other
    key, value = name.title(), value.strip(b" \t")
    if key in head.headers:
        if key in _ONLY_ONCE:
            raise Refused(400, f"the header {key.decode()} is there more than once")
        value = head.headers[key] + (b"; " if key == b"Cookie" else b", ") + value
    head.headers[key] = value


def _frame(head: Head) -> None:
    length, encoding = head.headers.get(b"Content-Length"), head.headers.get(b"Transfer-Encoding")
    if encoding is not None:
        if length is not None:
            raise Refused(400, "Content-Length and Transfer-Encoding exclude each other")
        if encoding.lower() != b"chunked" or head.version < (1, 1):
            raise Refused(501, "the only Transfer-Encoding is chunked, in HTTP/1.1")
        head.chunked = True
    elif length is not None:
        if not _LENGTH.fullmatch(length):
            raise Refused(400, "Content-Length is no number")
        head.content_length = int(length)


class Source(Protocol):
    """Where bytes come from: a connection with a buffer."""

    def line(self, longest: int) -> bytes:
        """The next line, without its end, of *longest* bytes at most."""

    def take(self, most: int) -> bytes:
        """At least one byte and at most *most*; nothing at the end."""


class Body:
    """The body of a request as WSGI wants it. It never reads past its end and never takes more than *largest* bytes.

    *begin* is called before the first read, for a client that waits to be told to go on.
    """

    def __init__(self, source: Source, head: Head, largest: int, begin: Callable[[], None] | None = None) -> None:
        self._source = source
        self._chunked = head.chunked
        self._left = head.content_length
        self._room = largest
        self._begin = begin
        self._unread = bytearray()
        self.exhausted = not head.chunked and head.content_length == 0
        """Whether the whole body has been taken off the connection."""
        self.failure: Refused | ClientGone | None = None
        """Why it cannot be read to its end, whatever its reader made of that."""

    @property
    def unasked(self) -> bool:
        """Whether the client still waits to be told to send it."""
        return self._begin is not None

    def read(self, size: int | None = None) -> bytes:
        """Up to *size* bytes, all of them without it; nothing at the end."""
        wanted = None if size is None or size < 0 else size
        while (wanted is None or len(self._unread) < wanted) and self._fill():
            pass
        return self._cut(len(self._unread) if wanted is None else min(wanted, len(self._unread)))

    def readline(self, size: int | None = None) -> bytes:
        """The next line with its end, or *size* bytes of it."""
        limit = None if size is None or size < 0 else size
        while b"\n" not in self._unread and (limit is None or len(self._unread) < limit) and self._fill():
            pass
        end = self._unread.find(b"\n") + 1 or len(self._unread)
        return self._cut(end if limit is None else min(end, limit))

    def readlines(self, hint: int | None = None) -> list[bytes]:
        """All lines that are left."""
        return list(self)

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def drain(self, most: int) -> bool:
        """Take off the connection what nobody read, up to *most* bytes; tell whether that was all."""
        self._unread.clear()
        try:
            while most > 0 and not self.unasked and self._fill():
                most -= len(self._unread)
                self._unread.clear()
        except (Refused, ClientGone):
            return False
        return self.exhausted

    def _cut(self, size: int) -> bytes:
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    def _fill(self) -> bool:
        """Take more off the connection; tell whether there was any."""
        if self.failure is not None:
            raise self.failure
        try:
            return not self.exhausted and self._filled()
        except (Refused, ClientGone) as exc:
            self.failure = exc
            raise

    def _filled(self) -> bool:
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin()
        if self._left == 0 and self._chunked and not self._next_chunk():
            return False
        data = self._source.take(min(self._left, 65536))
        if not data:
            raise ClientGone("the connection ended within the body of the request")
        self._unread += data
        self._left -= len(data)
        if self._left == 0:
            self._end_of_piece()
        return True

    def _next_chunk(self) -> bool:
        found = _CHUNK_SIZE.fullmatch(self._source.line(_LONGEST_LINE))
        if found is None:
            raise Refused(400, "the size of a chunk is not in hexadecimal")
        self._left = int(found[1], 16)
        self._room -= self._left
        if self._room < 0:
            raise Refused(413, "the body of the request is too large")
        if self._left == 0:
            self._skip_trailer()
            self.exhausted = True
        return not self.exhausted

    def _skip_trailer(self) -> None:
        for _ in range(_MOST_TRAILERS):
            if not self._source.line(_LONGEST_LINE):
                return
        raise Refused(413, "the trailer of the request is too large")

    def _end_of_piece(self) -> None:
        if not self._chunked:
            self.exhausted = True
        elif self._source.line(2):
            raise Refused(400, "a chunk is longer than its size")
