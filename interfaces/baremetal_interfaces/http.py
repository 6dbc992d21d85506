"""A kept-alive HTTP session with a BMC, of which every request ends in time: for plugins that speak HTTP.

Import it by name; the package itself does not. One socket is kept, and the standard library parses the answers. What
the usual clients leave open is closed here: a request as a whole ends at its deadline however slowly the peer sends,
nothing is read from the environment (no proxies, no ``.netrc``), and an answer has a largest size.
"""

from __future__ import annotations

import json as json_codec
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage, IncompleteRead, RemoteDisconnected
from http.client import HTTPResponse as _Parser
from typing import Any, cast

from baremetal_interfaces.connector import Endpoint
from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.tls import tls_context
from baremetal_interfaces.wire import (
    BadAnswer,
    Broken,
    ConnectFailed,
    HTTPSessionError,
    TimedOut,
    TLSFailed,
    TooLarge,
    Wire,
    connect,
)

__all__ = [
    "BadAnswer",
    "Broken",
    "ConnectFailed",
    "HTTPResponse",
    "HTTPSession",
    "HTTPSessionError",
    "TLSFailed",
    "TimedOut",
    "TooLarge",
    "tls_context",
]

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_TARGET = re.compile(r"/[!-~]*\Z")
_VALUE = re.compile(r"[\t -~\x80-\xff]*\Z")
_PIECE = 64 * 1024
_HEADER_ROOM = 256 * 1024


