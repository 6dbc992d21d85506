"""Answers that are pushed: nobody knows their end, and their pieces come when there is news."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Final, Protocol

ENDED: Final = "ended"
CLIENT_LEFT: Final = "left"
TOO_OLD: Final = "aged"
SLOW: Final = "slow"
STOPPED: Final = "stopped"
"""Why such an answer is over: its application ended it, its client left, it was open for its time, its client read too slowly,
or the server stopped."""


class StreamWriter(Protocol):
    """Where an application puts the pieces of an answer, from any thread. It never waits."""

    @property
    def pending_bytes(self) -> int:
        """Bytes that the client has not taken yet."""

    def push(self, data: bytes) -> None:
        """Send a piece, as soon as the client takes it."""

    def end(self) -> None:
        """End the answer behind what was pushed."""


class StreamingResponse(ABC):
    """What a WSGI application gives back in place of a body, to push the pieces of the body when it has them.

    The server of this package sends them from one thread for all such answers: none of them holds a worker. Another WSGI
    server iterates over it as over any body, and a thread of that waits.
    """

    max_age_s: float
    """Seconds after which the server ends it."""
    _is_over = False

    @abstractmethod
    def on_start(self, writer: StreamWriter) -> None:
        """Take note that the client is there, and where to push; it has to be quick."""

    @abstractmethod
    def on_end(self, reason: str) -> None:
        """Take note that it is over, once, whether it had begun or not; it has to be quick."""

    def notify_end(self, why: str) -> None:
        """End it, for whoever sends it."""
        if not self._is_over:
            self._is_over = True
            self.on_end(why)

    def close(self) -> None:
        """What a WSGI server calls that iterates over it, at the end."""
        self.notify_end(CLIENT_LEFT)

    def __iter__(self) -> Iterator[bytes]:
        """The pieces, for other WSGI servers."""
        writer = _Queue()
        self.on_start(writer)
        until = time.monotonic() + self.max_age_s
        while (piece := writer.take(until - time.monotonic())) is not None:
            yield piece
        self.notify_end(TOO_OLD)


class _Queue:
    """A writer whose pieces a thread waits for."""

    def __init__(self) -> None:
        self._pieces: SimpleQueue[bytes | None] = SimpleQueue()
        self._put = self._taken = 0

    @property
    def pending_bytes(self) -> int:
        return self._put - self._taken

    def push(self, data: bytes) -> None:
        self._put += len(data)
        self._pieces.put(data)

    def end(self) -> None:
        self._pieces.put(None)

    def take(self, seconds: float) -> bytes | None:
        """The next piece; None at the end and when the time is over."""
        try:
            piece = self._pieces.get(timeout=max(0.0, seconds))
        except Empty:
            return None
        self._taken += len(piece or b"")
        return piece
