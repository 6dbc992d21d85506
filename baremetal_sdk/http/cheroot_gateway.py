"""Cheroot's WSGI gateway: calls the application with a complete request and turns its result into a response.

All code that uses Cheroot's internals is in this module. Cheroot does not manage connections here, because it reads requests and
does TLS handshakes in places where other clients have to wait.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from cheroot.server import HTTPRequest
from cheroot.server import HTTPServer as CherootServer
from cheroot.wsgi import Gateway_10

from baremetal_sdk.http.access_log import RequestLog
from baremetal_sdk.http.connection import Connection
from baremetal_sdk.http.error_responses import build_error_response
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.output import ClientGone
from baremetal_sdk.http.request_id import REQUEST_ID_KEY, get_request_id
from baremetal_sdk.http.slow_readers import SlowReaderLimit
from baremetal_sdk.http.streaming import StreamingResponse
from baremetal_sdk.http.streams import ResponseStream
from baremetal_sdk.logs import get_logger

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = get_logger(__name__)
_HOP_BY_HOP_HEADERS = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""Lower-case names of headers that only the server sets (PEP 3333). Those of the application are removed."""
PEER_CREDENTIALS = "baremetal_sdk.peer_credentials"
"""Key in the WSGI environment for the client's process ID, user ID and group ID. Only requests on unix sockets have it."""


