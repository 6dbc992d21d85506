"""A connected socket of which each operation is bounded by a deadline, and what can go wrong with it."""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.http.errors import Broken, ConnectFailed, TimedOut, TLSFailed, TooLarge
from baremetal_interfaces.sending import check_send

_SHORTEST = 0.001
"""Seconds. A socket whose limit is zero would not wait at all, which is another mode of it."""
_PIECE = 64 * 1024
_TIMEVAL = struct.Struct("@ll")
_TCP_INFO = struct.Struct("@B127xQ")
"""Of Linux' ``struct tcp_info`` the state of the connection, and the bytes that the peer has sent over it."""
_ESTABLISHED = 1
_AT_ONCE = (socket.MSG_DONTWAIT,) if sys.platform == "linux" else ()


class DeadlineSocket:
    """One connected socket. Between :meth:`begin` and :meth:`end` it may be written and read; it never waits outside."""

    __slots__ = (
        "_deadline",
        "_kernel_waits",
        "_poll",
        "_read",
        "_room",
        "_silence",
        "_socket",
        "busy",
        "ended",
        "idle_since",
        "received",
        "sent",
    )

    def __init__(self, sock: socket.socket) -> None:
        # Plain TCP on Linux: the kernel bounds the wait in recv() itself. Elsewhere the socket never blocks, and what waits is
        # poll(). Each call that may wait gives up the interpreter, and has to fight for it afterwards: the fewer the better.
        self._kernel_waits = sys.platform == "linux" and not isinstance(sock, ssl.SSLSocket)
        sock.settimeout(None if self._kernel_waits else 0)
        self._socket = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._deadline: Deadline | None = None
        self._silence = 0.0
        self._room = 0
        self._read = 0
        self.sent = 0
        """Bytes of the present request that the kernel has taken."""
        self.received = 0
        """Bytes of the present answer that have come."""
        self.ended = False
        """Whether the peer has closed its side."""
        self.busy = False
        """Whether a request is under way."""
        self.idle_since = time.monotonic()

    def begin(self, deadline: Deadline, silence: float, room: int) -> None:
        """Start a request that ends at *deadline*; the peer may be silent for *silence* seconds and send *room* bytes."""
        self._deadline, self._silence, self._room = deadline, silence, room
        self.sent = self.received = 0

    def end(self) -> None:
        """End the request."""
        self._deadline = None
        self.idle_since = time.monotonic()

    def quiet(self) -> bool:
        """Whether the idle connection still stands and the peer has sent nothing on its own, over TLS neither."""
        if self._kernel_waits:
            # Asked in this way, the kernel answers without others getting the interpreter meanwhile.
            told = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
            if len(told) == _TCP_INFO.size:
                return _TCP_INFO.unpack(told) == (_ESTABLISHED, self._read)
        return not self._poll.poll(0) and not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending())

    def write_all(self, data: bytes) -> None:
        """Send all of *data*, bounded as a whole."""
        rest = memoryview(data)
        while rest:
            check_send()
            try:
                taken = self._socket.send(rest, *_AT_ONCE) if self._kernel_waits else self._socket.send(rest)
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(select.POLLOUT, "it does not take the request")
                continue
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, "it does not take the request")
                continue
            self.sent += taken
            rest = rest[taken:]
        check_send(sent=True)
        self._hasten()

    def read_some(self) -> bytes:
        """What has come, as soon as something has; nothing at the end of the stream."""
        if self._room <= 0:
            raise TooLarge("its answer is larger than allowed")
        if self._kernel_waits:
            return self._got(self._received("its answer is not complete"))
        # What TLS has decoded already the kernel knows nothing of.
        event = 0 if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() else select.POLLIN
        while True:
            if event:
                self._wait(event, "its answer is not complete")
            try:
                data = self._socket.recv(min(_PIECE, self._room))
                break
            except (BlockingIOError, ssl.SSLWantReadError):
                event = select.POLLIN
            except ssl.SSLWantWriteError:
                event = select.POLLOUT
        return self._got(data)

    def _got(self, data: bytes) -> bytes:
        self._room -= len(data)
        self._read += len(data)
        self.received += len(data)
        self.ended = not data
        return data

    def _received(self, doing: str) -> bytes:
        """What has come, waited for by the kernel."""
        while True:
            left = self._left(doing)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(int(left), int(left % 1 * 1e6)))
            try:
                return self._socket.recv(min(_PIECE, self._room))
            except BlockingIOError:
                # It may have waited a little less than it was told to.
                if self._deadline is None or self._deadline.expired or left >= self._silence:
                    raise self._late(doing) from None

    def shut(self) -> None:
        """Wake whoever waits on the socket, from any thread; it reads the end of the stream."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def drop(self) -> None:
        """Close the socket. Only the thread that uses it does so."""
        self._socket.close()

    def _hasten(self) -> None:
        """Have the first part of the answer acknowledged at once: servers that send head and body apart wait for it.

        It lasts for one answer. Without it such servers need 40 ms for each request on Linux.
        """
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _wait(self, event: int, doing: str) -> None:
        """Wait for *event*, as long as may be."""
        left = self._left(doing)
        if event != select.POLLIN:
            self._poll.modify(self._socket, event)
        try:
            there = self._poll.poll(1000.0 * left)
        finally:
            if event != select.POLLIN:
                self._poll.modify(self._socket, select.POLLIN)
        if not there:
            raise self._late(doing)

    def _left(self, doing: str) -> float:
        """Seconds that may be waited: by the request's deadline and the silence that the peer is allowed."""
        if self._deadline is None:
            raise Broken("no request is under way")
        remaining = self._deadline.remaining()
        if remaining <= 0:
            raise TimedOut(f"{doing}, and the time of the request is over")
        return max(_SHORTEST, min(remaining, self._silence))

    def _late(self, doing: str) -> TimedOut:
        if self._deadline is None or self._deadline.expired:
            return TimedOut(f"{doing}, and the time of the request is over")
        return TimedOut(f"{doing}, and it has been silent for {self._silence:g} s")


