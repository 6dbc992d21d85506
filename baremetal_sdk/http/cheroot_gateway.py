"""What is Cheroot's: a request becomes a call of a WSGI application, and what that gives back becomes an answer.

All that touches Cheroot's internals is in this file. Connections are not left to Cheroot: it reads and shakes hands where others
have to wait for that.
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
from baremetal_sdk.http.error_responses import refusal
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.output import ClientGone
from baremetal_sdk.http.request_id import REQUEST_ID_KEY, request_id
from baremetal_sdk.http.slow_readers import SlowReaderLimit
from baremetal_sdk.http.streaming import StreamingResponse
from baremetal_sdk.http.streams import ResponseStream

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger(__name__)
_OF_THE_CONNECTION = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""Headers that are the server's alone to give: two of a kind could be read in two ways."""
PEER_CREDENTIALS = "baremetal_sdk.peer_credentials"
"""Where the process at the other end of a unix socket is named in the WSGI environment: its id, user and group, as numbers."""


class RequestHandler(CherootServer):
    """Answers requests with a WSGI application, in whatever thread it is asked to."""

    can_add_keepalive_connection = True

    def __init__(self, app: WSGIApplication, limits: HTTPLimits, readers: SlowReaderLimit, log: RequestLog | None = None) -> None:
        super().__init__(("localhost", 0), _Gateway, server_name="baremetal-sdk")
        logging.statistics.pop(f"Cheroot HTTPServer {id(self)}", None)  # type: ignore[attr-defined]
        self.wsgi_app = app
        self.limits = limits
        self.readers = readers
        self.log = log
        self.ready = True
        self.software = self.server_name
        self._date = (0, b"")

    def answer(self, conn: Connection) -> bool:
        """Answer the request that *conn* has; tell whether the connection can stay open."""
        began = time.monotonic()
        request = _Request(self, conn)
        gateway = _Gateway(request)
        try:
            gateway.respond()
            request.finish()
        except ClientGone as exc:
            LOG.debug("connection from %s: %s", conn.remote_addr, exc)
            conn.output.forget()
            request.close_connection = True
        if self.log is not None:
            status = request.status[:3].decode() if request.status else "-"
            self.log.answered(gateway.env, status, gateway.sent, time.monotonic() - began)
        return not request.close_connection

    def date(self) -> bytes:
        """The value of the Date header now."""
        second = int(time.time())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True).encode())
        return self._date[1]

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Cheroot's own messages go where all others go."""
        LOG.log(level, "%s", msg, exc_info=traceback)


class _Request(HTTPRequest):
    """One request, which was read, and its answer."""

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
        self.broken = False
        conn.output.sent = 0

    def send_headers(self) -> None:
        """Put the status line and the headers into what is sent."""
        status, names = int(self.status[:3]), {name.lower() for name, _ in self.outheaders}
        without_body = status < 200 or status in (204, 304)
        if without_body or self.method == b"HEAD":
            self.bodiless = True
        elif b"content-length" not in names:
            self._delimit()
        self.close_connection = self.close_connection or not self.server.ready
        extra = self.outheaders
        if self.close_connection:
            extra.append((b"Connection", b"close"))
        elif self.head.version < (1, 1):
            extra.append((b"Connection", b"keep-alive"))
        if b"date" not in names:
            extra.append((b"Date", self.server.date()))
        if b"server" not in names:
            extra.append((b"Server", b"baremetal-sdk"))
        lines = [b"HTTP/1.1 %b" % self.status, *(name + b": " + value for name, value in extra), b"\r\n"]
        self.conn.output.write(b"\r\n".join(lines))

    def write(self, chunk: bytes) -> None:
        """Put a piece of the body into what is sent."""
        if self.bodiless or not chunk:
            return
        if self.chunked_write:
            chunk = b"%x\r\n%b\r\n" % (len(chunk), chunk)
        self.conn.output.write(chunk)

    def finish(self) -> None:
        """End the answer, and send what goes."""
        if self.chunked_write and not self.broken and self.conn.stream is None:
            self.conn.output.write(b"0\r\n\r\n")
        self.conn.output.flush()

    def push(self, answer: StreamingResponse) -> None:
        """Send the head of an answer that is pushed; the connection ends with it. HEAD asks for nothing more."""
        self.close_connection = True
        self.ensure_headers_sent()
        if self.bodiless:
            return answer.close()
        self.conn.stream = ResponseStream(self.conn, answer, self.chunked_write)
        return None

    def flush(self) -> None:
        """Send what goes, before the application makes the next piece; wait when the client has a lot to read by now."""
        if not self.conn.output.flush() and self.conn.output.pending > self.server.limits.unsent_of_one:
            self.server.readers.wait(self.conn)

    def refuse(self, status: int, reason: str, name: str) -> None:
        """Answer in the application's place, if nothing has been sent, and end the connection."""
        self.close_connection = self.broken = True
        self.chunked_write = False
        if not self.sent_headers:
            self.sent_headers = True
            self.status = str(status).encode()
            self.conn.output.write(refusal(status, reason, name))

    def simple_response(self, status: str, msg: str = "") -> None:
        """What Cheroot would say itself is an error of the application, too."""
        raise ValueError(msg or status)

    def _delimit(self) -> None:
        """Have the client know where a body of unknown length ends."""
        if self.head.version >= (1, 1):
            self.chunked_write = True
            self.outheaders.append((b"Transfer-Encoding", b"chunked"))
        else:
            self.close_connection = True


