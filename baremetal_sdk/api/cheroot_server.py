"""Cheroot, with what Cheroot leaves to its embedder done.

All that touches Cheroot's internals is in this file. Cheroot selects over connections and speaks WSGI. Here, a connection
costs no thread before its first byte; TLS handshakes happen in workers; requests are read strictly and within deadlines;
whatever an application raises is one answer with status 500; and stopping ends in time.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from cheroot.connections import ConnectionManager
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.server import HTTPServer as CherootServer
from cheroot.wsgi import Gateway_10

from baremetal_interfaces import Deadline
from baremetal_sdk.api.http_framing import Body, ClientGone, Head, Refused, parse_head
from baremetal_sdk.api.http_refusal import refusal
from baremetal_sdk.api.http_stream import Stream
from baremetal_sdk.api.http_workers import Workers
from baremetal_sdk.api.tls import handshake
from baremetal_sdk.api.wsgi import REQUEST_ID_KEY, request_id
from baremetal_sdk.config import APIConfig

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger(__name__)

LARGEST_HEAD = 65536
"""Bytes in the request line and the headers, at most."""
HEAD_SECONDS = 20.0
"""Seconds from the first byte of a request to the end of its headers, and for a TLS handshake, at most."""
SLOWEST = 8192
"""Bytes per second at which bodies and answers have to move, beyond the time that a connection may be silent."""
MOST_IDLE = 4096
"""Connections that wait for a request, at most; beyond them an answered connection is closed."""
MOST_WAITING = 1024
"""Requests that wait for a thread, at most; beyond them the answer is 503."""
_DRAINED = 65536
_LINGER = 0.5
_PAUSE = 0.05
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class _Request(HTTPRequest):
    """One request: read strictly, and answered once."""

    head: Head
    rfile: Any

    def parse_request(self) -> None:
        stream: Stream = self.conn.stream
        stream.deadline = Deadline.after(min(HEAD_SECONDS, self.server.timeout))
        block = stream.head(LARGEST_HEAD)
        if block is None:
            return
        self.started_request = True
        self.head = head = parse_head(block.removeprefix(b"\r\n"))
        largest: int = self.server.max_request_body_size
        if head.content_length > largest:
            raise Refused(413, f"the body of the request is too large; {largest} bytes are taken at most")
        self.method, self.uri, self.path, self.qs = head.method, head.target, head.path, head.query
        self.inheaders = head.headers
        self.request_protocol = b"HTTP/%d.%d" % head.version
        self.response_protocol = self.request_protocol.decode()
        self.chunked_read = head.chunked
        self.close_connection = not head.keeps_alive
        self.scheme = b"https" if self.conn.ssl_env else b"http"
        begin = self._go_on if head.expects_continue else None
        self.rfile = Body(stream, head, largest, begin)
        self.ready = True

    def respond(self) -> None:
        stream: Stream = self.conn.stream
        stream.deadline = Deadline.after(self.server.timeout + (self.head.content_length or _DRAINED) / SLOWEST)
        self.server.gateway(self).respond()
        self.ensure_headers_sent()
        if self.chunked_write:
            stream.write(b"0\r\n\r\n")
        stream.flush()

    def send_headers(self) -> None:
        """Send the headers; a connection whose request was not read to its end is closed, lest the rest become a request."""
        if not self.rfile.drain(_DRAINED):
            self.close_connection = True
        length = next((int(value) for name, value in self.outheaders if name.lower() == b"content-length"), 0)
        self.conn.stream.deadline = Deadline.after(self.server.timeout + length / SLOWEST)
        super().send_headers()

    def refuse(self, status: int, reason: str, request_id: str | None = None) -> None:
        """Answer in the application's place, if nothing has been sent, and end the connection."""
        self.close_connection = True
        if not self.sent_headers:
            self.sent_headers = True
            self.conn.stream.deadline = Deadline.after(self.server.timeout)
            self.conn.stream.write(refusal(status, reason, request_id))
        self.conn.stream.flush()

    def simple_response(self, status: str, msg: str = "") -> None:
        """What Cheroot says itself, in the clients' format, too."""
        self.refuse(int(status[:3]), msg or status[4:])

    def _go_on(self) -> None:
        self.conn.stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.conn.stream.flush()