@dataclass(frozen=True)
class HTTPResponse:
    """An answer that has come as a whole. Names of headers are not case sensitive."""

    status: int
    headers: HTTPMessage = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as a JSON value; raises :class:`BadAnswer` where it is none."""
        try:
            return json_codec.loads(self.body)
        except (ValueError, RecursionError):
            raise BadAnswer(f"the body of an answer with status {self.status} is not JSON") from None


class HTTPSession:
    """Requests to one server over one socket that is kept open between them.

    Threads may share it: they take turns, and a turn is waited for until the request's deadline. *tls* is needed for
    the scheme ``https``. *headers* go with every request. *connect_timeout* bounds the way to a usable connection (name,
    TCP, TLS), *read_timeout* each silence of the peer, both in seconds and within the request's deadline. *max_response*
    is in bytes; a connection that was idle for *max_idle* seconds is not trusted any more. *trust_option* is the name of
    the option that a user changes when a certificate is not trusted.
    """

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        max_response: int = 16 * 1024 * 1024,
        max_idle: float = 240.0,
        trust_option: str | None = None,
    ) -> None:
        if scheme not in ("http", "https"):
            raise ValueError(f"scheme: {scheme!r} is neither http nor https")
        if (scheme == "https") is not (tls is not None):
            raise ValueError(f"tls: a context is needed for https and has no meaning for http; the scheme is {scheme}")
        self.endpoint = Endpoint(scheme, host, port)
        self.headers = dict(headers or {})
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self._port = port or (443 if tls is not None else 80)
        self._tls = tls
        self._max_response = max_response
        self._max_idle = max_idle
        self._trust_option = trust_option
        self._turn = threading.Lock()
        self._wire: Wire | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<HTTPSession {self.endpoint}>"

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        deadline: Deadline,
        connect_timeout: float | None = None,
        read_timeout: float | None = None,
    ) -> HTTPResponse:
        """Send one request and give back the whole answer, whatever its status; redirects are not followed.

        A kept connection that turns out to be closed is replaced once; the request is sent again only if none of it was
        sent or its method is idempotent. Raises :class:`~baremetal_interfaces.errors.DeadlineExceeded` when the time was
        over before anything was done, and an :class:`HTTPSessionError` for all that goes wrong afterwards.
        """
        doing = f"{method} {path.partition('?')[0]} at {self.endpoint}"
        deadline.check(doing)
        if json is not None:
            body = json_codec.dumps(json).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        data = self._serialize(method, path, headers or {}, body)
        limits = _Limits(
            deadline,
            self.connect_timeout if connect_timeout is None else connect_timeout,
            self.read_timeout if read_timeout is None else read_timeout,
        )
        with self._taking_turns(doing, deadline):
            return self._talk(method, data, limits)

    def close(self) -> None:
        """Close the socket, from any thread; a request that is under way ends with :class:`Broken`."""
        self._closed = True
        wire = self._wire
        if wire is not None:
            wire.shut()
        if self._turn.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._turn.release()

    @contextmanager
    def _taking_turns(self, doing: str, deadline: Deadline) -> Iterator[None]:
        if not self._turn.acquire(timeout=deadline.remaining()):
            raise TimedOut(f"{doing}: other requests of this session did not end in time")
        clean = False
        try:
            yield
            clean = True
        except HTTPSessionError as exc:
            raise type(exc)(f"{doing}: {self._explained(exc)}") from None
        finally:
            if self._closed or not clean:
                self._drop()
            self._turn.release()

    def _explained(self, exc: HTTPSessionError) -> str:
        if self._closed:
            return "the session was closed"
        if isinstance(exc, TLSFailed) and "certificate" in str(exc) and self._trust_option:
            return f"{exc}; set {self._trust_option} to the file of the authority that signed it, or to false to trust anybody"
        return str(exc)

    def _talk(self, method: str, data: bytes, limits: _Limits) -> HTTPResponse:
        wire, kept = self._kept_or_new(limits)
        try:
            return self._exchange(wire, method, data, limits)
        except _Gone as exc:
            self._drop()
            if not kept or (exc.sent and method not in _IDEMPOTENT):
                raise Broken("the connection was closed before an answer; whether the request was taken is not known") from None
        wire, _ = self._kept_or_new(limits)
        try:
            return self._exchange(wire, method, data, limits)
        except _Gone:
            raise Broken("the connection was closed before an answer, twice") from None

    def _kept_or_new(self, limits: _Limits) -> tuple[Wire, bool]:
        """The kept connection and True, or a new one and False."""
        if self._closed:
            raise Broken("the session was closed")
        wire = self._wire
        if wire is not None and time.monotonic() - wire.idle_since < self._max_idle and wire.quiet():
            return wire, True
        self._drop()
        limit = limits.deadline.within(limits.connect)
        self._wire = wire = connect(self.endpoint.host, self._port, self._tls, limit)
        return wire, False

    def _exchange(self, wire: Wire, method: str, data: bytes, limits: _Limits) -> HTTPResponse:
        wire.begin(limits.deadline, limits.read, self._max_response + _HEADER_ROOM)
        try:
            wire.write_all(data)
            answer, keep = self._read(wire, method)
        except HTTPSessionError:
            raise
        except (RemoteDisconnected, OSError) as exc:
            if wire.received:
                raise Broken("the connection broke in the middle of the answer") from None
            raise _Gone(wire.sent > 0) from exc
        if not wire.end() or not keep:
            self._drop()
        return answer

    def _read(self, wire: Wire, method: str) -> tuple[HTTPResponse, bool]:
        # The parser takes from its socket nothing but a file to read.
        parser = _Parser(cast("Any", wire), method=method)
        try:
            parser.begin()
            if wire.ended:
                raise Broken("the connection was closed in the middle of the answer's head")
            self._check_head(parser)
            body = self._read_body(parser)
        except RemoteDisconnected:
            raise
        except IncompleteRead:
            raise Broken("the connection was closed in the middle of the answer") from None
        except (HTTPException, ValueError) as exc:
            raise BadAnswer(f"the answer is not HTTP ({type(exc).__name__})") from None
        finally:
            # Not left to the garbage collector, which may take the wire first.
            parser.close()
        return HTTPResponse(parser.status, parser.headers, body), not parser.will_close

    def _check_head(self, parser: _Parser) -> None:
        lengths = set(parser.headers.get_all("Content-Length", ()))
        if len(lengths) > 1 or not all(length.strip().isdecimal() for length in lengths):
            raise BadAnswer("the answer contradicts itself about its length")
        if parser.status < 200:
            raise BadAnswer(f"the answer has the status {parser.status}, which nobody asked for")
        if parser.length is not None and parser.length > self._max_response:
            raise TooLarge(f"its answer has {parser.length} bytes, and {self._max_response} are allowed")

    def _read_body(self, parser: _Parser) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := parser.read(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > self._max_response:
                raise TooLarge(f"its answer is larger than the {self._max_response} bytes that are allowed")
        if parser.length:
            raise Broken(f"the connection was closed with {parser.length} bytes of the answer missing")
        return b"".join(pieces)

    def _serialize(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        if not _TOKEN.match(method):
            raise ValueError(f"method: {method!r} is not an HTTP method")
        if not _TARGET.match(path):
            raise ValueError(f"path: {path!r} has to begin with / and hold visible ASCII characters only")
        fields = {"host": ("Host", self._host_field()), "accept-encoding": ("Accept-Encoding", "identity")}
        fields |= {name.lower(): (name, value) for name, value in (*self.headers.items(), *headers.items())}
        if body is not None or method in ("POST", "PUT", "PATCH"):
            fields["content-length"] = ("Content-Length", str(len(body or b"")))
        lines = [f"{method} {path} HTTP/1.1"]
        for name, value in fields.values():
            if not _TOKEN.match(name) or not _VALUE.match(value):
                raise ValueError(f"headers: {name!r} or its value holds a character that HTTP does not allow")
            lines.append(f"{name}: {value}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")

    def _host_field(self) -> str:
        host = self.endpoint.host.partition("%")[0]
        host = f"[{host}]" if ":" in host else host
        default = 443 if self._tls is not None else 80
        return host if self._port == default else f"{host}:{self._port}"

    def _drop(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.drop()


@dataclass(frozen=True)
class _Limits:
    """What bounds one request; *connect* and *read* are in seconds."""

    deadline: Deadline
    connect: float
    read: float


class _Gone(Exception):
    """The connection was closed before the first byte of an answer."""

    def __init__(self, sent: bool) -> None:
        super().__init__()
        self.sent = sent
