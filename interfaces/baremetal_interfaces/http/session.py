"""A kept-alive HTTP session with a BMC, of which every request ends in time: for plugins that speak HTTP.

Import it by name; the package itself does not. What the usual clients leave open is closed here: a request as a whole
ends at its deadline however slowly the peer sends, nothing is read from the environment (no proxies, no ``.netrc``), and
an answer has a largest size. It is lean as well: of a head only what is needed is taken apart, there is one wait for an
answer that comes at once, and an idle session holds its socket and no buffers.
"""

from __future__ import annotations

import json as json_codec
import re
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from baremetal_interfaces.connector import Endpoint
from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.http.errors import Broken, HTTPSessionError, TimedOut, TLSFailed
from baremetal_interfaces.http.response import HEAD_ROOM, Gone, HTTPResponse, read_answer
from baremetal_interfaces.http.socket import DeadlineSocket, connect
from baremetal_interfaces.sending import SingleSlot, current_slots

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_TARGET = re.compile(r"/[!-~]*\Z")
_VALUE = re.compile(r"[\t -~\x80-\xff]*\Z")


class HTTPSession:
    """Requests to one server over sockets that are kept open between them.

    Threads may share it. As many requests are under way at a time, each on a socket of its own, as a runtime lets the BMC be
    sent (:func:`~baremetal_interfaces.sending.request_slot`); without one they take turns, and one socket is enough. A turn is
    waited for until the request's deadline. *tls* is needed for
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
        self._turns = SingleSlot()
        self._lock = threading.Lock()
        self._wires: list[DeadlineSocket] = []
        self._common: tuple[tuple[tuple[str, str], ...], bytes] = ((), b"")
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
        sent or its method only reads. Raises :class:`~baremetal_interfaces.errors.DeadlineExceeded` when the time was
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
        turns = current_slots() or self._turns
        try:
            turns.take(deadline)
        except TimeoutError:
            raise TimedOut(f"{doing}: other requests of this session did not end in time") from None
        try:
            return self._talk(method, data, limits)
        except HTTPSessionError as exc:
            raise type(exc)(f"{doing}: {self._explained(exc)}") from None
        finally:
            turns.give()

    def close(self) -> None:
        """Close the sockets, from any thread; a request that is under way ends with :class:`Broken`."""
        with self._lock:
            self._closed = True
            busy = [wire for wire in self._wires if wire.busy]
            idle = [wire for wire in self._wires if not wire.busy]
            self._wires = busy
        for wire in busy:
            wire.shut()
        for wire in idle:
            wire.drop()

    def _explained(self, exc: HTTPSessionError) -> str:
        if self._closed:
            return "the session was closed"
        if isinstance(exc, TLSFailed) and "certificate" in str(exc) and self._trust_option:
            return f"{exc}; set {self._trust_option} to the file of the authority that signed it, or to false to trust anybody"
        return str(exc)

    def _talk(self, method: str, data: bytes, limits: _Limits) -> HTTPResponse:
        wire = self._idle_wire()
        if wire is not None:
            try:
                return self._exchange(wire, method, data, limits)
            except _Closed as exc:
                if exc.sent and method not in _SAFE:
                    raise Broken("the connection was closed before an answer; whether it was taken is not known") from None
        try:
            return self._exchange(self._new_wire(limits), method, data, limits)
        except _Closed:
            again = "twice" if wire is not None else "and whether the request was taken is not known"
            raise Broken(f"the connection was closed before an answer, {again}") from None

    def _idle_wire(self) -> DeadlineSocket | None:
        """A kept connection that still stands, or None."""
        while True:
            with self._lock:
                if self._closed:
                    raise Broken("the session was closed")
                # The one that was used last: the others come of age, and are closed.
                wire = next((one for one in reversed(self._wires) if not one.busy), None)
                if wire is None:
                    return None
                wire.busy = True
            if time.monotonic() - wire.idle_since < self._max_idle and wire.quiet():
                return wire
            self._drop(wire)

    def _new_wire(self, limits: _Limits) -> DeadlineSocket:
        wire = connect(self.endpoint.host, self._port, self._tls, limits.deadline.within(limits.connect))
        wire.busy = True
        with self._lock:
            if not self._closed:
                self._wires.append(wire)
                return wire
        wire.drop()
        raise Broken("the session was closed")

    def _exchange(self, wire: DeadlineSocket, method: str, data: bytes, limits: _Limits) -> HTTPResponse:
        wire.begin(limits.deadline, limits.read, self._max_response + HEAD_ROOM)
        keep = False
        try:
            wire.write_all(data)
            status, head, body, keep = read_answer(wire, method, self._max_response)
            return HTTPResponse(status, head, body)
        except HTTPSessionError:
            raise
        except (Gone, OSError) as exc:
            if wire.received:
                raise Broken("the connection broke in the middle of the answer") from None
            raise _Closed(wire.sent > 0) from exc
        finally:
            wire.end()
            if keep and not self._closed:
                wire.busy = False
            else:
                self._drop(wire)

    def _serialize(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        if not _TOKEN.match(method):
            raise ValueError(f"method: {method!r} is not an HTTP method")
        if not _TARGET.match(path):
            raise ValueError(f"path: {path!r} has to begin with / and hold visible ASCII characters only")
        first = f"{method} {path} HTTP/1.1\r\n".encode("ascii")
        if body is None and not headers and method not in _WITH_LENGTH:
            return first + self._common_lines()
        given = (*self.headers.items(), *headers.items())
        if body is not None or method in _WITH_LENGTH:
            given = (*given, ("Content-Length", str(len(body or b""))))
        return first + self._lines(given) + (body or b"")

    def _common_lines(self) -> bytes:
        """The lines of a request without headers of its own; made anew when those of the session have changed."""
        items = tuple(self.headers.items())
        if not self._common[1] or self._common[0] != items:
            self._common = (items, self._lines(items))
        return self._common[1]

    def _lines(self, given: Iterable[tuple[str, str]]) -> bytes:
        fields = {"host": ("Host", self._host_field()), "accept-encoding": ("Accept-Encoding", "identity")}
        fields |= {name.lower(): (name, value) for name, value in given}
        for name, value in fields.values():
            if not _TOKEN.match(name) or not _VALUE.match(value):
                raise ValueError(f"headers: {name!r} or its value holds a character that HTTP does not allow")
        return "".join(f"{name}: {value}\r\n" for name, value in fields.values()).encode("latin-1") + b"\r\n"

    def _host_field(self) -> str:
        host = self.endpoint.host.partition("%")[0]
        host = f"[{host}]" if ":" in host else host
        default = 443 if self._tls is not None else 80
        return host if self._port == default else f"{host}:{self._port}"

    def _drop(self, wire: DeadlineSocket) -> None:
        with self._lock:
            if wire in self._wires:
                self._wires.remove(wire)
        wire.drop()


class _Limits(NamedTuple):
    """What bounds one request; *connect* and *read* are in seconds."""

    deadline: Deadline
    connect: float
    read: float


class _Closed(Exception):
    """The connection was closed before the first byte of an answer."""

    def __init__(self, sent: bool) -> None:
        super().__init__()
        self.sent = sent
