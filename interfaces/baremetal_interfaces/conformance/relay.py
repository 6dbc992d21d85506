"""A relay between a driver and its BMC that simulates misbehaving BMCs and networks."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from enum import StrEnum
from typing import Self

from baremetal_interfaces.conformance.outcome import NotOffered

_ATTEMPTS = 20
_RECEIVE_BYTES = 65536
_POLL_INTERVAL_S = 0.05
_SETTLE_TIMEOUT_S = 5.0
_STOP_TIMEOUT_S = 5.0
_CONNECT_TIMEOUT_S = 10.0
_GARBAGE = b"\x15\x00\xff? this is neither the protocol nor an answer \x00\xfe\r\n\r\n"


class Misbehaviour(StrEnum):
    """Ways in which a BMC can misbehave."""

    SLOW = "slow"
    """Each response is delayed."""
    SILENT = "silent"
    """It accepts connections and messages, and never responds."""
    WRONG = "wrong"
    """Its responses are meaningless bytes."""
    UNREACHABLE = "away"
    """It breaks all connections, as during a restart, until it recovers."""
    LIES = "lies"
    """It accepts power commands, reports success, and does nothing."""


class Relay:
    """Context manager that forwards TCP connections and UDP messages to *target*, with the misbehavior :attr:`mode`.

    *delay* is the delay of a slow response in seconds. :attr:`port` is the port of 127.0.0.1 for both protocols. A mode of None
    forwards everything unchanged.
    """

    def __init__(self, target: tuple[str, int], delay: float = 0.2) -> None:
        self.target = target
        self.mode: Misbehaviour | None = None
        self.port = 0
        self._delay = delay
        self._stopped = threading.Event()
        self._marker = os.urandom(32)
        self._settled = threading.Event()
        self._tcp, self._udp = _bind_pair()
        self.port = int(self._tcp.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = [self._tcp, self._udp]

    def __enter__(self) -> Self:
        for work in (self._accept, self._receive):
            self._start(work)
        return self

    def __exit__(self, *_: object) -> None:
        self._settle()
        self._stopped.set()
        # A shutdown wakes the threads that wait on the sockets. Close the sockets only after the threads have ended.
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_STOP_TIMEOUT_S)
        for sock in self._sockets:
            sock.close()

    def behave(self, mode: Misbehaviour | None) -> None:
        """Switch to *mode*. UDP messages received before are still handled in the previous mode.

        Without that, a logout that the driver sends without waiting for a response would be lost.
        """
        self._settle()
        self.mode = mode

    def _settle(self) -> None:
        """Wait until all received UDP messages are handled.

        The relay sends a marker to itself. Loopback keeps the order, so the marker arrives after all earlier messages.
        """
        self._settled.clear()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(self._marker, ("127.0.0.1", self.port))
        self._settled.wait(_SETTLE_TIMEOUT_S)

    def _start(self, work: object, *given: object) -> None:
        thread = threading.Thread(target=work, args=given, name="conformance-relay", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        self._tcp.settimeout(_POLL_INTERVAL_S)
        while not self._stopped.is_set():
            try:
                client, _ = self._tcp.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._sockets.append(client)
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """Forward one connection until either side or the relay ends it."""
        if self.mode is Misbehaviour.UNREACHABLE:
            _reset(client)
            return
        try:
            server = socket.create_connection(self.target, timeout=_CONNECT_TIMEOUT_S)
        except OSError:
            _reset(client)
            return
        self._sockets.append(server)
        self._start(self._copy, server, client, True)
        self._copy(client, server, False)

    def _copy(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        """Forward one direction of a connection; *answers* is True for the direction from the BMC to the driver."""
        source.settimeout(_POLL_INTERVAL_S)
        while not self._stopped.is_set():
            try:
                data = source.recv(_RECEIVE_BYTES)
            except TimeoutError:
                if self.mode is not Misbehaviour.UNREACHABLE:
                    continue
                data = b""
            except OSError:
                data = b""
            if not data:
                break
            if not self._forward(data, source, sink, answers):
                break
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _forward(self, data: bytes, source: socket.socket, sink: socket.socket, answers: bool) -> bool:
        """Send *data* from *source* to *sink*, unless the mode requires misbehavior. Return whether the connection stays open.

        *answers* is True for data from the BMC to the driver. ``UNREACHABLE`` ends the connection. ``SILENT`` drops *data*.
        ``SLOW`` delays answers. ``WRONG`` sends garbage to the driver instead of an answer, and ends the connection.
        """
        mode = self.mode
        if mode is Misbehaviour.UNREACHABLE:
            return False
        if mode is Misbehaviour.SILENT:
            return True
        try:
            if mode is Misbehaviour.WRONG:
                if not answers:
                    source.sendall(_GARBAGE)
                return False
            if mode is Misbehaviour.SLOW and answers:
                self._stopped.wait(self._delay)
            sink.sendall(data)
        except OSError:
            return False
        return True

    def _receive(self) -> None:
        """Forward UDP messages of drivers to the BMC, over one socket for each driver, so that responses find their way."""
        self._udp.settimeout(_POLL_INTERVAL_S)
        peers: dict[object, socket.socket] = {}
        while not self._stopped.is_set():
            try:
                data, peer = self._udp.recvfrom(_RECEIVE_BYTES)
            except TimeoutError:
                continue
            except OSError:
                if self._stopped.is_set():
                    return
                continue
            if data == self._marker:
                self._settled.set()
                continue
            if self.mode in (Misbehaviour.SILENT, Misbehaviour.UNREACHABLE):
                continue
            if self.mode is Misbehaviour.WRONG:
                self._udp.sendto(_GARBAGE, peer)
                continue
            if peer not in peers:
                peers[peer] = self._connect_udp()
                self._start(self._forward_responses, peers[peer], peer)
            with contextlib.suppress(OSError):
                peers[peer].send(data)

    def _connect_udp(self) -> socket.socket:
        family = socket.getaddrinfo(*self.target, type=socket.SOCK_DGRAM)[0][0]
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.connect(self.target)
        self._sockets.append(server)
        return server

    def _forward_responses(self, server: socket.socket, peer: object) -> None:
        server.settimeout(_POLL_INTERVAL_S)
        while not self._stopped.is_set():
            try:
                data = server.recv(_RECEIVE_BYTES)
            except TimeoutError:
                continue
            except OSError:
                return
            if self.mode is Misbehaviour.SLOW:
                self._stopped.wait(self._delay)
            if self.mode in (None, Misbehaviour.SLOW):
                with contextlib.suppress(OSError):
                    self._udp.sendto(data, peer)  # type: ignore[call-overload]


def _reset(client: socket.socket) -> None:
    """Reset a connection: with a linger time of 0, close() sends RST."""
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()


def _bind_pair() -> tuple[socket.socket, socket.socket]:
    """Return a TCP and a UDP socket on the same port of 127.0.0.1."""
    for _ in range(_ATTEMPTS):
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp.bind(("127.0.0.1", 0))
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            continue
        tcp.listen(64)
        return tcp, udp
    raise NotOffered("this host has no port that is free for TCP and for UDP")
