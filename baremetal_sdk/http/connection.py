"""One connection: what of it has arrived, what is to be sent, and how far it is."""

from __future__ import annotations

import socket
import ssl
import struct
from enum import Enum
from typing import Any, Protocol

from baremetal_sdk.http.address import network, plain
from baremetal_sdk.http.body import RequestBody
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.output import OutputBuffer
from baremetal_sdk.http.request_head import RequestHead, take_head
from baremetal_sdk.http.sockets import ListeningSocket
from baremetal_sdk.http.streaming import CLIENT_LEFT

_BLOCK = 65536
_AT_ONCE = 4 * _BLOCK
"""Bytes taken from one connection before others have their turn."""
_CALLS = 32
"""Calls that this may take: a record of TLS can hold a single byte."""
_CREDENTIALS = struct.Struct("3i")
_RESET = struct.pack("ii", 1, 0)


class Stage(Enum):
    """How far a connection is. Only a worker touches one that is WORKING, and only the loop one that is not.

    One that is STREAMING has left the loop for the thread that sends such answers.
    """

    WAITING = "waits for a request to begin"
    SHAKING = "waits for the client's part of the TLS handshake"
    HEAD = "reads a request line and headers"
    BODY = "reads the body of a request"
    WORKING = "is with a worker"
    SENDING = "sends as fast as the client reads"
    LEAVING = "goes to the thread that sends pieces"
    STREAMING = "sends pieces when there are any"
    LINGERING = "waits for the client to have read the last answer"
    CLOSED = "is closed"


class EndObserver(Protocol):
    """Whoever is told of the end of a connection."""

    def notify_end(self, why: str) -> None:
        """Take note of it; a second time means nothing."""


class Connection:
    """The state of one connection. It decides nothing: the loop does."""

    __slots__ = (
        "began", "body", "buffer", "deadline", "ended", "fd", "head", "keep", "listener", "missed", "output", "peer", "prompt",
        "remote_addr", "remote_port", "requests", "secured", "seen", "since", "sock", "ssl_env", "stage", "stream",
        "watches_output",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, address: Any, listener: ListeningSocket, now: float) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.listener = listener
        self.remote_addr = plain(str(address[0])) if isinstance(address, tuple) else ""
        self.remote_port = int(address[1]) if isinstance(address, tuple) else 0
        self.peer = network(self.remote_addr) or None
        """By what connections of one client are counted; None where that cannot be told."""
        self.stage = Stage.WAITING
        self.buffer = bytearray()
        self.seen = 0
        """How much of the buffer was searched for the end of the headers."""
        self.head: RequestHead | None = None
        self.body: RequestBody | None = None
        self.output = OutputBuffer(sock)
        self.ssl_env: dict[str, Any] = {}
        self.secured = False
        """Whether the TLS handshake has begun."""
        self.requests = 0
        """Requests that were answered."""
        self.keep = False
        """Whether it stays open once the answer is sent."""
        self.missed = False
        """Whether something arrived while a worker had it."""
        self.ended = False
        """Whether the client will send nothing more."""
        self.prompt = False
        """Whether its last request came right after an answer."""
        self.stream: EndObserver | None = None
        """What its answer is pushed by; None for other answers."""
        self.watches_output = False
        self.since = self.began = now
        """When it became idle or its request began, and when its present stage did."""
        self.deadline = now

    @property
    def reads(self) -> bool:
        """Whether what arrives is to be looked at."""
        return self.stage in (Stage.WAITING, Stage.HEAD, Stage.BODY)

    @property
    def paused(self) -> bool:
        """Whether more of a body is there, and others have their turn first."""
        return self.stage is Stage.BODY and self.body is not None and self.body.paused

    def fill(self, thorough: bool) -> None:
        """Take what has arrived. Raises ``OSError`` for a connection that broke.

        A short read means that nothing more is there, unless it is TLS, or *thorough* says that the end is near.
        """
        room = _AT_ONCE
        thorough = thorough or self.secured
        for _ in range(_CALLS):
            try:
                size = self.receive()
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            room -= size
            if size == 0 or (size < _BLOCK and not thorough):
                return
            if room <= 0:
                break
        self.missed = True

    def receive(self) -> int:
        """Take what a single call gives, and tell how much. Raises ``OSError``, also where nothing has arrived."""
        data = self.sock.recv(_BLOCK)
        self.buffer += data
        self.ended = not data
        return len(data)

    def take_head(self, limits: HTTPLimits, room: BodyBudget) -> bool:
        """Take the head of a request off what has arrived; tell whether it is there as a whole. Raises ``HTTPError``."""
        head = take_head(self.buffer, self.seen, limits)
        self.seen = len(self.buffer) if head is None else 0
        if head is not None:
            self.head, self.body = head, RequestBody(head, limits, room)
        return head is not None

    def peek(self) -> bytes:
        """The first byte that has arrived, which stays there; nothing when the client has ended."""
        return self.sock.recv(1, socket.MSG_PEEK)

    def credentials(self) -> tuple[int, int, int]:
        """Process, user and group at the other end of a unix socket, by number."""
        raw = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        process, user, group = _CREDENTIALS.unpack(raw)
        return process, user, group

    def drop(self) -> None:
        """Forget what has arrived."""
        self.buffer.clear()
        self.seen = 0
        self.drop_request()

    def drop_request(self) -> None:
        """Forget the request that was read last."""
        if self.body is not None:
            self.body.close()
        self.head = self.body = None

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on; the handshake is still to be done."""
        self.secured = True
        self.sock = self.output.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)

    def hang_up(self) -> None:
        """Tell the client that nothing more comes."""
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()
        except (OSError, ValueError):
            pass  # it is told once more below, and the client's word is not waited for
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
        except OSError:
            self.ended = True

    def cut(self) -> None:
        """End both directions at once; a worker that has it notices, and the descriptor stays until it has."""
        try:
            socket.socket.setsockopt(self.sock, socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Give the socket back; never raises."""
        self.stage = Stage.CLOSED
        if self.stream is not None:
            self.stream.notify_end(CLIENT_LEFT)
        self.drop()
        self.output.forget()
        self.sock.close()
