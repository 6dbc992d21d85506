"""The event loop: one thread that owns the connections.

The thread accepts connections, reads requests, sends responses to slow clients and enforces deadlines. It never waits for a
client, and a worker gets only complete requests. A slow client costs memory until its deadline and delays no other client.

Three rules keep this correct without a lock per connection:

* Each connection has one owner at a time, which its state names (see :class:`~baremetal_sdk.http.connection.ConnectionState`).
* ``epoll`` is edge-triggered: it reports new input once. Reported input that is not read at once sets ``has_unread_input``, and
  then the connection is read again without a new report.
* A worker returns a connection by writing its state and then reading ``has_unread_input``. The loop records input for a worker
  in the opposite order: it sets ``has_unread_input`` and then reads the state again. One of both always sees the other's write.
"""

from __future__ import annotations

import functools
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.http.acceptor import Acceptor
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.error_responses import build_error_response
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.open_connections import OpenConnections
from baremetal_sdk.http.output import ClientGone
from baremetal_sdk.http.request_head import HTTPError
from baremetal_sdk.http.request_reader import read_request
from baremetal_sdk.http.sockets import ListeningSocket
from baremetal_sdk.http.streams import StreamSender
from baremetal_sdk.http.wakeup import Wakeup
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
_FIRST_REQUEST_ON_STOP_S = 1.0
"""Seconds that a new client has to begin its first request when the server stops."""
_PAUSED_BODIES_PER_ROUND = 4
"""Maximum number of paused bodies that are continued before new events are handled."""
_PAUSED_BODY_DELAY_S = 0.001
"""Seconds before paused bodies are continued. Meanwhile the workers have the interpreter to themselves."""
_RELIEF_BATCH_SIZE = 8
"""Connections that are closed when file descriptors run out."""
_HANG_UP = select.EPOLLHUP | select.EPOLLERR
_TLS_HANDSHAKE_RECORD = b"\x16"  # content type of the record (RFC 8446, section 5.1)
_Submit = Callable[[Connection], None]