class RequestHandler(CherootServer):
    """Handler that answers requests with a WSGI application, in the thread that calls :meth:`handle`. Thread-safe.

    It reuses Cheroot's server class only for its attributes: it never listens and has no threads.
    """

    can_add_keepalive_connection = True

    def __init__(
        self, app: WSGIApplication, limits: HTTPLimits, slow_readers: SlowReaderLimit, log: RequestLog | None = None
    ) -> None:
        super().__init__(("localhost", 0), _Gateway, server_name="baremetal-sdk")
        # Cheroot registers each server in a global table of statistics, which would keep it alive.
        logging.statistics.pop(f"Cheroot HTTPServer {id(self)}", None)  # type: ignore[attr-defined]
        self.wsgi_app = app
        self.limits = limits
        self.slow_readers = slow_readers
        self.log = log
        self.ready = True
        self.software = self.server_name
        self._date = (0, b"")

    def handle(self, conn: Connection) -> bool:
        """Answer the current request of *conn*. Return whether the connection can stay open for another request.

        Output that the socket does not take at once stays in the output buffer. The event loop sends it.
        """
        started = time.monotonic()
        request = _Request(self, conn)
        gateway = _Gateway(request)
        try:
            gateway.respond()
            request.finish()
        except ClientGone as exc:
            LOG.debug("connection from %s: %s", conn.remote_addr, exc)
            conn.output.clear()
            request.close_connection = True
        if self.log is not None:
            status = request.status[:3].decode() if request.status else "-"
            self.log.log_request(gateway.env, status, gateway.sent, time.monotonic() - started)
        return not request.close_connection

    def get_date(self) -> bytes:
        """Return the current value of the Date header."""
        second = int(time.time())  # the header has a resolution of one second
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True).encode())
        return self._date[1]

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log a message of Cheroot, which calls this method."""
        LOG.log(level, "%s", msg, exc_info=traceback)


class _Request(HTTPRequest):
    """Request object for Cheroot: one completely received request, and the output of its response."""

    conn: Connection
    outheaders: list[tuple[bytes, bytes]]
    status: Any

    def __init__(self, server: RequestHandler, conn: Connection) -> None:
        super().__init__(server, conn)
        head, body = conn.head, conn.body
        assert head is not None and body is not None
        self.head, self.body = head, body
        self.method, self.uri, self.path, self.qs = head.method, head.target, head.path, head.query
        self.inheaders = head.headers
        self.request_protocol = b"HTTP/1.1" if head.version == (1, 1) else b"HTTP/1.0"
        self.response_protocol = self.request_protocol.decode()
        self.close_connection = not head.keeps_alive
        self.scheme = b"https" if conn.ssl_env else b"http"
        self.rfile = body.content
        self.bodiless = head.method == b"HEAD"
        self.is_broken = False
        conn.output.sent = 0

    def send_headers(self) -> None:
        """Write the status line and the headers to the output buffer, with the headers that only the server sets."""
        status, names = int(self.status[:3]), {name.lower() for name, _ in self.outheaders}
        without_body = status < 200 or status in (204, 304)
        if without_body or self.method == b"HEAD":
            self.bodiless = True
        elif b"content-length" not in names:
            self._set_framing()
        self.close_connection = self.close_connection or not self.server.ready
        extra = self.outheaders
        if self.close_connection:
            extra.append((b"Connection", b"close"))
        elif self.head.version < (1, 1):
            extra.append((b"Connection", b"keep-alive"))
        if b"date" not in names:
            extra.append((b"Date", self.server.get_date()))
        if b"server" not in names:
            extra.append((b"Server", b"baremetal-sdk"))
        lines = [b"HTTP/1.1 %b" % self.status, *(name + b": " + value for name, value in extra), b"\r\n"]
        self.conn.output.write(b"\r\n".join(lines))

    def write(self, chunk: bytes) -> None:
        """Write a piece of the body to the output buffer. A response without a body, such as one to HEAD, drops the piece."""
        if self.bodiless or not chunk:
            return
        if self.chunked_write:
            chunk = b"%x\r\n%b\r\n" % (len(chunk), chunk)
        self.conn.output.write(chunk)

    def finish(self) -> None:
        """End the response and send as much as the socket takes now. The event loop sends the rest."""
        if self.chunked_write and not self.is_broken and self.conn.stream is None:
            self.conn.output.write(b"0\r\n\r\n")
        self.conn.output.flush()

    def start_stream(self, response: StreamingResponse) -> None:
        """Write the head of a streaming response. The stream sender takes over the connection and closes it in the end."""
        self.close_connection = True
        self.ensure_headers_sent()
        if self.bodiless:
            return response.close()
        self.conn.stream = ResponseStream(self.conn, response, self.chunked_write)
        return None

    def flush(self) -> None:
        """Send as much output as the socket takes now. If too much is unsent, block until the client has read more.

        Raises :class:`ClientGone` if the client closes the connection or reads too slowly.
        """
        if not self.conn.output.flush() and self.conn.output.pending > self.server.limits.max_unsent_bytes_per_client:
            self.server.slow_readers.wait(self.conn)

    def send_error(self, status: int, reason: str, request_id: str) -> None:
        """Replace the application's response by an error. A response whose headers are sent stays incomplete instead.

        The connection closes in both cases.
        """
        # A response that has begun stays incomplete: without its last chunk the client notices that it is broken.
        self.close_connection = self.is_broken = True
        self.chunked_write = False
        if not self.sent_headers:
            self.sent_headers = True
            self.status = str(status).encode()
            self.conn.output.write(build_error_response(status, reason, request_id))

    def simple_response(self, status: str, msg: str = "") -> None:
        """Raise ``ValueError`` instead of Cheroot's own error response. The gateway then responds with status 500."""
        raise ValueError(msg or status)

    def _set_framing(self) -> None:
        """Set how a body of unknown length ends: with a last chunk, or by closing the connection for HTTP/1.0."""
        if self.head.version >= (1, 1):
            self.chunked_write = True
            self.outheaders.append((b"Transfer-Encoding", b"chunked"))
        else:
            self.close_connection = True


