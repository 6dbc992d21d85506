"""Sockets of the HTTP client: a connected socket whose operations end by a deadline, and the function that connects it."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import select
import socket
import ssl
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any

from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.http.abandonable import AbandonableCalls
from baremetal_interfaces.http.errors import (
    Broken,
    ConnectFailed,
    HandshakeFailed,
    LocalFailure,
    NameLookupFailed,
    TimedOut,
    TLSFailed,
    TooLarge,
)
from baremetal_interfaces.sending import check_send

_MIN_TIMEOUT_S = 0.001
"""Shortest timeout of a socket, in seconds. Zero would make the socket non-blocking."""
_RECEIVE_BYTES = 64 * 1024
"""Maximum number of bytes of one recv()."""
_TIMEVAL = struct.Struct("@ll")
_TCP_INFO = struct.Struct("@B127xQ")
"""Fields of Linux' ``struct tcp_info``: ``tcpi_state`` at offset 0, and ``tcpi_bytes_received`` at offset 128."""
_ESTABLISHED = 1
"""``TCP_ESTABLISHED`` of Linux' tcp_states.h."""
LOCAL_ERRNOS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EBADF, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM}
)
"""Socket errors of this process or host, which say nothing about the server."""
_MAX_LOOKUPS = 512
"""Maximum number of name lookups at the same time. The system's resolver may take half a minute for one."""
_SEND_FLAGS = (socket.MSG_DONTWAIT,) if sys.platform == "linux" else ()


class DeadlineSocket:
    """A connected socket for one request at a time. It may be used between :meth:`begin` and :meth:`end`.

    One thread uses it at a time; only :meth:`shut_down` may be called by other threads.
    """

    __slots__ = (
        "_bytes_left",
        "_deadline",
        "_poll",
        "_recv_waits",
        "_silence",
        "_socket",
        "_total_received",
        "busy",
        "ended",
        "idle_since",
        "received",
        "sent",
    )

    def __init__(self, sock: socket.socket) -> None:
        # Each call that may block releases the interpreter lock and has to wait for it afterwards, so fewer calls are faster.
        # On Linux recv() on plain TCP waits by itself, with SO_RCVTIMEO as its limit. Elsewhere, and with TLS, the socket does
        # not block and poll() waits, which takes one call more.
        self._recv_waits = sys.platform == "linux" and not isinstance(sock, ssl.SSLSocket)
        sock.settimeout(None if self._recv_waits else 0)
        self._socket = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._deadline: Deadline | None = None
        self._silence = 0.0
        self._bytes_left = 0
        self._total_received = 0
        self.sent = 0
        """Bytes of the current request that the kernel has accepted."""
        self.received = 0
        """Bytes of the current response that were received."""
        self.ended = False
        """True once the server has closed its side."""
        self.busy = False
        """True while a request is in progress; set by the session."""
        self.idle_since = time.monotonic()

    def begin(self, deadline: Deadline, silence: float, room: int) -> None:
        """Start a request.

        It ends by *deadline*. The server may be silent for *silence* seconds, and may send *room* bytes in total.
        """
        self._deadline, self._silence, self._bytes_left = deadline, silence, room
        self.sent = self.received = 0

    def end(self) -> None:
        """End the request and start the idle time."""
        self._deadline = None
        self.idle_since = time.monotonic()

    def is_quiet(self) -> bool:
        """Return whether the idle connection is still open and the server has sent nothing unrequested."""
        if self._recv_waits:
            # getsockopt() keeps the interpreter lock, unlike poll(). A connection is quiet if it is established and the
            # kernel has received no more bytes than were read.
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
            if len(info) == _TCP_INFO.size:
                return _TCP_INFO.unpack(info) == (_ESTABLISHED, self._total_received)
        return not self._poll.poll(0) and not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending())

    def write_all(self, data: bytes) -> None:
        """Send all of *data* by the request's deadline. Checks before each send whether the caller may still send."""
        rest = memoryview(data)
        while rest:
            check_send()
            try:
                sent = self._socket.send(rest, *_SEND_FLAGS) if self._recv_waits else self._socket.send(rest)
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(select.POLLOUT, "the server does not take the request")
                continue
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, "the server does not take the request")
                continue
            self.sent += sent
            rest = rest[sent:]
        check_send(sent=True)
        self._enable_quick_ack()

    def receive(self) -> bytes:
        """Return the next bytes of the stream as soon as some arrive; empty at the end of the stream."""
        if self._bytes_left <= 0:
            raise TooLarge("the response is larger than the session allows")
        if self._recv_waits:
            return self._count(self._receive("the response is not complete"))
        # poll() does not see bytes that the TLS layer has already decrypted.
        event = 0 if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() else select.POLLIN
        while True:
            if event:
                self._wait(event, "the response is not complete")
            try:
                data = self._socket.recv(min(_RECEIVE_BYTES, self._bytes_left))
                break
            except (BlockingIOError, ssl.SSLWantReadError):
                event = select.POLLIN
            except ssl.SSLWantWriteError:
                event = select.POLLOUT
        return self._count(data)

    def _count(self, data: bytes) -> bytes:
        self._bytes_left -= len(data)
        self._total_received += len(data)
        self.received += len(data)
        self.ended = not data
        return data

    def _receive(self, doing: str) -> bytes:
        """Return the next bytes; recv() itself waits for them."""
        while True:
            left = self._compute_timeout(doing)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(int(left), int(left % 1 * 1e6)))
            try:
                return self._socket.recv(min(_RECEIVE_BYTES, self._bytes_left))
            except BlockingIOError:
                # The kernel may wait slightly less than the timeout: try again unless a limit was really reached.
                if self._deadline is None or self._deadline.expired or left >= self._silence:
                    raise self._timed_out(doing) from None

    def shut_down(self) -> None:
        """Shut the connection down, from any thread. A thread that waits on the socket then reads the end of the stream."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket. Only the thread that uses it may call this: another thread could close a reused descriptor."""
        self._socket.close()

    def _enable_quick_ack(self) -> None:
        """Acknowledge the first part of the response at once.

        A server that sends head and body separately waits for that acknowledgment (Nagle's algorithm), which Linux delays by
        40 ms. The kernel resets the option, so it is set for each request.
        """
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _wait(self, event: int, doing: str) -> None:
        """Wait for *event* of poll() within the limits of the request. *doing* describes the problem in the error."""
        left = self._compute_timeout(doing)
        if event != select.POLLIN:
            self._poll.modify(self._socket, event)
        try:
            events = self._poll.poll(1000.0 * left)
        finally:
            if event != select.POLLIN:
                self._poll.modify(self._socket, select.POLLIN)
        if not events:
            raise self._timed_out(doing)

    def _compute_timeout(self, doing: str) -> float:
        """Return how many seconds a call may wait: until the deadline, and no longer than the allowed silence."""
        if self._deadline is None:
            raise Broken("the connection was used after its request had ended")
        remaining = self._deadline.remaining()
        if remaining <= 0:
            raise TimedOut(f"{doing}, and the deadline of the request has passed")
        return max(_MIN_TIMEOUT_S, min(remaining, self._silence))

    def _timed_out(self, doing: str) -> TimedOut:
        if self._deadline is None or self._deadline.expired:
            return TimedOut(f"{doing}, and the deadline of the request has passed")
        return TimedOut(f"{doing}, and the server has been silent for {self._silence:g} s")


