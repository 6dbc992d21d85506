"""HTTP/1.1 framing read strictly: what two parsers could understand differently is refused.

A request that one server on the way ends here and another one there is how requests are smuggled (RFC 9112, section 11.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from baremetal_sdk.http.limits import HTTPLimits

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHOD = re.compile(rb"[A-Z]{1,32}")
_TARGET = re.compile(rb"/[!-~]*")
_HOST = re.compile(rb"[0-9A-Za-z.\-_~]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,64}\](:[0-9]{1,5})?")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_ONLY_ONCE = frozenset({b"Host", b"Content-Length", b"Transfer-Encoding", b"Content-Type"})


class HTTPError(Exception):
    """A request that is not read any further: the status to answer with, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass
class RequestHead:
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


def take_head(buffer: bytearray, seen: int, limits: HTTPLimits) -> RequestHead | None:
    """Take the request line and the headers off the front of *buffer*; None while they are not there as a whole.

    Of *buffer*, *seen* bytes were looked at before. Raises :class:`HTTPError`.
    """
    end = buffer.find(b"\r\n\r\n", max(0, seen - 3))
    if end > limits.head_size or (end < 0 and len(buffer) > limits.head_size):
        raise HTTPError(431, f"the headers are too large; {limits.head_size} bytes are taken at most")
    if end < 0:
        start = seen - 1 if seen and buffer[seen - 1] == 0x0D else seen
        if buffer.count(b"\n", start) != buffer.count(b"\r\n", start):
            raise HTTPError(400, "lines have to end in CR LF")
        return None
    block = bytes(buffer[:end])
    del buffer[: end + 4]
    return parse_head(block.removeprefix(b"\r\n"), limits)


def parse_head(block: bytes, limits: HTTPLimits) -> RequestHead:
    """Read what stands before the empty line. Raises :class:`HTTPError`."""
    lines = block.split(b"\r\n")
    head = _request_line(lines[0])
    if len(head.target) > limits.target_size:
        raise HTTPError(414, f"the path is too long; {limits.target_size} bytes are taken at most")
    if len(lines) - 1 > limits.headers:
        raise HTTPError(431, f"there are too many headers; {limits.headers} are taken at most")
    for line in lines[1:]:
        _add_header(head, line)
    host = head.headers.get(b"Host")
    if host is None and head.version >= (1, 1):
        raise HTTPError(400, "the Host header is missing")
    if host is not None and not _HOST.fullmatch(host):
        raise HTTPError(400, "the Host header is no host name with a port")
    _frame(head)
    if head.content_length > limits.body_size:
        raise too_large(limits)
    if head.headers.get(b"Expect", b"100-continue").lower() != b"100-continue":
        raise HTTPError(417, "the only thing that can be expected is 100-continue")
    return head


def _request_line(line: bytes) -> RequestHead:
    parts = line.split(b" ")
    if len(parts) != 3:
        raise HTTPError(400, "the request line is not a method, a path and a version")
    method, target, protocol = parts
    if not _METHOD.fullmatch(method):
        raise HTTPError(400, "the method is not in capital letters")
    if protocol not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise HTTPError(505 if protocol.startswith(b"HTTP/") else 400, "the protocol is neither HTTP/1.1 nor HTTP/1.0")
    if not (_TARGET.fullmatch(target) or (target == b"*" and method == b"OPTIONS")) or b"#" in target:
        raise HTTPError(400, "the path does not start with a slash, or has characters that have to be escaped")
    return RequestHead(method, b"/" if target == b"*" else target, (1, 1) if protocol == b"HTTP/1.1" else (1, 0))


def check_trailer(line: bytes) -> None:
    """Look at a header line behind a body, which nobody here reads. Raises :class:`HTTPError`."""
    _field(line)


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        raise HTTPError(400, "a header line is no name, colon and value")
    if _CONTROL.search(value):
        raise HTTPError(400, "a header has a control character in its value")
    if b"_" in name:
        raise HTTPError(400, "a header has an underscore in its name; it could stand in for another one")
    return name.title(), value.strip(b" \t")


def _add_header(head: RequestHead, line: bytes) -> None:
    key, value = _field(line)
    if key in head.headers:
        if key in _ONLY_ONCE:
            raise HTTPError(400, f"the header {key.decode()} is there more than once")
        value = head.headers[key] + (b"; " if key == b"Cookie" else b", ") + value
    head.headers[key] = value


def _frame(head: RequestHead) -> None:
    length, encoding = head.headers.get(b"Content-Length"), head.headers.get(b"Transfer-Encoding")
    if encoding is not None:
        if length is not None:
            raise HTTPError(400, "Content-Length and Transfer-Encoding exclude each other")
        codings = [coding.strip() for coding in encoding.lower().split(b",")]
        if codings.count(b"chunked") != 1 or codings[-1] != b"chunked" or head.version < (1, 1):
            raise HTTPError(400, "Transfer-Encoding does not end in the one chunked that tells where the body ends")
        if len(codings) > 1:
            raise HTTPError(501, "the only Transfer-Encoding is chunked")
        head.chunked = True
    elif length is not None:
        if not _LENGTH.fullmatch(length):
            raise HTTPError(400, "Content-Length is no number")
        head.content_length = int(length)


def too_large(limits: HTTPLimits) -> HTTPError:
    """The refusal of a body that is larger than what is taken."""
    return HTTPError(413, f"the body of the request is too large; {limits.body_size} bytes are taken at most")
