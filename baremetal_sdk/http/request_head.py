"""Strict parser for the head of an HTTP/1.1 request. Ambiguous input is rejected.

Request smuggling works if two servers in a chain find the end of a request in different places (RFC 9112, section 11.2). The
parser therefore rejects everything that another parser could understand differently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from baremetal_sdk.http.limits import HTTPLimits

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHOD = re.compile(rb"[A-Z]{1,32}")
_TARGET = re.compile(rb"/[!-~]*")
# The authority ends at the first slash or question mark (RFC 9112, section 3.2.2, and RFC 3986, section 3.2).
_ABSOLUTE_TARGET = re.compile(rb"(?i:https?)://([^/?#]*)([/?][!-~]*)?")
_HOST = re.compile(rb"[0-9A-Za-z.\-_~]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,64}\](:[0-9]{1,5})?")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_UNREPEATABLE_HEADERS = frozenset({b"Host", b"Content-Length", b"Transfer-Encoding", b"Content-Type"})
"""Headers that may occur once. Two servers could each use another one of several values."""


class HTTPError(Exception):
    """Rejection of a request that the server does not read further. *status* and *reason* go into the response."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass
class RequestHead:
    """Request line and headers of one request."""

    method: bytes
    target: bytes
    version: tuple[int, int]
    headers: dict[bytes, bytes] = field(default_factory=dict)
    content_length: int = 0
    chunked: bool = False
    max_body_bytes: int = HTTPLimits.max_body_bytes
    """The limit of the body, which depends on the path."""
    authority: bytes | None = None
    """Host name and optional port of a request target in absolute form, which replace those of the Host header."""

    @property
    def path(self) -> bytes:
        """Unescaped path. An escaped slash stays escaped, because it does not separate path segments."""
        path, _, _ = self.target.partition(b"?")
        return b"%2F".join(unquote_to_bytes(part) for part in re.split(rb"(?i)%2f", path)) if b"%" in path else path

    @property
    def query(self) -> bytes:
        """Query string, still escaped."""
        return self.target.partition(b"?")[2]

    @property
    def keeps_alive(self) -> bool:
        """True if the client wants to use the connection for more requests (RFC 9112, section 9.3)."""
        options = {option.strip().lower() for option in self.headers.get(b"Connection", b"").split(b",")}
        return b"close" not in options if self.version >= (1, 1) else b"keep-alive" in options

    @property
    def expects_continue(self) -> bool:
        """True if the client waits for "100 Continue" before it sends its body (RFC 9110, section 10.1.1)."""
        return self.version >= (1, 1) and self.headers.get(b"Expect", b"").lower() == b"100-continue"


def take_head(buffer: bytearray, scanned: int, limits: HTTPLimits) -> RequestHead | None:
    """Take request line and headers off the front of *buffer*, or return None if they are incomplete.

    *scanned* is the number of bytes that earlier calls have searched. Raises :class:`HTTPError` for an invalid or too large
    head.
    """
    # The search resumes where the last one ended. A client that sends byte by byte would otherwise cost quadratic time.
    end = buffer.find(b"\r\n\r\n", max(0, scanned - 3))
    if end > limits.max_head_bytes or (end < 0 and len(buffer) > limits.max_head_bytes):
        raise HTTPError(431, f"the headers are too large; the limit is {limits.max_head_bytes} bytes")
    if end < 0:
        # A bare LF could end a line for another parser, so it is rejected before the head is complete.
        start = scanned - 1 if scanned and buffer[scanned - 1] == 0x0D else scanned
        if buffer.count(b"\n", start) != buffer.count(b"\r\n", start):
            raise HTTPError(400, "the headers are malformed: lines have to end in CR LF")
        return None
    block = bytes(buffer[:end])
    del buffer[: end + 4]
    # An empty line before the request line is ignored (RFC 9112, section 2.2).
    return parse_head(block.removeprefix(b"\r\n"), limits)


def parse_head(block: bytes, limits: HTTPLimits) -> RequestHead:
    """Return the parsed request line and headers of *block*, which has no empty line at its end. Raises :class:`HTTPError`."""
    lines = block.split(b"\r\n")
    head = _parse_request_line(lines[0])
    if len(head.target) > limits.max_target_bytes:
        raise HTTPError(414, f"the path with its query is too long; the limit is {limits.max_target_bytes} bytes")
    if len(lines) - 1 > limits.max_headers:
        raise HTTPError(431, f"the request has too many headers; the limit is {limits.max_headers}")
    for line in lines[1:]:
        _add_header(head, line)
    # A client has to send a Host header with an absolute target, too, but the target decides (RFC 9112, section 3.2.2).
    host = head.headers.get(b"Host")
    if host is None and head.version >= (1, 1):
        raise HTTPError(400, "the Host header is missing")
    if host is not None and not _HOST.fullmatch(host):
        raise HTTPError(400, "the Host header is not a host name with an optional port")
    if head.authority is not None:
        head.headers[b"Host"] = head.authority
    _set_framing(head)
    head.max_body_bytes = limits.max_body_bytes_at(head.target.partition(b"?")[0])
    if head.content_length > head.max_body_bytes:
        raise build_too_large_error(head.max_body_bytes)
    if head.headers.get(b"Expect", b"100-continue").lower() != b"100-continue":
        raise HTTPError(417, "the Expect header is not supported; the only supported value is 100-continue")
    return head


