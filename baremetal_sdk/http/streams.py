"""The lane of answers that are pushed: one thread for all of them, beside the one that owns other connections.

A connection comes here when the head of its answer was made, and is closed here. Whoever reads slowly or not at all costs the
bytes that wait for it, within bounds, and nobody else anything.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from collections import deque

from baremetal_interfaces import Deadline
from baremetal_sdk.http.connection import Connection, Stage
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.streaming import CLIENT_LEFT, ENDED, SLOW, STOPPED, TOO_OLD, StreamingResponse
from baremetal_sdk.http.wakeup import Wakeup

LOG = logging.getLogger(__name__)
_LOOK = 0.25
"""Seconds between two looks at who is late."""
_IDLE = 5.0
"""Seconds without a stream until the thread ends."""
_INPUT = select.EPOLLIN | select.EPOLLRDHUP
_OUTPUT = _INPUT | select.EPOLLOUT


class ResponseStream:
    """One answer that is pushed, and the writer of its application. What is not public belongs to the thread that sends."""

    def __init__(self, conn: Connection, answer: StreamingResponse, chunked: bool) -> None:
        self.conn, self.answer, self.chunked = conn, answer, chunked
        self.until = time.monotonic() + answer.max_age_s
        self.moved = time.monotonic()
        """When something was sent last, or there was nothing to send."""
        self.ending: str | None = None
        """Why it ends behind what waits."""
        self._streams: StreamSender | None = None
        self._lock = threading.Lock()
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._asked_to_end = False

    @property
    def pending_bytes(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._waiting

    def push(self, data: bytes) -> None:
        """Send a piece, as soon as the client takes it."""
        if not data:
            return
        with self._lock:
            if self._asked_to_end or self.ending is not None:
                return
            self._pieces.append(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)
            self._waiting += len(data)
        self._post()

    def end(self) -> None:
        """End the answer behind what was pushed."""
        self._asked_to_end = True
        self._post()

    def notify_end(self, why: str) -> None:
        """Tell the application that it is over."""
        self.answer.notify_end(why)

    def begin(self, streams: StreamSender) -> None:
        """Let the application push."""
        self._streams = streams
        self.answer.on_start(self)

    def send(self) -> bool:
        """Send what the client takes; tell whether that was all."""
        with self._lock:
            pieces, self._pieces = self._pieces, []
        for piece in pieces:
            self.conn.output.write(piece)
        if self._asked_to_end and self.ending is None:
            self.finish(ENDED)
        before = self.conn.output.sent
        complete = self.conn.output.flush()
        if complete or self.conn.output.sent > before:
            self.moved = time.monotonic()
        with self._lock:
            self._waiting = self.conn.output.pending + sum(map(len, self._pieces))
        return complete

    def finish(self, why: str) -> None:
        """Let it end behind what waits."""
        self.ending = why
        if self.chunked:
            self.conn.output.write(b"0\r\n\r\n")
        self.notify_end(why)

    def _post(self) -> None:
        if self._streams is not None:
            self._streams.post(self)


class StreamSender:
    """Sends the answers that are pushed."""

    def __init__(self, limits: HTTPLimits) -> None:
        self._limits = limits
        self._epoll = select.epoll()
        self._wakeup = Wakeup(self._epoll)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._new: deque[ResponseStream] = deque()
        self._posted: deque[ResponseStream] = deque()
        self._open: dict[int, ResponseStream] = {}
        self._lingering: dict[int, tuple[ResponseStream, float]] = {}
        self._stopping = self._cutting = False

    def __len__(self) -> int:
        """How many there are."""
        return len(self._open)

    def take(self, conn: Connection) -> None:
        """Send the answer of a connection that nobody else has any more."""
        stream = conn.stream
        assert isinstance(stream, ResponseStream)
        with self._lock:
            self._new.append(stream)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="http-streams", daemon=True)
                self._thread.start()
        self._wakeup.ring()

    def post(self, stream: ResponseStream) -> None:
        """Look at what an application has pushed."""
        self._posted.append(stream)
        self._wakeup.ring(surely=False)

    def stop(self) -> None:
        """End all of them, behind what waits, and each that still comes; it returns at once."""
        self._stopping = True
        self._wakeup.ring()

    def join(self, deadline: Deadline) -> int:
        """Wait until all have ended; cut those that have not by *deadline*, and tell how many they were."""
        thread = self._thread
        if thread is not None:
            thread.join(deadline.remaining())
        left = len(self._open) if thread is not None and thread.is_alive() else 0
        self._cutting = True
        self._wakeup.ring()
        if thread is not None:
            thread.join(1.0)
        return left

    def _run(self) -> None:
        look = idle_since = time.monotonic()
        while True:
            try:
                for fd, event in self._epoll.poll(_LOOK):
                    self._handle(fd, event)
                self._wakeup.rest()
                self._work()
                now = time.monotonic()
                if now >= look or self._stopping:
                    look = now + _LOOK
                    self._keep_time(now)
                idle_since = now if self._open or self._lingering else idle_since
                if self._is_over(now - idle_since):
                    return
            except Exception:
                LOG.exception("sending what is pushed failed; it goes on")

    def _is_over(self, idle: float) -> bool:
        """Whether the thread ends: nothing is there, and has not been for a while, or nothing more shall be."""
        with self._lock:
            busy = self._new or self._open or self._lingering
            if busy or not (self._stopping or idle > _IDLE):
                return False
            self._thread = None
            return True

    def _work(self) -> None:
        while self._new:
            self._guarded(self._new.popleft(), self._welcome)
        for _ in range(len(self._posted)):
            stream = self._posted.popleft()
            if self._open.get(stream.conn.fd) is stream:
                self._guarded(stream, self._send)

    def _welcome(self, stream: ResponseStream) -> None:
        self._open[stream.conn.fd] = stream
        self._epoll.register(stream.conn.fd, _INPUT)
        if not self._stopping:
            stream.begin(self)
        self._send(stream)

    def _handle(self, fd: int, event: int) -> None:
        if fd == self._wakeup.fd:
            return self._wakeup.heard()
        if fd in self._lingering:
            return self._guarded(self._lingering[fd][0], self._drain)
        stream = self._open.get(fd)
        if stream is None:
            return None
        if event & (select.EPOLLHUP | select.EPOLLERR):
            return self._close(stream, CLIENT_LEFT)
        if event & _INPUT:
            self._guarded(stream, self._listen)
        if event & select.EPOLLOUT and fd in self._open:
            self._guarded(stream, self._send)
        return None

    def _guarded(self, stream: ResponseStream, function: object) -> None:
        try:
            function(stream)  # type: ignore[operator]
        except OSError as exc:
            LOG.debug("stream of %s: %s", stream.conn.remote_addr, exc)
            self._close(stream, CLIENT_LEFT)
        except Exception:
            LOG.exception("a stream of %s was closed because it could not be handled", stream.conn.remote_addr)
            self._close(stream, ENDED)

    def _listen(self, stream: ResponseStream) -> None:
        """Notice that the client leaves. Whatever else it says here is not heard: it gets no other answer on this connection."""
        conn = stream.conn
        conn.missed = False
        conn.fill(True)
        conn.buffer.clear()
        if conn.ended or conn.missed:
            self._close(stream, CLIENT_LEFT)

    def _send(self, stream: ResponseStream) -> None:
        conn = stream.conn
        complete = stream.send()
        if conn.watches_output == complete:
            conn.watches_output = not complete
            self._epoll.modify(conn.fd, _INPUT if complete else _OUTPUT)
        if complete and stream.ending is not None:
            self._linger(stream)
        elif stream.pending_bytes > self._limits.unsent_of_one:
            self._close(stream, SLOW)

    def _linger(self, stream: ResponseStream) -> None:
        """Send nothing more, and let the client read: closing with unread input would take the end of the answer from it."""
        conn = stream.conn
        del self._open[conn.fd]
        self._lingering[conn.fd] = (stream, time.monotonic() + self._limits.linger)
        conn.hang_up()
        self._drain(stream)

    def _drain(self, stream: ResponseStream) -> None:
        conn = stream.conn
        conn.fill(True)
        conn.buffer.clear()
        if conn.ended:
            self._close(stream, ENDED)

    def _keep_time(self, now: float) -> None:
        for stream in list(self._open.values()):
            if self._cutting or (stream.pending_bytes and now - stream.moved > self._limits.grace):
                self._close(stream, STOPPED if self._cutting else SLOW)
            elif stream.ending is None and (self._stopping or now > stream.until):
                stream.finish(STOPPED if self._stopping else TOO_OLD)
                self._guarded(stream, self._send)
        for stream, until in list(self._lingering.values()):
            if self._cutting or now > until:
                self._close(stream, ENDED)

    def _close(self, stream: ResponseStream, why: str) -> None:
        fd = stream.conn.fd
        self._open.pop(fd, None)
        self._lingering.pop(fd, None)
        stream.notify_end(why)
        if why == SLOW:
            LOG.info("a stream of %s was cut: %d bytes waited for it to read", stream.conn.remote_addr, stream.pending_bytes)
            stream.conn.cut()
        if stream.conn.stage is not Stage.CLOSED:
            stream.conn.close()