def connect(host: str, port: int, tls: ssl.SSLContext | None, limit: Deadline) -> DeadlineSocket:
    """Connect to *host*, with TLS where there is a context, all of it by *limit*."""
    addresses = _resolve(host, port, limit)
    failure: OSError | None = None
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            # An address that does not answer leaves the others their share.
            sock.settimeout(max(_SHORTEST, limit.remaining() / (len(addresses) - index)))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as exc:
            sock.close()
            failure = exc
            continue
        return DeadlineSocket(sock if tls is None else _secured(sock, tls, host, limit))
    if isinstance(failure, TimeoutError):
        raise ConnectFailed("it does not answer to a connection") from None
    raise ConnectFailed(f"it cannot be connected to ({_reason(failure)})") from None


def _secured(sock: socket.socket, tls: ssl.SSLContext, host: str, limit: Deadline) -> ssl.SSLSocket:
    wrapped = tls.wrap_socket(sock, server_hostname=host.partition("%")[0], do_handshake_on_connect=False)
    try:
        wrapped.settimeout(max(_SHORTEST, limit.remaining()))
        wrapped.do_handshake()
    except TimeoutError:
        wrapped.close()
        raise ConnectFailed("it accepts a connection and does not finish the TLS handshake") from None
    except ssl.SSLCertVerificationError as exc:
        wrapped.close()
        raise TLSFailed(f"its certificate is not trusted ({exc.verify_message or exc.reason})") from None
    except ssl.SSLError as exc:
        wrapped.close()
        raise TLSFailed(f"the TLS handshake fails ({exc.reason or _reason(exc)}); does it speak TLS at this port?") from None
    except OSError as exc:
        wrapped.close()
        raise ConnectFailed(f"it ends the connection in the TLS handshake ({_reason(exc)})") from None
    return wrapped


_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


def _resolve(host: str, port: int, limit: Deadline) -> Sequence[_Address]:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _looked_up(host, port, limit)
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError as exc:
        raise ConnectFailed(f"it is not an address to connect to ({_reason(exc)})") from None


def _looked_up(host: str, port: int, limit: Deadline) -> Sequence[_Address]:
    """Ask the resolver, whose own limits cannot be set, in a thread that is left behind when it takes too long."""
    found: list[_Address] = []
    failed: list[OSError] = []

    def ask() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            failed.append(exc if isinstance(exc, OSError) else OSError("it is not a host name"))

    thread = threading.Thread(target=ask, name=f"resolve {host}", daemon=True)
    thread.start()
    thread.join(limit.remaining())
    if thread.is_alive():
        raise ConnectFailed("its name is not resolved in time")
    if failed or not found:
        raise ConnectFailed(f"its name is not known ({_reason(failed[0]) if failed else 'no address'})")
    return found


def _reason(exc: OSError | None) -> str:
    return "" if exc is None else exc.strerror or str(exc) or type(exc).__name__