class _Gateway(Gateway_10):
    """Calls the application, and survives whatever it raises."""

    def respond(self) -> None:
        try:
            super().respond()
        except ClientGone:
            raise
        except BaseException as exc:
            if isinstance(self.req.rfile.failure, ClientGone):
                raise self.req.rfile.failure from exc
            if not self._refused_body():
                self._fail()

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ["SERVER_NAME"] = self.req.server.bind_addr[0]
        return environ

    def write(self, chunk: bytes) -> None:
        if not self.req.sent_headers and self._refused_body():
            return
        if self.req.sent_headers and self.req.close_connection and self.req.rfile.failure is not None:
            return
        super().write(chunk)

    def _refused_body(self) -> bool:
        """Answer for a body that broke the rules, whatever the application made of it."""
        failure = self.req.rfile.failure
        if isinstance(failure, ClientGone):
            raise failure
        if failure is None or self.req.sent_headers:
            return False
        self.req.refuse(failure.status, failure.reason)
        return True

    def _fail(self) -> None:
        name = self.env.get(REQUEST_ID_KEY) or request_id(self.env)
        LOG.exception("%s %s failed (%s)", self.env.get("REQUEST_METHOD"), self.env.get("PATH_INFO"), name)
        self.req.outheaders = []
        self.req.refuse(500, "an internal error happened; the service's log has it under this request's id", name)


