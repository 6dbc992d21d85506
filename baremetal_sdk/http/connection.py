"""Client connection of the HTTP server: its socket, its state, its buffered input and its unsent output."""

from __future__ import annotations

import socket
import ssl
import struct
from enum import Enum
from typing import Any, Protocol

from baremetal_sdk.http.address import get_client_network, normalize_address
from baremetal_sdk.http.body import RequestBody
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.output import OutputBuffer
from baremetal_sdk.http.request_head import RequestHead, take_head
from baremetal_sdk.http.sockets import ListeningSocket
from baremetal_sdk.http.streaming import CLIENT_LEFT

_RECEIVE_BYTES = 65536
"""Maximum bytes in one call of ``recv``."""
_MAX_FILL_BYTES = 4 * _RECEIVE_BYTES
"""Bytes that :meth:`Connection.fill` reads before other connections are served."""
_MAX_FILL_CALLS = 32
"""Calls of ``recv`` in one :meth:`Connection.fill`. A TLS record can hold a single byte, so bytes alone do not limit the work."""
_CREDENTIALS = struct.Struct("3i")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""``struct linger`` with a timeout of 0: closing the socket sends RST and drops unsent data (socket(7))."""


class ConnectionState(Enum):
    """State of a connection. The state also says which thread owns the connection.

    In ``IN_WORKER`` only a worker touches the connection, in ``STREAMING`` only the thread of the stream sender, and in all
    other states only the event loop. An owner that passes the connection on writes the state after all other attributes.
    """

    IDLE = "waits for a request to begin"
    HANDSHAKE = "waits for TLS handshake data of the client"
    READING_HEAD = "reads a request line and headers"
    READING_BODY = "reads the body of a request"
    IN_WORKER = "belongs to a worker"
    SENDING = "sends at the speed of the client"
    DETACHING = "moves to the stream sender"
    STREAMING = "belongs to the stream sender"
    LINGERING = "waits for the client to read the last response"
    CLOSED = "is closed"


_READING_STATES = (ConnectionState.IDLE, ConnectionState.READING_HEAD, ConnectionState.READING_BODY)


class EndObserver(Protocol):
    """Receiver of the notification that a connection has ended."""

    def notify_end(self, reason: str) -> None:
        """Handle the end of the connection. *reason* is an end reason of module ``streaming``. Later calls have no effect."""


class Connection:
    """One client connection: socket, buffers, current request and deadline. The event loop controls it."""

    __slots__ = (
        "active_since", "body", "buffer", "client", "deadline", "eof_received", "fd", "has_unread_input", "head", "head_scanned",
        "is_prompt", "is_tls", "keep_alive", "listener", "output", "remote_addr", "remote_port", "requests_served", "sock",
        "ssl_env", "stage_started_at", "state", "stream", "watches_output",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, address: Any, listener: ListeningSocket, now: float) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.listener = listener
        self.remote_addr = normalize_address(str(address[0])) if isinstance(address, tuple) else ""
        self.remote_port = int(address[1]) if isinstance(address, tuple) else 0
        self.client = get_client_network(self.remote_addr) or None
        """Key under which limits count the client. None for a unix socket."""
        self.state = ConnectionState.IDLE
        self.buffer = bytearray()
        self.head_scanned = 0
        """Bytes of the buffer that were searched for the end of the headers."""
        self.head: RequestHead | None = None
        self.body: RequestBody | None = None
        self.output = OutputBuffer(sock)
        self.ssl_env: dict[str, Any] = {}
        self.is_tls = False
        """True from the beginning of the TLS handshake."""
        self.requests_served = 0
        self.keep_alive = False
        """True if the connection stays open after the current response."""
        self.has_unread_input = False
        """True if the socket may hold input that ``epoll`` has reported already and will not report again."""
        self.eof_received = False
        """True if the client sends nothing more."""
        self.is_prompt = False
        """True if the current request began within 2 ms (``PROMPT_REQUEST_S``) after the response before it."""
        self.stream: EndObserver | None = None
        """Stream of a streaming response. None for other responses."""
        self.watches_output = False
        """True if ``epoll`` reports that the socket can send."""
        self.active_since = self.stage_started_at = now
        """Time at which the current request began or the connection became idle, and start of the current stage (monotonic)."""
        self.deadline = now
        """Time at which the current stage has to be complete (monotonic)."""

    @property
    def is_reading(self) -> bool:
        """True if the event loop reads a request from the connection, or waits for one."""
        return self.state in _READING_STATES

    @property
    def is_body_paused(self) -> bool:
        """True if the buffer holds more of a body and other connections are served first."""
        return self.state is ConnectionState.READING_BODY and self.body is not None and self.body.is_paused

    def become_idle(self, now: float, limits: HTTPLimits) -> None:
        """Enter the state ``IDLE``: wait for the next request until the idle timeout."""
        self.deadline = now + limits.idle_timeout_s
        self.active_since = now
        self.state = ConnectionState.IDLE

    def start_sending(self, now: float, limits: HTTPLimits) -> None:
        """Enter the state ``SENDING``: the event loop sends the rest of the output at the speed of the client."""
        self.stage_started_at = now
        self.deadline = now + limits.grace_period_s
        self.state = ConnectionState.SENDING

    def start_lingering(self, now: float, limits: HTTPLimits) -> None:
        """Enter the state ``LINGERING``: send nothing more and give the client time to read before the close.

        Closing a socket with unread input would send RST, and the client could lose the response (RFC 9112, section 9.6).
        """
        self.shut_down_output()
        self.deadline = now + limits.linger_s
        self.state = ConnectionState.LINGERING

    def fill(self, thorough: bool) -> None:
        """Read available input into the buffer, up to a limit. Raises ``OSError`` for a broken connection.

        A short read usually means that the socket is empty, so reading stops there and saves a system call. Over TLS or with
        *thorough*, reading stops only when the socket is empty. Use *thorough* if the client may have ended the connection. At
        the limit, ``has_unread_input`` is set.
        """
        left = _MAX_FILL_BYTES
        # OpenSSL may hold decrypted input that epoll does not see.
        thorough = thorough or self.is_tls
        for _ in range(_MAX_FILL_CALLS):
            try:
                size = self.receive()
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            left -= size
            if size == 0 or (size < _RECEIVE_BYTES and not thorough):
                return
            if left <= 0:
                break
        # epoll is edge-triggered and does not report this input again.
        self.has_unread_input = True

    def receive(self) -> int:
        """Read once from the socket into the buffer. Return the number of bytes, 0 at the end of the stream.

        Raises ``OSError``, also if no input is available.
        """
        data = self.sock.recv(_RECEIVE_BYTES)
        self.buffer += data
        self.eof_received = not data
        return len(data)

    def take_head(self, limits: HTTPLimits, budget: BodyBudget) -> bool:
        """Move the head of a request from the buffer to ``head``, and create ``body``. Return False if the head is incomplete.

        Raises ``HTTPError`` for an invalid head.
        """
        head = take_head(self.buffer, self.head_scanned, limits)
        if head is None:
            self.head_scanned = len(self.buffer)
            return False
        self.head_scanned = 0
        self.head, self.body = head, RequestBody(head, limits, budget)
        return True

    def peek(self) -> bytes:
        """Return the first byte of the input and leave it in the socket. Return ``b""`` if the client has closed the connection.

        Raises ``BlockingIOError`` if no input is available.
        """
        return self.sock.recv(1, socket.MSG_PEEK)

    def get_peer_credentials(self) -> tuple[int, int, int]:
        """Return the process ID, user ID and group ID of the peer of a unix socket."""
        raw = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        process, user, group = _CREDENTIALS.unpack(raw)
        return process, user, group

    def discard_input(self) -> None:
        """Discard the buffered input and the current request."""
        self.buffer.clear()
        self.head_scanned = 0
        self.discard_request()

    def discard_request(self) -> None:
        """Discard the current request and the storage of its body."""
        if self.body is not None:
            self.body.close()
        self.head = self.body = None

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Wrap the socket in TLS as the server. The caller runs the handshake."""
        self.is_tls = True
        self.sock = self.output.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)

    def shut_down_output(self) -> None:
        """Tell the client that no more output follows (TLS: close_notify; TCP: FIN). Never raises."""
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()
        except (OSError, ValueError):
            pass  # unwrap() sends close_notify and then wants the client's, which is not worth a wait
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
        except OSError:
            self.eof_received = True

    def abort(self) -> None:
        """Cut the connection in both directions and make its close send a reset. The descriptor stays open.

        A worker that owns the connection gets an error at its next read or write, and the descriptor is closed later.
        """
        # SSLSocket.shutdown() would also discard the TLS object, which a worker may be using.
        try:
            socket.socket.setsockopt(self.sock, socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Release the socket and all buffers, and report the end to a streaming response."""
        self.state = ConnectionState.CLOSED
        if self.stream is not None:
            self.stream.notify_end(CLIENT_LEFT)
        self.discard_input()
        self.output.clear()
        self.sock.close()