class _Gateway(Gateway_10):
    """Cheroot's gateway for one request: calls the WSGI application and writes its response."""

    req: _Request
    env: dict[str, Any]
    sent = 0

    def respond(self) -> None:
        """Call the application and send its response. Raises only :class:`ClientGone`.

        An exception of the application becomes a response with status 500. If the headers are sent already, the response stays
        incomplete.
        """
        try:
            self._respond()
        except ClientGone:
            raise
        except BaseException:  # also SystemExit, which must not end a worker
            self._send_internal_error()

    def _respond(self) -> None:
        response: Iterable[bytes] = self.req.server.wsgi_app(self.env, self.start_response)
        if isinstance(response, StreamingResponse) and self.started_response:
            return self.req.start_stream(response)
        try:
            # A list is complete: the worker need not send its pieces one by one, and the event loop sends the rest.
            is_complete = type(response) in (list, tuple)
            for chunk in response:
                if chunk:
                    self.write(chunk)
                    if not is_complete:
                        self.req.flush()
            if not self.started_response:
                raise RuntimeError("the application did not call start_response")
            self.req.ensure_headers_sent()
        finally:
            close = getattr(response, "close", None)
            if close is not None:
                close()
        if self.remaining_bytes_out is not None and self.sent < self.remaining_bytes_out and not self.req.bodiless:
            raise ValueError(f"the application sent {self.sent} bytes; its Content-Length is {self.remaining_bytes_out}")
        return None

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Set status and headers of the response (PEP 3333). Return the ``write`` callable.

        Raises ``ValueError`` for an invalid status or header. Headers that only the server sets are removed.
        """
        if exc_info is not None:
            self.req.outheaders = []
            self.remaining_bytes_out = None
        super().start_response(status, headers, exc_info)
        for name, value in self.req.outheaders:
            _check_header(name, value)
            # An application cannot keep the connection open, but may close it after the response.
            if name.lower() == b"connection" and b"close" in value.lower():
                self.req.close_connection = True
        self.req.outheaders = [header for header in self.req.outheaders if header[0].lower() not in _HOP_BY_HOP_HEADERS]
        if not status[:3].isdecimal() or status[3:4] != " " or not status.isprintable():
            raise ValueError(f"the application set an invalid status: {status!r}")
        return self.write_now

    def write_now(self, chunk: bytes) -> None:
        """Write and send a piece of the body. Applications get this method as the ``write`` callable of PEP 3333."""
        self.write(chunk)
        self.req.flush()

    def write(self, chunk: bytes) -> None:
        """Write a piece of the body to the output buffer.

        Raises ``ValueError`` for a piece that is not bytes or exceeds the Content-Length, and ``RuntimeError`` before
        ``start_response``.
        """
        if not isinstance(chunk, bytes):
            raise ValueError(f"the application sent {type(chunk).__name__} instead of bytes")
        if not self.started_response:
            raise RuntimeError("the application sent a body before it called start_response")
        self.sent += len(chunk)
        if self.remaining_bytes_out is not None and self.sent > self.remaining_bytes_out and not self.req.bodiless:
            raise ValueError(f"the application sent more bytes than its Content-Length, {self.remaining_bytes_out}")
        self.req.ensure_headers_sent()
        self.req.write(chunk)

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        """Return the WSGI environment of the request. A chunked body is complete here, so it gets a ``CONTENT_LENGTH``."""
        request, conn = self.req, self.req.conn
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        listener = conn.listener
        environ["SERVER_NAME"] = listener.host if listener.port else "localhost"
        environ["SERVER_PORT"] = str(listener.port or (443 if conn.ssl_env else 80))
        if request.head.chunked:
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            environ["CONTENT_LENGTH"] = str(request.body.size)
        environ["wsgi.input_terminated"] = True
        environ[REQUEST_ID_KEY] = get_request_id(environ)
        if listener.is_unix:
            environ[PEER_CREDENTIALS] = conn.get_peer_credentials()
        return environ

    def _send_internal_error(self) -> None:
        request_id = self.env[REQUEST_ID_KEY]
        LOG.exception("%s %s failed (%s)", self.env.get("REQUEST_METHOD"), self.env.get("PATH_INFO"), request_id)
        self.req.outheaders = []
        self.req.send_error(500, "internal error; search the log of the service for the ID of this request", request_id)


def _check_header(name: bytes, value: bytes) -> None:
    """Raise ``ValueError`` for a header of the application that clients could misread."""
    # A line break would let a value of a client add headers or a second response (response splitting).
    if b"\n" in value or b"\r" in value or b"\0" in value or b"\n" in name or b"\r" in name:
        raise ValueError(f"the application set a header {name!r} with a line break")
    # int() accepts more than HTTP does, such as "+5" and "1_0".
    if name.lower() == b"content-length" and not value.isdigit():
        raise ValueError(f"the application set a Content-Length that is not a number: {value!r}")
