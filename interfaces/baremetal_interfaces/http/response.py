"""HTTP/1.1 responses: framing by RFC 9112, and the response that a session returns.

The reader looks only at the headers that determine the length of the body. All headers are parsed on first use.
"""

from __future__ import annotations

import re
from email.parser import Parser
from http.client import HTTPMessage
from typing import Any, NamedTuple

from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.http.documents import decode_document, get_max_document_bytes
from baremetal_interfaces.http.errors import BadAnswer, Broken, TooLarge
from baremetal_interfaces.http.socket import DeadlineSocket
from baremetal_interfaces.json_cost import compute_max_values

MAX_HEAD_BYTES = 256 * 1024
"""Maximum size of the head of a response, in bytes."""

_MAX_HEADER_LINES = 200
"""Maximum number of lines in a head, because the parser of headers takes much longer for a line than for its bytes."""
_MAX_INTERIM_RESPONSES = 1000
_STATUS = re.compile(rb"HTTP/1\.(\d) (\d\d\d)(?: [^\r\n]*)?\r?\n")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_FRAMING = re.compile(rb"^(content-length|transfer-encoding|connection)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_MAX_CHUNK_LINE_BYTES = 8 * 1024
_STATUSES_WITHOUT_BODY = frozenset({b"204", b"304"})
_SWITCHING_PROTOCOLS = b"101"


class HTTPResponse:
    """A complete response: *status*, *headers* and *body*. Header names are case-insensitive."""

    __slots__ = ("_deadline", "_head", "_headers", "_max_values", "body", "status")

    def __init__(
        self,
        status: int,
        headers: HTTPMessage | bytes,
        body: bytes,
        *,
        max_values: int | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self._max_values = max_values
        self._deadline = deadline
        self._head = headers if isinstance(headers, bytes) else b""
        self._headers = headers if isinstance(headers, HTTPMessage) else None

    def __repr__(self) -> str:
        return f"<HTTPResponse {self.status}>"

    @property
    def headers(self) -> HTTPMessage:
        """The headers, parsed on first use, because most callers read only the body."""
        if self._headers is None:
            # The same parser as http.client uses, on the lines that were read already.
            self._headers = Parser(_class=HTTPMessage).parsestr(self._head.decode("latin-1"), headersonly=True)
        return self._headers

    def json(self) -> Any:
        """Return the body as a JSON value.

        Raises :class:`BadAnswer` if it is not JSON, has too many values or is nested too deeply. Raises
        :class:`~baremetal_interfaces.errors.Busy` if other large documents are not decoded before the deadline of the request.
        """
        max_values = compute_max_values(get_max_document_bytes()) if self._max_values is None else self._max_values
        try:
            return decode_document(self.body, max_values=max_values, deadline=self._deadline)
        except BadAnswer as exc:
            raise BadAnswer(f"the response with status {self.status} cannot be used: {exc}") from None


class NoResponse(Exception):
    """The stream ended before the first byte of a response."""


class RawResponse(NamedTuple):
    """A response as received. *head* holds the header lines; *keep* is True if the connection can be used again."""

    status: int
    head: bytes
    body: bytes
    keep: bool


def read_response(sock: DeadlineSocket, method: str, max_bytes: int) -> RawResponse:
    """Read the response to a request with this *method*. Its body may have *max_bytes*.

    Raises :class:`NoResponse` if the stream ends before the first byte. Raises an
    :class:`~baremetal_interfaces.http.errors.HTTPSessionError` for a response that is invalid, incomplete, late or too large.
    """
    return _Reader(sock, max_bytes).read(method)


class _Framing(NamedTuple):
    length: int | None
    chunked: bool
    close: bool


class _Reader:
    """Reads one response. Received bytes that were not yet consumed are in ``_data``, from ``_start`` on."""

    def __init__(self, sock: DeadlineSocket, max_bytes: int) -> None:
        self._sock = sock
        self._max_bytes = max_bytes
        self._data = b""
        self._start = 0

    def read(self, method: str) -> RawResponse:
        version, status, head = self._read_final_head()
        framing = _parse_framing(head, version)
        if method == "HEAD" or status in _STATUSES_WITHOUT_BODY:
            return RawResponse(int(status), head, b"", not framing.close and not self._has_data())
        if framing.chunked:
            body = self._read_chunks()
        elif framing.length is not None:
            body = self._read_sized_body(framing.length)
        else:
            return RawResponse(int(status), head, self._read_until_end(), keep=False)
        # Bytes after the response were not requested. The connection is closed, so that they cannot pass for the next response.
        return RawResponse(int(status), head, body, not framing.close and not self._has_data())

    def _read_final_head(self) -> tuple[bytes, bytes, bytes]:
        """Return version, status and headers of the final response; skip interim responses (status 1xx)."""
        for _ in range(_MAX_INTERIM_RESPONSES + 1):
            version, status, head = self._read_head()
            if status == _SWITCHING_PROTOCOLS or status < b"100":
                raise BadAnswer(f"the response has the status {int(status)}, which was not requested")
            if status >= b"200":
                return version, status, head
        raise BadAnswer(f"the server sent more than {_MAX_INTERIM_RESPONSES} interim responses")

    def _read_head(self) -> tuple[bytes, bytes, bytes]:
        """Return version digit, status and header lines of the next head, and remove it from the data."""
        searched = 0  # bytes in which the end of the head was not found
        while (end := _END_OF_HEAD.search(self._data, max(0, searched - 3))) is None:
            searched = len(self._data)
            if searched > MAX_HEAD_BYTES:
                raise TooLarge(f"the head of the response is larger than the maximum of {MAX_HEAD_BYTES} bytes")
            # Fail at once for another protocol: its server may wait for input and never close the connection.
            if searched > len(b"HTTP/1.") and not self._data.startswith(b"HTTP/1."):
                raise BadAnswer("the response is not HTTP")
            if not self._receive():
                raise self._end_of_stream_error("in the middle of the response's head")
        first = _STATUS.match(self._data)
        if first is None or first.end() > end.end():
            raise BadAnswer("the response is not HTTP")
        head, self._data = self._data[first.end() : end.end()], self._data[end.end() :]
        if head.count(b"\n") > _MAX_HEADER_LINES:
            raise TooLarge(f"the head of the response has more than {_MAX_HEADER_LINES} lines")
        return first[1], first[2], head

    def _has_data(self) -> bool:
        return self._start < len(self._data)

    def _end_of_stream_error(self, where: str) -> Exception:
        """Return the error for a stream that ended before the head was complete."""
        if not self._sock.received:
            return NoResponse()
        if self._data and not b"HTTP/1.".startswith(self._data[:7]):
            return BadAnswer("the response is not HTTP")
        return Broken(f"the connection was closed {where}")

    def _read_sized_body(self, length: int) -> bytes:
        if length > self._max_bytes:
            raise TooLarge(f"the response has {length} bytes; the maximum is {self._max_bytes}")
        return self._read_exactly(length)

    def _read_chunks(self) -> bytes:
        """Return a body with chunked transfer coding (RFC 9112, section 7.1)."""
        pieces: list[bytes] = []
        size = 0
        while length := self._read_chunk_size():
            size += length
            if size > self._max_bytes:
                raise self._too_large()
            pieces.append(self._read_exactly(length))
            # The line end that follows the data of the chunk.
            if self._read_line():
                raise BadAnswer("the response has a chunk that is longer than announced")
        while self._read_line():
            pass  # the trailer section: no caller uses it
        return b"".join(pieces)

    def _read_chunk_size(self) -> int:
        found = _CHUNK.fullmatch(self._read_line() + b"\n")
        if found is None:
            raise BadAnswer("the response has a chunk whose size is not a number")
        return int(found[1], 16)

    def _read_until_end(self) -> bytes:
        pieces = [self._data[self._start :]]
        size = len(pieces[0])
        while size <= self._max_bytes and (piece := self._sock.receive()):
            pieces.append(piece)
            size += len(piece)
        if size > self._max_bytes:
            raise self._too_large()
        return b"".join(pieces)

    def _read_exactly(self, length: int) -> bytes:
        """Return the next *length* bytes."""
        end = self._start + length
        if end <= len(self._data):
            # The rest of the data is not copied: a body may have very many small chunks.
            piece, self._start = self._data[self._start : end], end
            return piece
        pieces = [self._data[self._start :]]
        missing = length - len(pieces[0])
        while missing > 0:
            piece = self._sock.receive()
            if not piece:
                raise Broken(f"the connection was closed with {missing} bytes of the response missing")
            pieces.append(piece[:missing])
            self._data, self._start = piece, min(missing, len(piece))
            missing -= self._start
        return b"".join(pieces)

    def _read_line(self) -> bytes:
        """Return the next line without its end."""
        while (end := self._data.find(b"\n", self._start)) < 0:
            if len(self._data) - self._start > _MAX_CHUNK_LINE_BYTES:
                raise BadAnswer("the response has a line between its chunks that is too long")
            if not self._receive():
                raise Broken("the connection was closed in the middle of the response")
        line, self._start = self._data[self._start : end], end + 1
        return line.rstrip(b"\r")

    def _receive(self) -> bool:
        piece = self._sock.receive()
        self._data, self._start = self._data[self._start :] + piece, 0
        return bool(piece)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the response is larger than the maximum of {self._max_bytes} bytes")


def _parse_framing(head: bytes, version: bytes) -> _Framing:
    """Return how the body ends. Raises BadAnswer for contradictory lengths (RFC 9112, section 6.3)."""
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
        raise BadAnswer("the response has contradictory or invalid values of Content-Length")
    return _Framing(int(lengths.pop()) if lengths else None, chunked, close)


def _is_chunked(encoding: bytes) -> bool:
    encoding = encoding.lower()
    if encoding not in (b"chunked", b"identity", b""):
        raise BadAnswer("the response has a transfer encoding that was not requested")
    return encoding == b"chunked"
