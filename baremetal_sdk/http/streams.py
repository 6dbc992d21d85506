"""Sender of streaming responses: one thread for all of them, apart from the thread of the event loop.

The event loop passes a connection to the sender when the head of its response is complete. The sender closes it. For a client
that reads slowly, unsent bytes are kept up to a limit. It delays no other client.
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from collections.abc import Callable

from baremetal_interfaces import Deadline
from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.streaming import CLIENT_LEFT, ENDED, SLOW, STOPPED, TOO_OLD, StreamingResponse
from baremetal_sdk.http.wakeup import Wakeup
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
_CHECK_INTERVAL_S = 0.25
"""Seconds between two checks of ages and slow clients."""
_IDLE_THREAD_S = 5.0
"""Seconds without a stream after which the thread ends."""
_CUT_TIMEOUT_S = 1.0
"""Seconds to wait for the thread after all streams were cut."""
# Level-triggered, unlike in the event loop: epoll reports unread input again.
_INPUT = select.EPOLLIN | select.EPOLLRDHUP
_INPUT_AND_OUTPUT = _INPUT | select.EPOLLOUT


class ResponseStream:
    """A streaming response on its connection, and the application's writer for it.

    The application may call :meth:`push` and :meth:`end` from any thread. All other methods belong to the sender's thread.
    """

    def __init__(self, conn: Connection, response: StreamingResponse, chunked: bool) -> None:
        self.conn, self.response, self.chunked = conn, response, chunked
        self.ends_at = time.monotonic() + response.max_age_s
        self.last_progress_at = time.monotonic()
        """Time at which the client last took bytes, or no bytes were waiting (monotonic)."""
        self.end_reason: str | None = None
        """Reason of the end. Once it is set, the rest of the output is sent and further chunks are ignored."""
        self._sender: StreamSender | None = None
        self._lock = threading.Lock()
        self._chunks: list[bytes] = []
        self._pending_bytes = 0
        self._end_requested = False

    @property
    def pending_bytes(self) -> int:
        """Number of bytes that the client has not taken yet."""
        return self._pending_bytes

    def push(self, data: bytes) -> None:
        """Queue *data*, which is sent as soon as the client takes it. Ignore it after the end of the response."""
        if not data:  # an empty chunk would end a chunked body (RFC 9112, section 7.1)
            return
        with self._lock:
            if self._end_requested or self.end_reason is not None:
                return
            self._chunks.append(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)
            self._pending_bytes += len(data)
        self._notify_sender()

    def end(self) -> None:
        """End the response after the chunks that were pushed before."""
        self._end_requested = True
        self._notify_sender()

    def notify_end(self, reason: str) -> None:
        """Tell the application that the response has ended."""
        self.response.notify_end(reason)

    def start(self, sender: StreamSender) -> None:
        """Tell the application to start, so that it pushes chunks to this stream. *sender* sends them."""
        self._sender = sender
        self.response.on_start(self)

    def send(self) -> bool:
        """Send as many of the pushed chunks as the client takes now. Return whether all of them are sent."""
        with self._lock:
            chunks, self._chunks = self._chunks, []
        for chunk in chunks:
            self.conn.output.write(chunk)
        if self._end_requested and self.end_reason is None:
            self.finish(ENDED)
        before = self.conn.output.sent
        is_complete = self.conn.output.flush()
        if is_complete or self.conn.output.sent > before:
            self.last_progress_at = time.monotonic()
        with self._lock:
            # The application may have pushed more chunks during the flush.
            self._pending_bytes = self.conn.output.pending + sum(map(len, self._chunks))
        return is_complete

    def finish(self, reason: str) -> None:
        """End the response for *reason* after its buffered output, and tell the application."""
        self.end_reason = reason
        if self.chunked:
            self.conn.output.write(b"0\r\n\r\n")
        self.notify_end(reason)

    def _notify_sender(self) -> None:
        if self._sender is not None:
            self._sender.notify(self)


class StreamSender:
    """Sender of all streaming responses of a server, in one thread that runs while streams are open."""

    def __init__(self, limits: HTTPLimits) -> None:
        self._limits = limits
        self._epoll = select.epoll()
        self._wakeup = Wakeup(self._epoll)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._new: deque[ResponseStream] = deque()
        self._notified: deque[ResponseStream] = deque()
        self._open: dict[int, ResponseStream] = {}
        self._lingering: dict[int, tuple[ResponseStream, float]] = {}
        self._is_stopping = self._is_cutting = False

    def __len__(self) -> int:
        """Return the number of open streams."""
        return len(self._open)

    def add(self, conn: Connection) -> None:
        """Take over *conn*, which no other thread uses any more, and send its streaming response."""
        stream = conn.stream
        assert isinstance(stream, ResponseStream)
        # The lock excludes that the thread decides to end at this moment.
        with self._lock:
            self._new.append(stream)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="http-streams", daemon=True)
                self._thread.start()
        self._wakeup.wake()

    def notify(self, stream: ResponseStream) -> None:
        """Make the thread send the chunks that an application has pushed to *stream*. Any thread may call this."""
        self._notified.append(stream)
        self._wakeup.wake(force=False)

    def stop(self) -> None:
        """End all open and new streams after their buffered output. Returns at once."""
        self._is_stopping = True
        self._wakeup.wake()

    def join(self, deadline: Deadline) -> int:
        """Wait until *deadline* for the end of all streams. Cut the streams that are left and return their number."""
        thread = self._thread
        if thread is not None:
            thread.join(deadline.remaining())
        left = len(self._open) if thread is not None and thread.is_alive() else 0
        self._is_cutting = True
        self._wakeup.wake()
        if thread is not None:
            thread.join(_CUT_TIMEOUT_S)
        return left

    def _run(self) -> None:
        check_at = idle_since = time.monotonic()
        while True:
            try:
                for fd, event in self._epoll.poll(_CHECK_INTERVAL_S):
                    self._on_event(fd, event)
                # Before the queues are read: a thread that appends to them from now on ends the next poll.
                self._wakeup.rearm()
                self._handle_queues()
                now = time.monotonic()
                if now >= check_at or self._is_stopping:  # a stop ends the streams without a delay
                    check_at = now + _CHECK_INTERVAL_S
                    self._check_deadlines(now)
                idle_since = now if self._open or self._lingering else idle_since
                if self._end_thread(now - idle_since):
                    return
            except Exception:
                LOG.exception("sending streaming responses failed; the sender continues")

    def _end_thread(self, idle_s: float) -> bool:
        """Return whether the thread has to end, and if so, let the next stream start a new one."""
        with self._lock:
            is_busy = self._new or self._open or self._lingering
            if is_busy or not (self._is_stopping or idle_s > _IDLE_THREAD_S):
                return False
            self._thread = None
            return True

    def _handle_queues(self) -> None:
        while self._new:
            self._guard(self._start, self._new.popleft())
        for _ in range(len(self._notified)):
            stream = self._notified.popleft()
            # The stream may have been closed meanwhile, and its descriptor may belong to another stream.
            if self._open.get(stream.conn.fd) is stream:
                self._guard(self._send, stream)

    def _start(self, stream: ResponseStream) -> None:
        self._open[stream.conn.fd] = stream
        self._epoll.register(stream.conn.fd, _INPUT)
        # During a stop the application never starts. The next check ends the stream.
        if not self._is_stopping:
            stream.start(self)
        self._send(stream)

    def _on_event(self, fd: int, event: int) -> None:
        if fd == self._wakeup.fd:
            return self._wakeup.clear()
        if fd in self._lingering:
            return self._guard(self._discard_input, self._lingering[fd][0])
        stream = self._open.get(fd)
        if stream is None:
            return None
        if event & (select.EPOLLHUP | select.EPOLLERR):
            return self._close(stream, CLIENT_LEFT)
        if event & _INPUT:
            self._guard(self._read, stream)
        # Handling the input may have closed the stream.
        if event & select.EPOLLOUT and fd in self._open:
            self._guard(self._send, stream)
        return None

    def _guard(self, function: Callable[[ResponseStream], None], stream: ResponseStream) -> None:
        """Call *function* and close *stream* if it raises. A fault of one stream must not end the others."""
        try:
            function(stream)
        except OSError as exc:
            LOG.debug("stream of %s: %s", stream.conn.remote_addr, exc)
            self._close(stream, CLIENT_LEFT)
        except Exception:
            LOG.exception("a stream of %s was closed because of an internal error", stream.conn.remote_addr)
            self._close(stream, ENDED)

    def _read(self, stream: ResponseStream) -> None:
        """Discard the client's input. Close the stream if the client has closed the connection or sends much input.

        Input is never parsed, because the connection ends with this response.
        """
        conn = stream.conn
        conn.has_unread_input = False
        conn.fill(True)
        conn.buffer.clear()
        # A client that sends more than one call reads is closed, too. A stream expects no input at all.
        if conn.eof_received or conn.has_unread_input:
            self._close(stream, CLIENT_LEFT)

    def _send(self, stream: ResponseStream) -> None:
        conn = stream.conn
        is_complete = stream.send()
        if conn.watches_output == is_complete:
            conn.watches_output = not is_complete
            self._epoll.modify(conn.fd, _INPUT if is_complete else _INPUT_AND_OUTPUT)
        if is_complete and stream.end_reason is not None:
            self._start_lingering(stream)
        elif stream.pending_bytes > self._limits.max_unsent_bytes_per_client:
            self._close(stream, SLOW)

    def _start_lingering(self, stream: ResponseStream) -> None:
        """Send nothing more and give the client time to read before the close.

        A close with unread input would send RST (RFC 9112, section 9.6).
        """
        conn = stream.conn
        del self._open[conn.fd]
        self._lingering[conn.fd] = (stream, time.monotonic() + self._limits.linger_s)
        conn.shut_down_output()
        self._discard_input(stream)

    def _discard_input(self, stream: ResponseStream) -> None:
        conn = stream.conn
        conn.fill(True)
        conn.buffer.clear()
        if conn.eof_received:
            self._close(stream, ENDED)

    def _check_deadlines(self, now: float) -> None:
        # Copies, because closing a stream changes the dictionaries.
        for stream in list(self._open.values()):
            is_stuck = stream.pending_bytes and now - stream.last_progress_at > self._limits.grace_period_s
            if self._is_cutting or is_stuck:
                self._close(stream, STOPPED if self._is_cutting else SLOW)
            elif stream.end_reason is None and (self._is_stopping or now > stream.ends_at):
                stream.finish(STOPPED if self._is_stopping else TOO_OLD)
                self._guard(self._send, stream)
        for stream, until in list(self._lingering.values()):
            if self._is_cutting or now > until:
                self._close(stream, ENDED)

    def _close(self, stream: ResponseStream, reason: str) -> None:
        fd = stream.conn.fd
        self._open.pop(fd, None)
        self._lingering.pop(fd, None)
        stream.notify_end(reason)
        if reason == SLOW:
            pending = stream.pending_bytes
            LOG.info(
                "a stream to %s was cut because its client reads too slowly: %d bytes waited", stream.conn.remote_addr, pending
            )
            stream.conn.abort()
        if stream.conn.state is not ConnectionState.CLOSED:
            stream.conn.close()