class _Connection(HTTPConnection):
    """One connection: TLS first, where it is HTTPS, then request after request."""

    RequestHandlerClass = _Request
    arrived = False
    """Whether its first byte has been seen."""

    def __init__(self, server: Any, sock: socket.socket, makefile: Any = None) -> None:
        self.stream = Stream(sock, server.timeout)
        super().__init__(server, sock, makefile=lambda *_: self.stream)
        self.socket: Any = sock

    def communicate(self) -> bool:
        """Serve what has arrived; tell whether the connection stays open."""
        try:
            if self.server.tls is not None and not self.ssl_env:
                self._handshake(self.server.tls)
            return self._serve()
        except ClientGone as exc:
            LOG.debug("connection from %s: %s", self.remote_addr, exc)
        except OSError as exc:
            LOG.debug("connection from %s broke: %s", self.remote_addr, exc)
        return False

    def _serve(self) -> bool:
        request = self.RequestHandlerClass(self.server, self)
        try:
            request.parse_request()
            if not request.ready:
                return False
            self.requests_seen += 1
            request.respond()
        except Refused as exc:
            request.refuse(exc.status, exc.reason)
            self._let_the_answer_arrive()
            return False
        if request.close_connection and not request.rfile.exhausted:
            self._let_the_answer_arrive()
        return not request.close_connection

    def _handshake(self, context: ssl.SSLContext) -> None:
        try:
            secured = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        except OSError as exc:
            raise ClientGone(f"the TLS handshake failed: {exc}") from exc
        self.socket = self.stream.socket = secured
        handshake(secured, Deadline.after(min(HEAD_SECONDS, self.server.timeout)), refusal(400, "this port speaks HTTPS"))
        self.ssl_env = {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def _let_the_answer_arrive(self) -> None:
        """Read on for a moment: closing with unread input would reset the connection before the client read its answer."""
        deadline = Deadline.after(_LINGER)
        try:
            self.socket.shutdown(socket.SHUT_WR)
            while not deadline.expired:
                self.socket.settimeout(max(0.01, deadline.remaining()))
                if not self.socket.recv(65536):
                    return
        except OSError:
            return

    def close(self) -> None:
        """Close the socket; never raises."""
        self.stream.close()
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError as exc:
            LOG.debug("closing: %s", exc)
        self.socket.close()


class _Connections(ConnectionManager):
    """Cheroot's selector, which can be woken and survives a lack of file descriptors."""

    _selector: Any

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._waker, self._woken = socket.socketpair()
        self.last_used = float("inf")
        self._selector.register(self._woken.fileno(), selectors.EVENT_READ, data=self)

    def wake(self) -> None:
        """Have :meth:`run` return."""
        self._stop_requested = True
        self._waker.send(b"\0")

    def finish(self, until: Deadline) -> None:
        """After :meth:`run`: have served what was accepted and is just arriving; take nothing new.

        Without this, a client that was let in and sends its first request at this moment would see its connection closed.
        """
        self._selector.unregister(self.server.socket.fileno())
        with contextlib.suppress(KeyError):  # when it has woken the loop, that one has forgotten it
            self._selector.unregister(self._woken.fileno())
        fresh = True
        while fresh and not until.expired:
            fresh = any(connection.requests_seen == 0 for _, connection in self._selector.connections)
            for descriptor, connection in list(self._selector.select(until.remaining() if fresh else 0)):
                self._selector.unregister(descriptor)
                self.server.process_conn(connection)

    def close(self) -> None:
        """Close all connections that wait, and what this object itself is woken by."""
        for connection in [connection for _, connection in self._selector.connections]:
            if connection not in (self, self.server):
                connection.close()
        self._selector.close()
        self._waker.close()
        self._woken.close()

    def _from_server_socket(self, server_socket: socket.socket) -> Any:
        try:
            return super()._from_server_socket(server_socket)  # type: ignore[misc]
        except OSError as exc:
            if exc.errno not in _OUT_OF_RESOURCES:
                raise
            LOG.error("a connection could not be accepted: %s; raise the limit of open files or lower the load", exc.strerror)
            time.sleep(_PAUSE)
            return None


class Server(CherootServer):
    """Cheroot's server on a socket that listens already, with workers of our own."""

    ConnectionClass = _Connection
    keep_alive_conn_limit = MOST_IDLE

    def __init__(self, app: WSGIApplication, config: APIConfig, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        super().__init__(listener.getsockname()[:2], _Gateway, server_name="baremetal-sdk")
        logging.statistics.pop(f"Cheroot HTTPServer {id(self)}", None)  # type: ignore[attr-defined]
        self.wsgi_app = app
        self.tls = tls
        self.timeout: float = config.request_timeout  # type: ignore[assignment]
        self.max_request_body_size = config.max_request_body_size
        self.software = self.server_name
        self.socket = listener
        self.requests: Workers[_Connection] = Workers(
            self._handle, minimum=config.min_threads, maximum=config.max_threads, waiting=MOST_WAITING, name="http"
        )
        self._connections = _Connections(self)
        self.ready = True

    def serve(self) -> None:
        """Select over connections until :meth:`stop`."""
        while self.ready:
            try:
                self._connections.run(self.expiration_interval)
            except Exception:
                LOG.exception("the HTTP server failed to handle a connection; it goes on")
                time.sleep(_PAUSE)

    def process_conn(self, conn: Any) -> None:
        """Have a worker serve a connection that something arrived on; a new one waits for its first byte."""
        if conn is self._connections:
            return
        if not conn.arrived:
            conn.arrived = True
            self._wait_on(conn)
        elif not self.requests.put(conn):
            _turn_away(conn)

    def put_conn(self, conn: _Connection) -> None:
        """Let a connection wait for its next request; once the server stops there is none."""
        if self.ready:
            self._wait_on(conn)
        else:
            conn.close()

    def _wait_on(self, conn: _Connection) -> None:
        try:
            self._connections.put(conn)
        except (OSError, ValueError, KeyError, AttributeError):  # the selector was closed in between
            LOG.debug("a connection was closed because the server stops")
            conn.close()

    def stop(self) -> None:
        """Accept nothing more; workers go on with what they have."""
        self.ready = False
        self._connections.wake()

    def close(self, deadline: Deadline) -> None:
        """Once :meth:`serve` has ended: serve who was let in last, close the listening socket and all who wait."""
        self._connections.finish(deadline.within(_LINGER))
        self.socket.close()
        self._connections.close()
        self.requests.close()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Cheroot's own messages go where all others go."""
        LOG.log(level, "%s", msg, exc_info=traceback)

    def _handle(self, conn: _Connection) -> None:
        stays = False
        try:
            stays = conn.communicate()
        finally:
            if stays:
                self.put_conn(conn)
            else:
                conn.close()


def _turn_away(conn: _Connection) -> None:
    try:
        if conn.server.tls is None or conn.ssl_env:
            conn.socket.setblocking(False)
            conn.socket.send(refusal(503, "too many requests wait already; try again"))
    except OSError as exc:
        LOG.debug("turning a connection away: %s", exc)
    conn.close()
