"""A session that keeps connections to a BMC alive, and whose requests end by their deadline.

It closes gaps of common clients. The deadline covers the whole request, however slowly the server sends. The environment is
ignored (no proxies, no ``.netrc``). The size of a response is limited. Power sync makes many small requests. Therefore a
request parses only the headers that it needs and waits once for a response in one piece. An idle session keeps its sockets
but no buffers.
"""

from __future__ import annotations

import json as json_codec
import re
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from baremetal_interfaces.addresses import format_netloc
from baremetal_interfaces.connector import Endpoint
from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.http.documents import LARGE_FACTOR, get_max_document_bytes
from baremetal_interfaces.http.errors import Broken, HTTPSessionError, TimedOut, TLSFailed
from baremetal_interfaces.http.response import MAX_HEAD_BYTES, HTTPResponse, NoResponse, read_response
from baremetal_interfaces.http.socket import DeadlineSocket, connect
from baremetal_interfaces.json_cost import compute_max_values
from baremetal_interfaces.sending import SingleSlot, current_slots

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_TARGET = re.compile(r"/[!-~]*\Z")
_VALUE = re.compile(r"[\t -~\x80-\xff]*\Z")


class HTTPSession:
    """Sends requests to one server over connections that are kept alive. Thread-safe.

    The runtime decides how many requests are in flight at the same time
    (:func:`~baremetal_interfaces.sending.request_slot`); each uses a separate connection. Without a runtime the session sends
    one request at a time. A request waits for its slot until its deadline.

    *tls* is required for the scheme ``https``. *headers* are sent with every request. *connect_timeout* limits name lookup,
    TCP connection and TLS handshake together; *read_timeout* limits each silence of the server; both are in seconds and end at
    the request's deadline. *max_response* is the maximum size of a body in bytes; None stands for the limit of the process
    (:func:`~baremetal_interfaces.http.documents.set_max_document_bytes`). A connection that was idle for *max_idle* seconds is
    not used again. *trust_option* is the name of the option that the error for an untrusted certificate mentions.
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
        max_response: int | None = None,
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
        self._single_slot = SingleSlot()
        self._lock = threading.Lock()
        self._sockets: list[DeadlineSocket] = []
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
        large: bool = False,
    ) -> HTTPResponse:
        """Send one request and return the complete response, whatever its status. Redirects are not followed.

        *body* is sent unchanged, *json* as JSON. With *large*, the response may be four times as large as other responses: use
        it for documents that are known to be large, such as registries.

        If the server closed an idle connection, the request is repeated once on a new connection. It is repeated only if
        nothing of it was sent or its method is safe (RFC 9110, section 9.2.1). Raises
        :class:`~baremetal_interfaces.errors.DeadlineExceeded` if the deadline has passed before the request starts, and an
        :class:`HTTPSessionError` for all later problems.
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
            self._compute_max_bytes(large),
        )
        slots = current_slots() or self._single_slot
        try:
            slots.take(deadline)
        except TimeoutError:
            raise TimedOut(f"{doing}: other requests of this session did not finish in time") from None
        try:
            return self._send_and_retry(method, data, limits)
        except HTTPSessionError as exc:
            raise type(exc)(f"{doing}: {self._explain(exc)}") from None
        finally:
            slots.give()

    def close(self) -> None:
        """Close all connections. A request in progress fails with :class:`Broken`. Thread-safe."""
        with self._lock:
            self._closed = True
            busy = [sock for sock in self._sockets if sock.busy]
            idle = [sock for sock in self._sockets if not sock.busy]
            self._sockets = busy
        # A socket in use is only shut down here; its own thread closes it, so that its descriptor is not reused too early.
        for sock in busy:
            sock.shut_down()
        for sock in idle:
            sock.close()

    def _compute_max_bytes(self, large: bool) -> int:
        ordinary = get_max_document_bytes() if self._max_response is None else self._max_response
        return ordinary * LARGE_FACTOR if large else ordinary

    def _explain(self, exc: HTTPSessionError) -> str:
        if self._closed:
            return "the session was closed"
        if isinstance(exc, TLSFailed) and "certificate" in str(exc) and self._trust_option:
            remedy = f"set {self._trust_option} to the file of the authority that signed it, or false to accept any certificate"
            return f"{exc}; {remedy}"
        return str(exc)

    def _send_and_retry(self, method: str, data: bytes, limits: _Limits) -> HTTPResponse:
        """Send a request over an idle connection, or over a new one if there is none or the server has closed it."""
        sock = self._find_idle_socket()
        if sock is not None:
            try:
                return self._exchange(sock, method, data, limits)
            except _ClosedConnection as exc:
                # Servers close idle connections at any time, also while a request is on its way. Repeat it only if a second
                # execution does no harm.
                if exc.sent and method not in _SAFE_METHODS:
                    raise Broken(
                        "the connection was closed before a response; whether the server processed the request is unknown"
                    ) from None
        try:
            return self._exchange(self._connect(limits), method, data, limits)
        except _ClosedConnection:
            again = "twice" if sock is not None else "and whether the server processed the request is unknown"
            raise Broken(f"the connection was closed before a response, {again}") from None

    def _find_idle_socket(self) -> DeadlineSocket | None:
        """Return an idle connection that is still open, marked as busy, or None."""
        while True:
            with self._lock:
                if self._closed:
                    raise Broken("the session was closed")
                # Prefer the connection used last: surplus connections then reach max_idle and are closed.
                sock = next((sock for sock in reversed(self._sockets) if not sock.busy), None)
                if sock is None:
                    return None
                sock.busy = True
            if time.monotonic() - sock.idle_since < self._max_idle and sock.is_quiet():
                return sock
            self._drop(sock)

    def _connect(self, limits: _Limits) -> DeadlineSocket:
        sock = connect(self.endpoint.host, self._port, self._tls, limits.deadline.within(limits.connect))
        sock.busy = True
        # close() may have run during the connection, and does not know this socket.
        with self._lock:
            if not self._closed:
                self._sockets.append(sock)
                return sock
        sock.close()
        raise Broken("the session was closed")

    def _exchange(self, sock: DeadlineSocket, method: str, data: bytes, limits: _Limits) -> HTTPResponse:
        """Send one request over *sock* and read the response; keep or close the connection afterwards."""
        sock.begin(limits.deadline, limits.read, limits.max_bytes + MAX_HEAD_BYTES)
        keep = False
        try:
            sock.write_all(data)
            status, head, body, keep = read_response(sock, method, limits.max_bytes)
            return HTTPResponse(status, head, body, max_values=compute_max_values(limits.max_bytes), deadline=limits.deadline)
        except HTTPSessionError:
            raise
        except (NoResponse, OSError) as exc:
            if sock.received:
                raise Broken("the connection broke in the middle of the response") from None
            raise _ClosedConnection(sock.sent > 0) from exc
        finally:
            sock.end()
            if keep and not self._closed:
                sock.busy = False
            else:
                self._drop(sock)

    def _serialize(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        if not _TOKEN.match(method):
            raise ValueError(f"method: {method!r} is not an HTTP method")
        if not _TARGET.match(path):
            raise ValueError(f"path: {path!r} must begin with / and contain only visible ASCII characters")
        first = f"{method} {path} HTTP/1.1\r\n".encode("ascii")
        if body is None and not headers and method not in _METHODS_WITH_BODY:
            return first + self._common_lines()
        given = (*self.headers.items(), *headers.items())
        if body is not None or method in _METHODS_WITH_BODY:
            given = (*given, ("Content-Length", str(len(body or b""))))
        return first + self._lines(given) + (body or b"")

    def _common_lines(self) -> bytes:
        """Return the header lines of a request without own headers, cached until the headers of the session change."""
        items = tuple(self.headers.items())
        if not self._common[1] or self._common[0] != items:
            self._common = (items, self._lines(items))
        return self._common[1]

    def _lines(self, given: Iterable[tuple[str, str]]) -> bytes:
        fields = {"host": ("Host", self._host_field()), "accept-encoding": ("Accept-Encoding", "identity")}
        fields |= {name.lower(): (name, value) for name, value in given}
        for name, value in fields.values():
            if not _TOKEN.match(name) or not _VALUE.match(value):
                raise ValueError(f"headers: {name!r} or its value contains a character that HTTP does not allow")
        return "".join(f"{name}: {value}\r\n" for name, value in fields.values()).encode("latin-1") + b"\r\n"

    def _host_field(self) -> str:
        # A zone has a meaning on this machine only, so servers do not get it (RFC 6874, section 3).
        host = self.endpoint.host.partition("%")[0]
        default = 443 if self._tls is not None else 80
        return format_netloc(host, None if self._port == default else self._port)

    def _drop(self, sock: DeadlineSocket) -> None:
        with self._lock:
            if sock in self._sockets:
                self._sockets.remove(sock)
        sock.close()


class _Limits(NamedTuple):
    """The limits of one request; *connect* and *read* are in seconds, and *max_bytes* applies to the response's body."""

    deadline: Deadline
    connect: float
    read: float
    max_bytes: int


class _ClosedConnection(Exception):
    """The server closed the connection before the first byte of a response. *sent*: some bytes of the request were sent."""

    def __init__(self, sent: bool) -> None:
        super().__init__()
        self.sent = sent