class EventLoop:
    """Serves the connections of *listeners* in the thread that calls :meth:`run`.

    *serve* passes a connection with a complete request to a worker. *shake* passes one to a worker for a step of its TLS
    handshake; None means plain HTTP. Both may raise ``NoFreeWorker``. The worker returns the connection with
    :meth:`finish_request` or :meth:`resume`. Connections with a streaming response go to *streams*. *log_rejection* receives
    the client's address and the status of a request that the loop rejects.
    """

    def __init__(
        self,
        listeners: Sequence[ListeningSocket],
        limits: HTTPLimits,
        *,
        serve: _Submit,
        shake: _Submit | None,
        streams: StreamSender,
        budget: BodyBudget,
        log_rejection: Callable[[str, int], None] | None = None,
    ) -> None:
        self.limits = limits
        self._log_rejection, self._streams = log_rejection, streams
        self._serve, self._shake = serve, shake
        self._budget = budget
        self._ready: deque[Connection] = deque()  # connections to continue at once; workers append to it, too
        self._paused_bodies: deque[Connection] = deque()
        self._epoll = select.epoll()
        self._open = OpenConnections(limits, self._epoll)
        self._wakeup = Wakeup(self._epoll)
        self.is_stopping = self._is_cutting = self._has_stopped_accepting = False
        timeouts = (limits.idle_timeout_s, limits.handshake_timeout_s, limits.head_timeout_s, limits.grace_period_s)
        self._check_interval_s = max(0.02, min(0.5, 0.25 * min(timeouts)))
        close_oldest = functools.partial(self._open.close_oldest, _RELIEF_BATCH_SIZE)
        self._acceptor = Acceptor(listeners, self._epoll, on_accept=self._on_accept, on_exhausted=close_oldest)

    # Called by other threads

    def stop(self) -> None:
        """Accept nothing more, answer accepted requests, and end :meth:`run`. Returns at once; a signal handler may call it."""
        self.is_stopping = True
        self._wakeup.wake()

    def cut(self) -> None:
        """Make the loop close all connections, without waiting for requests, and end :meth:`run`. Returns at once."""
        self._is_cutting = True
        self._wakeup.wake()

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._open.by_fd)

    def finish_request(self, conn: Connection, keep_alive: bool) -> None:
        """Return *conn* from the calling worker, which has answered its request. Without *keep_alive*, *conn* then closes."""
        conn.discard_request()
        if self._open.close_if_cut(conn):
            return
        conn.requests_served += 1
        # The response has announced this to the client, which may have sent its next request already. A stop changes nothing.
        conn.keep_alive = keep_alive
        now = time.monotonic()
        if conn.output.pending:
            conn.start_sending(now, self.limits)
            self._schedule(conn)
        elif not conn.keep_alive:
            self._start_lingering(conn, now)
        else:
            conn.become_idle(now, self.limits)
            # Only these cases need the loop now. Otherwise the next epoll report continues, without a wake-up here.
            if conn.has_unread_input or conn.buffer or conn.eof_received or self.is_stopping:
                self._schedule(conn)
        self._open.close_if_cut(conn)

    def resume(self, conn: Connection, state: ConnectionState, timeout_s: float | None = None) -> None:
        """Return *conn* from the calling worker in *state*. *timeout_s* from now is its new deadline; None changes nothing."""
        if timeout_s is not None:
            conn.deadline = time.monotonic() + timeout_s
        conn.state = state
        # A handshake that waits for the client continues with the next epoll report.
        if conn.has_unread_input or state is not ConnectionState.HANDSHAKE or self._is_cutting:
            self._schedule(conn)
        self._open.close_if_cut(conn)

    def watch_input(self, conn: Connection, enable: bool) -> None:
        """Start or stop watching *conn* for input. The worker that owns *conn* calls this and reads the input itself."""
        self._open.watch_input(conn, enable)

    def _schedule(self, conn: Connection) -> None:
        self._ready.append(conn)
        self._wakeup.wake(force=False)

    def run(self) -> None:
        """Serve until :meth:`stop` and the last response, or until :meth:`cut`."""
        check_at = time.monotonic() + self._check_interval_s
        while True:
            if self.is_stopping and not self._has_stopped_accepting:
                self._stop_accepting()
            if self._is_cutting or (self._has_stopped_accepting and not self._open.by_fd):
                break
            try:
                for fd, event in self._epoll.poll(self._get_poll_timeout(check_at)):
                    self._on_event(fd, event)
                # Before the queue is read: a worker that appends to it from now on ends the next poll.
                self._wakeup.rearm()
                # Up to the present lengths: a connection that is queued again meanwhile waits until new events are handled.
                for _ in range(len(self._ready)):
                    self._guard(self._continue, self._ready.popleft())
                for _ in range(min(_PAUSED_BODIES_PER_ROUND, len(self._paused_bodies))):
                    self._guard(self._continue, self._paused_bodies.popleft())
                if time.monotonic() >= check_at:
                    self._check_deadlines()
                    check_at = time.monotonic() + self._check_interval_s
            except Exception:
                LOG.exception("the HTTP server failed in its event loop; it continues")
        for conn in list(self._open.by_fd.values()):
            self._open.close(conn, abort=True)
        self._acceptor.close()
        self._epoll.close()

    def _get_poll_timeout(self, check_at: float) -> float:
        """Return the timeout of ``epoll`` in seconds."""
        if self._ready:
            return 0.0
        if self._paused_bodies:
            # Parsing tiny chunks needs the interpreter. Waiting a moment lets workers answer other requests.
            return _PAUSED_BODY_DELAY_S
        return max(0.0, check_at - time.monotonic())

    def _guard(self, function: Callable[..., None], conn: Connection, *args: Any) -> None:
        """Call *function* and close *conn* if it raises. A fault of one connection must not end the loop."""
        try:
            function(conn, *args)
        except (ClientGone, OSError) as exc:
            LOG.debug("connection from %s: %s", conn.remote_addr, exc)
            self._open.close(conn)
        except Exception:
            LOG.exception("a connection from %s was closed because of an internal error", conn.remote_addr)
            self._open.close(conn)

    def _on_event(self, fd: int, event: int) -> None:
        conn = self._open.by_fd.get(fd)
        if conn is None:
            if fd == self._wakeup.fd:
                self._wakeup.clear()
            else:
                self._acceptor.accept(fd)
        elif conn.is_reading and conn.has_unread_input and not event & _HANG_UP:
            return  # the connection is queued and reads all of its input in its turn
        elif not self._leave_to_worker(conn):
            self._guard(self._on_socket_event, conn, event)

    def _leave_to_worker(self, conn: Connection) -> bool:
        """Return whether a worker owns *conn*. If so, set ``has_unread_input``, so that the input is read after the worker."""
        if conn.state is ConnectionState.IN_WORKER:
            conn.has_unread_input = True
        # Read the state again: the worker may have returned the connection before it could see the flag.
        return conn.state is ConnectionState.IN_WORKER

    def _on_socket_event(self, conn: Connection, event: int) -> None:
        if event & _HANG_UP:
            self._open.close(conn)
        elif conn.state is ConnectionState.SENDING:
            self._send(conn)
        elif conn.state is not ConnectionState.DETACHING:
            self._read(conn, thorough=bool(event & select.EPOLLRDHUP))

    def _on_accept(self, sock: socket.socket, address: Any, listener: ListeningSocket) -> None:
        now = time.monotonic()
        conn = Connection(sock, address, listener, now)
        conn.become_idle(now, self.limits)
        self._open.add(conn)

    def _continue(self, conn: Connection) -> None:
        """Do the next work for *conn*, a connection of the queue, according to its state."""
        # Two workers, such as that of the handshake and that of the first request, can queue a connection one after the other.
        # The first turn may have passed it on already.
        if conn.state in (ConnectionState.CLOSED, ConnectionState.STREAMING):
            return
        if self._is_cutting:
            self._open.close(conn, abort=True)
        elif conn.state is ConnectionState.SENDING:
            self._send(conn)
        elif conn.state is ConnectionState.DETACHING:
            self._detach(conn)
        else:
            self._continue_reading(conn)

    def _continue_reading(self, conn: Connection) -> None:
        # Buffered input comes first: a pipelined request has no input left in the socket and causes no event.
        if conn.is_reading and conn.buffer:
            self._advance(conn)
        if conn.is_body_paused:
            self._queue_paused_body(conn)
        elif not self._leave_to_worker(conn):
            self._read(conn, thorough=True)
        if self.is_stopping and conn.state is ConnectionState.IDLE:
            self._end_idle(conn)

    def _queue_paused_body(self, conn: Connection) -> None:
        conn.has_unread_input = True  # new events do not read the connection before its turn
        self._paused_bodies.append(conn)

    def _detach(self, conn: Connection) -> None:
        """Pass *conn* to the stream sender, or close it if it was cut meanwhile."""
        conn.discard_request()
        conn.state = ConnectionState.STREAMING  # before it leaves the loop: its worker may check whether it was cut
        if self._open.detach(conn):
            self._streams.add(conn)
        else:
            conn.close()

    # Reading requests

    def _read(self, conn: Connection, thorough: bool) -> None:
        """Continue a handshake, or read available input and parse or discard it. :meth:`Connection.fill` uses *thorough*."""
        if conn.state is ConnectionState.HANDSHAKE:
            conn.has_unread_input = False
            return self._submit(conn, self._shake)
        if self._shake is not None and not conn.is_tls and conn.state is ConnectionState.IDLE:
            return self._begin_tls(conn)
        # Before the read: input that arrives during the read sets the flag or causes a new event.
        conn.has_unread_input = False
        conn.fill(thorough)
        if conn.state is ConnectionState.LINGERING:
            return self._discard_input(conn)
        if conn.buffer and conn.is_reading:
            self._advance(conn)
        if conn.is_body_paused:
            self._queue_paused_body(conn)
        elif conn.is_reading and conn.has_unread_input:
            self._schedule(conn)
        elif conn.is_reading and conn.eof_received:
            conn.shut_down_output()
            self._open.close(conn)
        return None

    def _discard_input(self, conn: Connection) -> None:
        """Discard the input of a lingering connection. Close the connection if the client has closed it."""
        conn.discard_input()
        if conn.eof_received:
            self._open.close(conn)
        elif conn.has_unread_input:
            self._schedule(conn)

    def _begin_tls(self, conn: Connection) -> None:
        """Start the TLS handshake. Reject a request in plain HTTP with status 400. Close the connection for other input."""
        try:
            first = conn.peek()
        except BlockingIOError:
            return
        if first == _TLS_HANDSHAKE_RECORD:
            conn.deadline = time.monotonic() + self.limits.handshake_timeout_s
            conn.state = ConnectionState.HANDSHAKE
            self._submit(conn, self._shake)
        elif first.isalpha():
            self._reject(
                conn, HTTPError(400, "this port requires HTTPS and the request came without TLS; use https:// in the URL")
            )
        else:
            self._open.close(conn)

    def _advance(self, conn: Connection) -> None:
        """Parse the buffered input of *conn*. Pass a complete request to a worker, and reject an invalid one."""
        try:
            if read_request(conn, self.limits, self._budget):
                self._submit(conn, self._serve)
            elif conn.state is ConnectionState.READING_BODY and self._budget.is_full:
                self._reject_oldest_uploads()
        except HTTPError as exc:
            self._reject(conn, exc)

    def _reject_oldest_uploads(self) -> None:
        """Reject the oldest uploads (status 503) until the bodies in temporary files fit into their budget."""
        error = HTTPError(503, "upload rejected: all uploads together exceed the limit of the server; try again later")
        for conn in self._open.find_uploads():
            if self._budget.is_full:
                self._guard(self._reject, conn, error)

    def _submit(self, conn: Connection, submit: _Submit | None) -> None:
        """Pass *conn* to a worker by *submit*, never None here. If no worker is free, answer 503 or end the handshake."""
        assert submit is not None
        # The state is written first: the worker may return the connection before *submit* returns.
        previous, conn.state = conn.state, ConnectionState.IN_WORKER
        try:
            submit(conn)
        except NoFreeWorker as exc:
            conn.state = previous
            if previous is ConnectionState.HANDSHAKE:  # without TLS the client could not read an error
                return self._open.close(conn)
            self._reject(conn, HTTPError(503, "request rejected: too many requests wait; try again later"), exc.retry_after)

    def _reject(self, conn: Connection, error: HTTPError, retry_after: float | None = None) -> None:
        """Send *error* and close the connection: the start of the next request is unknown. *retry_after* is in seconds."""
        conn.discard_input()
        if self._log_rejection is not None:
            self._log_rejection(conn.remote_addr, error.status)
        conn.output.write(build_error_response(error.status, error.reason, retry_after=retry_after))
        conn.keep_alive = False
        conn.start_sending(time.monotonic(), self.limits)
        self._send(conn)

    # Sending responses, and the end of a connection

    def _send(self, conn: Connection) -> None:
        """Send as much output as the client takes now. After the last byte, wait for a request or end the connection."""
        if not self._open.send(conn):
            return  # the next report of epoll continues
        now = time.monotonic()
        if conn.keep_alive:
            conn.become_idle(now, self.limits)
            # Input may have arrived that was not read. This is the loop's own thread, which needs no wake-up.
            self._ready.append(conn)
        else:
            self._start_lingering(conn, now)

    def _start_lingering(self, conn: Connection, now: float) -> None:
        conn.start_lingering(now, self.limits)
        if conn.has_unread_input or conn.eof_received:
            self._schedule(conn)

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        for conn in self._open.find_late(now):
            self._guard(self._on_timeout, conn)
        if not self._has_stopped_accepting:
            self._acceptor.resume(now)

    def _on_timeout(self, conn: Connection) -> None:
        if conn.state in (ConnectionState.READING_HEAD, ConnectionState.READING_BODY):
            self._reject(conn, HTTPError(408, "request timed out: its headers or its body arrived too slowly; try again"))
        else:
            self._open.close(conn, abort=conn.state is ConnectionState.SENDING)

    def _stop_accepting(self) -> None:
        """Accept queued connections, close the listening sockets and end idle connections."""
        self._has_stopped_accepting = True
        self._acceptor.finish(self.limits.max_connections)
        for conn in self._open.find_idle():
            self._guard(self._continue, conn)

    def _end_idle(self, conn: Connection) -> None:
        """Close an idle connection while the server stops. A client that has just connected may still send one request."""
        if conn.requests_served:
            conn.shut_down_output()
            self._open.close(conn)
        else:
            conn.deadline = min(conn.deadline, time.monotonic() + _FIRST_REQUEST_ON_STOP_S)
