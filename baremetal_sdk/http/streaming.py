"""Streaming responses: a WSGI application returns one, and pushes its chunks later from any thread."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)

ENDED: Final = "ended"
"""End reason: the application ended the response."""
CLIENT_LEFT: Final = "left"
"""End reason: the client closed or broke the connection."""
TOO_OLD: Final = "aged"
"""End reason: the response reached its maximum age."""
SLOW: Final = "slow"
"""End reason: the client read too slowly."""
STOPPED: Final = "stopped"
"""End reason: the server stopped."""


class StreamWriter(Protocol):
    """Destination for the chunks of a streaming response. Any thread may use it. No method blocks."""

    @property
    def pending_bytes(self) -> int:
        """Number of bytes that the client has not taken yet."""

    def push(self, data: bytes) -> None:
        """Queue *data* and send it as soon as the client takes it. Ignore it after the end of the response."""

    def end(self) -> None:
        """End the response after the chunks that were pushed before."""


class StreamingResponse(ABC):
    """Response that a WSGI application returns in place of a body, and fills later.

    This package's server sends all streaming responses from one thread, so they hold no worker. Any other WSGI server iterates
    over the response like over any body and blocks one of its threads.
    """

    max_age_s: float
    """Seconds after which the server ends the response."""

    @abstractmethod
    def on_start(self, writer: StreamWriter) -> None:
        """Handle the start: chunks go to *writer* from now on. Has to return quickly, because all streams wait for it."""

    @abstractmethod
    def on_end(self, reason: str) -> None:
        """Handle the end of the response. *reason* is one of the end reasons of this module.

        Called once, even without a start. Has to return quickly, because all streams wait for it.
        """

    def notify_end(self, reason: str) -> None:
        """Call :meth:`on_end` unless it was called before, and log its exception. Only the server calls this."""
        # setdefault() is atomic: of several threads, only one notifies the application.
        caller = object()
        if self.__dict__.setdefault("_notifier", caller) is not caller:
            return
        try:
            self.on_end(reason)
        except Exception:
            LOG.exception("a streaming response failed in on_end(%r); its connection is closed", reason)

    def close(self) -> None:
        """End the response as left by the client. Other WSGI servers call this after the iteration (PEP 3333)."""
        self.notify_end(CLIENT_LEFT)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks for other WSGI servers, until the response ends or reaches its maximum age."""
        writer = _ChunkQueue()
        self.on_start(writer)
        until = time.monotonic() + self.max_age_s
        while (left := until - time.monotonic()) > 0 and (chunk := writer.get(left)) is not None:
            yield chunk
        self.notify_end(ENDED if writer.has_ended else TOO_OLD)


class _ChunkQueue:
    """Stream writer that queues chunks for the thread of another WSGI server."""

    def __init__(self) -> None:
        self._chunks: SimpleQueue[bytes | None] = SimpleQueue()
        self._pushed_bytes = self._read_bytes = 0
        self.has_ended = False
        """True once the end that the application requested was read."""

    @property
    def pending_bytes(self) -> int:
        return self._pushed_bytes - self._read_bytes

    def push(self, data: bytes) -> None:
        self._pushed_bytes += len(data)
        self._chunks.put(data)

    def end(self) -> None:
        self._chunks.put(None)

    def get(self, timeout_s: float) -> bytes | None:
        """Return the next chunk, or None at the end or after *timeout_s*."""
        try:
            chunk = self._chunks.get(timeout=timeout_s)
        except Empty:
            return None
        self.has_ended = chunk is None
        self._read_bytes += len(chunk or b"")
        return chunk