def _parse_request_line(line: bytes) -> RequestHead:
    parts = line.split(b" ")
    if len(parts) != 3:
        raise HTTPError(400, "the request line does not consist of a method, a path and a version")
    method, target, protocol = parts
    if not _METHOD.fullmatch(method):
        raise HTTPError(400, "the method in the request line is not in capital letters")
    if protocol not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise HTTPError(
            505 if protocol.startswith(b"HTTP/") else 400, "the protocol in the request line is neither HTTP/1.1 nor HTTP/1.0"
        )
    target, authority = _split_target(target)
    if not (_TARGET.fullmatch(target) or (target == b"*" and method == b"OPTIONS")) or b"#" in target:
        raise HTTPError(400, "the path of the request does not start with a slash, or has characters to be escaped")
    version = (1, 1) if protocol == b"HTTP/1.1" else (1, 0)
    return RequestHead(method, b"/" if target == b"*" else target, version, authority=authority)


def _split_target(target: bytes) -> tuple[bytes, bytes | None]:
    """Return the path with the query of a request target, and the authority of a target in absolute form.

    Raises :class:`HTTPError` for an authority that is not a host name with an optional port, for example with a user.
    """
    absolute = _ABSOLUTE_TARGET.fullmatch(target)
    if absolute is None:
        return target, None
    authority, path = absolute[1], absolute[2] or b"/"
    if not _HOST.fullmatch(authority):
        raise HTTPError(400, "the host in the path of the request is not a host name with an optional port")
    return path if path.startswith(b"/") else b"/" + path, authority


def check_trailer(line: bytes) -> None:
    """Raise :class:`HTTPError` if *line*, a trailer field behind a chunked body, is invalid. Its value is not used."""
    _parse_field(line)


def _parse_field(line: bytes) -> tuple[bytes, bytes]:
    """Return name and value of a header line. Raises :class:`HTTPError` for an invalid or ambiguous line."""
    name, colon, value = line.partition(b":")
    # This rejects whitespace before the colon and at the start of a line (RFC 9112, sections 5.1 and 5.2).
    if not colon or not _TOKEN.fullmatch(name):
        raise HTTPError(400, "a header line does not consist of a name, a colon and a value")
    if _CONTROL.search(value):
        raise HTTPError(400, "the value of a header contains a control character")
    # WSGI maps both "-" and "_" to "_", so X_Forwarded_For would pass for X-Forwarded-For.
    if b"_" in name:
        raise HTTPError(400, "a header has an underscore in its name, so it could be taken for another header; use hyphens")
    return name.title(), value.strip(b" \t")


def _add_header(head: RequestHead, line: bytes) -> None:
    key, value = _parse_field(line)
    if key in head.headers:
        if key in _UNREPEATABLE_HEADERS:
            raise HTTPError(400, f"the header {key.decode()} occurs more than once")
        value = head.headers[key] + (b"; " if key == b"Cookie" else b", ") + value
    head.headers[key] = value


def _set_framing(head: RequestHead) -> None:
    """Set in *head* how the body ends: ``content_length`` or ``chunked`` (RFC 9112, section 6).

    Raises :class:`HTTPError` for ambiguous headers, which request smuggling relies on.
    """
    length, encoding = head.headers.get(b"Content-Length"), head.headers.get(b"Transfer-Encoding")
    if encoding is not None:
        if length is not None:
            raise HTTPError(400, "the request has both Content-Length and Transfer-Encoding; send one of them")
        codings = [coding.strip() for coding in encoding.lower().split(b",")]
        if codings.count(b"chunked") != 1 or codings[-1] != b"chunked" or head.version < (1, 1):
            raise HTTPError(400, "the Transfer-Encoding header does not end in one chunked, so the end of the body is unknown")
        if len(codings) > 1:
            raise HTTPError(501, "the Transfer-Encoding is not supported; the only supported value is chunked")
        head.chunked = True
    elif length is not None:
        if not _LENGTH.fullmatch(length):
            raise HTTPError(400, "the Content-Length header is not a number")
        head.content_length = int(length)


def build_too_large_error(max_bytes: int) -> HTTPError:
    """Return the error for a request body above the size limit (status 413)."""
    return HTTPError(413, f"the body of the request is too large; the limit is {max_bytes} bytes")
