"""Stands between a driver and its BMC, on loopback, and behaves as bad BMCs and bad networks do."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from enum import StrEnum
from typing import Self

from baremetal_interfaces.conformance.outcome import NotOffered

_ATTEMPTS = 20
_PIECE = 65536
_POLL = 0.05
_SETTLING_SECONDS = 5.0
_GARBAGE = b"\x15\x00\xff? this is neither the protocol nor an answer \x00\xfe\r\n\r\n"


class Misbehaviour(StrEnum):
    """What a BMC can be like."""

    SLOW = "slow"
    """Every answer takes a while."""
    SILENT = "silent"
    """It takes a connection, or a message, and never answers."""
    WRONG = "wrong"
    """What it answers makes no sense."""
    AWAY = "away"
    """It breaks every connection, as one that restarts, and comes back."""
    LIES = "lies"
    """It takes power commands, says that all is well, and does nothing."""


class Relay:
    """Passes on what comes over TCP and UDP to *target*, as its :attr:`mode` says; None passes all on, at once.

    A context manager. :attr:`port` is the port of 127.0.0.1 that it listens on, for both.
    """

    def __init__(self, target: tuple[str, int], delay: float = 0.2) -> None:
        self.target = target
        self.mode: Misbehaviour | None = None
        self.port = 0
        self._delay = delay
        self._over = threading.Event()
        self._mark = os.urandom(32)
        self._settled = threading.Event()
        self._tcp, self._udp = _pair()
        self.port = int(self._tcp.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = [self._tcp, self._udp]

    def __enter__(self) -> Self:
        for work in (self._accept, self._receive):
            self._start(work)
        return self

    def __exit__(self, *_: object) -> None:
        self._settle()
        self._over.set()
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5.0)
        for one in self._sockets:
            one.close()

    def behave(self, mode: Misbehaviour | None) -> None:
        """Be like that from now on. What was sent before, a logout that nobody waits for, is still handled as before."""
        self._settle()
        self.mode = mode

    def _settle(self) -> None:
        """Wait until every message that has come is handled: a mark of our own comes after all of them."""
        self._settled.clear()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
            mine.sendto(self._mark, ("127.0.0.1", self.port))
        self._settled.wait(_SETTLING_SECONDS)

    def _start(self, work: object, *given: object) -> None:
        thread = threading.Thread(target=work, args=given, name="conformance-relay", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        self._tcp.settimeout(_POLL)
        while not self._over.is_set():
            try:
                client, _ = self._tcp.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._sockets.append(client)
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """One connection: until either side, or the relay, ends it."""
        if self.mode is Misbehaviour.AWAY:
            _break(client)
            return
        try:
            server = socket.create_connection(self.target, timeout=10.0)
        except OSError:
            _break(client)
            return
        self._sockets.append(server)
        self._start(self._copy, server, client, True)
        self._copy(client, server, False)

    def _copy(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        source.settimeout(_POLL)
        while not self._over.is_set():
            try:
                data = source.recv(_PIECE)
            except TimeoutError:
                if self.mode is not Misbehaviour.AWAY:
                    continue
                data = b""
            except OSError:
                data = b""
            if not data:
                break
            if not self._passed_on(data, source, sink, answers):
                break
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _passed_on(self, data: bytes, source: socket.socket, sink: socket.socket, answers: bool) -> bool:
        """Send *data* on as the mode says; whether the connection goes on."""
        mode = self.mode
        if mode is Misbehaviour.AWAY:
            return False
        if mode is Misbehaviour.SILENT:
            return True
        try:
            if mode is Misbehaviour.WRONG:
                if not answers:
                    source.sendall(_GARBAGE)
                return False
            if mode is Misbehaviour.SLOW and answers:
                self._over.wait(self._delay)
            sink.sendall(data)
        except OSError:
            return False
        return True

    def _receive(self) -> None:
        self._udp.settimeout(_POLL)
        peers: dict[object, socket.socket] = {}
        while not self._over.is_set():
            try:
                data, peer = self._udp.recvfrom(_PIECE)
            except TimeoutError:
                continue
            except OSError:
                if self._over.is_set():
                    return
                continue
            if data == self._mark:
                self._settled.set()
                continue
            if self.mode in (Misbehaviour.SILENT, Misbehaviour.AWAY):
                continue
            if self.mode is Misbehaviour.WRONG:
                self._udp.sendto(_GARBAGE, peer)
                continue
            if peer not in peers:
                peers[peer] = self._towards_target()
                self._start(self._answers, peers[peer], peer)
            with contextlib.suppress(OSError):
                peers[peer].send(data)

    def _towards_target(self) -> socket.socket:
        family = socket.getaddrinfo(*self.target, type=socket.SOCK_DGRAM)[0][0]
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.connect(self.target)
        self._sockets.append(server)
        return server

    def _answers(self, server: socket.socket, peer: object) -> None:
        server.settimeout(_POLL)
        while not self._over.is_set():
            try:
                data = server.recv(_PIECE)
            except TimeoutError:
                continue
            except OSError:
                return
            if self.mode is Misbehaviour.SLOW:
                self._over.wait(self._delay)
            if self.mode in (None, Misbehaviour.SLOW):
                with contextlib.suppress(OSError):
                    self._udp.sendto(data, peer)  # type: ignore[call-overload]


def _break(client: socket.socket) -> None:
    """End a connection at once, without a word."""
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    """A TCP and a UDP socket at one port of 127.0.0.1."""
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