def connect(host: str, port: int, tls: ssl.SSLContext | None, limit: Deadline) -> DeadlineSocket:
    """Connect to *host*, with TLS if *tls* is a context. Name lookup, connection and handshake end by *limit*.

    Raises :class:`ConnectFailed`, :class:`TLSFailed` or :class:`LocalFailure`.
    """
    addresses = resolve(host, port, limit, kind=socket.SOCK_STREAM)
    failure: OSError | None = None
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as exc:
            failure = exc
            continue
        try:
            # Share the time between the addresses, so that one without an answer leaves time for the others.
            sock.settimeout(max(_MIN_TIMEOUT_S, limit.remaining() / (len(addresses) - index)))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as exc:
            sock.close()
            failure = exc
            continue
        return DeadlineSocket(sock if tls is None else _start_tls(sock, tls, host, limit))
    if isinstance(failure, TimeoutError):
        raise ConnectFailed("the server does not answer the connection attempt") from None
    if failure is not None and failure.errno in LOCAL_ERRNOS:
        raise LocalFailure(f"this host could not open a connection ({_reason(failure)})") from None
    raise ConnectFailed(f"the connection failed ({_reason(failure)})") from None


def _start_tls(sock: socket.socket, tls: ssl.SSLContext, host: str, limit: Deadline) -> ssl.SSLSocket:
    wrapped = tls.wrap_socket(sock, server_hostname=host.partition("%")[0], do_handshake_on_connect=False)
    try:
        wrapped.settimeout(max(_MIN_TIMEOUT_S, limit.remaining()))
        wrapped.do_handshake()
    except TimeoutError:
        wrapped.close()
        raise HandshakeFailed("the server accepted the connection and did not finish the TLS handshake in time") from None
    except ssl.SSLCertVerificationError as exc:
        wrapped.close()
        raise TLSFailed(f"the server's certificate is not trusted ({exc.verify_message or exc.reason})") from None
    except ssl.SSLError as exc:
        wrapped.close()
        raise TLSFailed(f"the TLS handshake fails ({exc.reason or _reason(exc)}); does it speak TLS at this port?") from None
    except OSError as exc:
        wrapped.close()
        raise HandshakeFailed(f"the server closes the connection during the TLS handshake ({_reason(exc)})") from None
    return wrapped


Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""An address as ``socket.getaddrinfo`` returns it."""
_lookups: AbandonableCalls[Sequence[Address]] = AbandonableCalls("name lookup", _MAX_LOOKUPS)


def resolve(host: str, port: int, limit: Deadline, *, kind: socket.SocketKind) -> Sequence[Address]:
    """Return the addresses of a host, never none. Raises ``NameLookupFailed`` if the name is unknown or not resolved by *limit*.

    The system's resolver has no timeout, so a thread runs it and is abandoned if late.
    """
    is_numeric = True
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        is_numeric = False
    try:
        if is_numeric:
            return socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)
        found = _lookups.run((host, port, kind), lambda: socket.getaddrinfo(host, port, type=kind), limit)
    except TimeoutError:
        raise NameLookupFailed("the host name was not resolved in time") from None
    except OSError as exc:
        wrong = "the address is not valid" if is_numeric else "the host name is unknown"
        raise NameLookupFailed(f"{wrong} ({_reason(exc)})") from None
    except UnicodeError:
        raise NameLookupFailed("the host name is unknown (not a valid host name)") from None
    if not found:
        raise NameLookupFailed("the host name is unknown (no address)")
    return found


def _reason(exc: OSError | None) -> str:
    return "" if exc is None else exc.strerror or str(exc) or type(exc).__name__