class _Gateway(Gateway_10):
    """Calls the application, and survives whatever it raises."""

    req: _Request
    env: dict[str, Any]
    sent = 0

    def respond(self) -> None:
        """Call the application and send what it gives."""
        try:
            self._respond()
        except ClientGone:
            raise
        except BaseException:
            self._fail()

    def _respond(self) -> None:
        response: Iterable[bytes] = self.req.server.wsgi_app(self.env, self.start_response)
        if isinstance(response, StreamingResponse) and self.started_response:
            return self.req.push(response)
        try:
            at_once = type(response) in (list, tuple)
            for chunk in response:
                if chunk:
                    self.write(chunk)
                    if not at_once:
                        self.req.flush()
            if not self.started_response:
                raise RuntimeError("the application gave no status")
            self.req.ensure_headers_sent()
        finally:
            close = getattr(response, "close", None)
            if close is not None:
                close()
        if self.remaining_bytes_out is not None and self.sent < self.remaining_bytes_out and not self.req.bodiless:
            raise ValueError(f"the application said {self.remaining_bytes_out} bytes and gave {self.sent}")
        return None

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """What an application calls first (PEP 3333)."""
        if exc_info is not None:
            self.req.outheaders = []
            self.remaining_bytes_out = None
        super().start_response(status, headers, exc_info)
        self.req.outheaders = [header for header in self.req.outheaders if not self._is_of_the_connection(*header)]
        if not status[:3].isdecimal() or status[3:4] != " " or not status.isprintable():
            raise ValueError(f"the application gave a status that is none: {status!r}")
        return self.write_now

    def _is_of_the_connection(self, name: bytes, value: bytes) -> bool:
        """Whether a header is not the application's to give (PEP 3333). It may say that the connection is to end."""
        if b"\n" in value or b"\r" in value or b"\0" in value or b"\n" in name or b"\r" in name:
            raise ValueError(f"the application gave a header {name!r} with a line break in it")
        key = name.lower()
        if key == b"content-length" and not value.isdigit():
            raise ValueError(f"the application gave a Content-Length that is no number: {value!r}")
        if key == b"connection" and b"close" in value.lower():
            self.req.close_connection = True
        return key in _OF_THE_CONNECTION

    def write_now(self, chunk: bytes) -> None:
        """What :meth:`start_response` gives back."""
        self.write(chunk)
        self.req.flush()

    def write(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        if not isinstance(chunk, bytes):
            raise ValueError("the application gave something that is no bytes")
        if not self.started_response:
            raise RuntimeError("the application gave a body before its status")
        self.sent += len(chunk)
        if self.remaining_bytes_out is not None and self.sent > self.remaining_bytes_out and not self.req.bodiless:
            raise ValueError(f"the application said {self.remaining_bytes_out} bytes and gave more")
        self.req.ensure_headers_sent()
        self.req.write(chunk)

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        """The WSGI environment. A body that came in chunks is there as a whole, so it has a length like any other."""
        request, conn = self.req, self.req.conn
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        listener = conn.listener
        environ["SERVER_NAME"] = listener.host if listener.port else "localhost"
        environ["SERVER_PORT"] = str(listener.port or (443 if conn.ssl_env else 80))
        if request.head.chunked:
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            environ["CONTENT_LENGTH"] = str(request.body.size)
        environ["wsgi.input_terminated"] = True
        environ[REQUEST_ID_KEY] = request_id(environ)
        if listener.is_unix:
            environ[PEER_CREDENTIALS] = conn.credentials()
        return environ

    def _fail(self) -> None:
        name = self.env[REQUEST_ID_KEY]
        LOG.exception("%s %s failed (%s)", self.env.get("REQUEST_METHOD"), self.env.get("PATH_INFO"), name)
        self.req.outheaders = []
        self.req.refuse(500, "an internal error happened; the service's log has it under this request's id", name)
