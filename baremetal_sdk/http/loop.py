"""The thread that owns the connections: it accepts, reads requests, sends what clients read slowly, and keeps the time.

Nothing in it waits for a client. A worker sees a request when it is there as a whole, so a client that is slow in its handshake,
in headers, in a body or in reading its answer costs a little memory until its time is over, and nobody else anything.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.http.acceptor import Acceptor
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.connection import Connection, Stage
from baremetal_sdk.http.connection_limits import ConnectionLimits
from baremetal_sdk.http.error_responses import refusal
from baremetal_sdk.http.keep_alive_worker import PROMPT
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.output import ClientGone
from baremetal_sdk.http.request_head import HTTPError
from baremetal_sdk.http.sockets import ListeningSocket
from baremetal_sdk.http.streams import StreamSender
from baremetal_sdk.http.wakeup import Wakeup

LOG = logging.getLogger(__name__)
_LAST_CHANCE = 1.0
"""Seconds that a client that was just let in has to begin its request when the server stops."""
_LATER = 4
"""Bodies in many small pieces that are gone on with before whatever else has happened has its turn."""
_REST = 0.001
"""Seconds in which the workers have the interpreter to themselves before such bodies are gone on with."""
_INPUT = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_OUTPUT = _INPUT | select.EPOLLOUT
_OVER = select.EPOLLHUP | select.EPOLLERR
_WORK = Callable[[Connection], None]


class EventLoop:
    """Serves the connections of *listeners*.

    *serve* has a worker answer the request of a connection, *shake* has one go on with a TLS handshake (None: plain HTTP).
    Both give the connection back with :meth:`done` or :meth:`resume`, and may raise ``NoFreeWorker``. *refused* is told the
    address and the status of a request that is refused here. A connection whose answer is pushed goes to *streams*.
    """

    def __init__(
        self,
        listeners: Sequence[ListeningSocket],
        limits: HTTPLimits,
        serve: _WORK,
        shake: _WORK | None,
        streams: StreamSender,
        room: BodyBudget,
        refused: Callable[[str, int], None] | None = None,
    ) -> None:
        self.limits = limits
        self._refused, self._streams = refused, streams
        self._serve, self._shake = serve, shake
        self._connections: dict[int, Connection] = {}
        self._peers = ConnectionLimits(limits, self._connections)
        self._room = room
        self._posted: deque[Connection] = deque()
        self._later: deque[Connection] = deque()
        self._epoll = select.epoll()
        self._wakeup = Wakeup(self._epoll)
        self.stopping = self._stopped = self._cutting = False
        self._interval = max(0.02, min(0.5, *(0.25 * one for one in (limits.idle, limits.handshake, limits.head, limits.grace))))
        self._acceptor = Acceptor(listeners, self._epoll, self._take_in, self._relieve)

    def run(self) -> None:
        """Serve until :meth:`stop` and the last answer, or :meth:`cut`."""
        look = time.monotonic() + self._interval
        while not self._finished():
            try:
                wait = 0.0 if self._posted else _REST if self._later else max(0.0, look - time.monotonic())
                for fd, event in self._epoll.poll(wait):
                    self._handle(fd, event)
                self._wakeup.rest()
                for _ in range(len(self._posted)):
                    self._guarded(self._resumed, self._posted.popleft())
                for _ in range(min(_LATER, len(self._later))):
                    self._guarded(self._resumed, self._later.popleft())
                if time.monotonic() >= look:
                    self._keep_time()
                    look = time.monotonic() + self._interval
            except Exception:
                LOG.exception("the HTTP server failed in its loop; it goes on")
        self._end()

    def stop(self) -> None:
        """Accept nothing more, answer what was accepted, and end; it returns at once, and may be called by a signal handler."""
        self.stopping = True
        self._wakeup.ring()

    def cut(self) -> None:
        """End all connections now."""
        self._cutting = True
        self._wakeup.ring()

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._connections)

    def done(self, conn: Connection, keep: bool) -> None:
        """Take *conn* back from a worker that answered its request; called by the worker."""
        conn.drop_request()
        if self._connections.get(conn.fd) is not conn:  # it was cut in the meantime
            return conn.close()
        conn.requests += 1
        conn.began = now = time.monotonic()
        conn.keep = keep  # as the answer said: who was promised more may be asking already, also while we stop
        if conn.output.pending:
            conn.deadline, conn.stage = now + self.limits.grace, Stage.SENDING
            return self._post(conn)
        if not conn.keep:
            return self._hang_up(conn, now)
        conn.deadline, conn.since, conn.stage = now + self.limits.idle, now, Stage.WAITING
        if conn.missed or conn.buffer or conn.ended or self.stopping:
            self._post(conn)
        return None

    def resume(self, conn: Connection, stage: Stage, seconds: float | None = None) -> None:
        """Take *conn* back from a worker at another *stage*, of *seconds* where it has a time of its own."""
        if seconds is not None:
            conn.deadline = time.monotonic() + seconds
        conn.stage = stage
        if conn.missed or stage is not Stage.SHAKING or self._cutting:
            self._post(conn)

    def watch(self, conn: Connection, wanted: bool) -> None:
        """Look at what arrives on *conn*, or leave that to the worker that has it; what has arrived by then counts."""
        with contextlib.suppress(OSError, ValueError):  # it was cut in the meantime, and all of us, too
            self._epoll.modify(conn.fd, _INPUT if wanted else 0)

    def _post(self, conn: Connection) -> None:
        self._posted.append(conn)
        self._wakeup.ring(surely=False)

    def _handle(self, fd: int, event: int) -> None:
        conn = self._connections.get(fd)
        if conn is None:
            return self._wakeup.heard() if fd == self._wakeup.fd else self._acceptor.accept(fd)
        if conn.reads and conn.missed and not event & _OVER:
            return  # it is posted, and reads all of it in its turn
        if not self._is_working(conn):
            self._guarded(self._arrived, conn, event)

    def _is_working(self, conn: Connection) -> bool:
        """Whether a worker has *conn*; that one will see that something was missed."""
        if conn.stage is Stage.WORKING:
            conn.missed = True
        return conn.stage is Stage.WORKING  # it may have been given back in between, perhaps before it saw that

    def _guarded(self, function: Callable[..., None], conn: Connection, *args: Any) -> None:
        try:
            function(conn, *args)
        except (ClientGone, OSError) as exc:
            LOG.debug("connection from %s: %s", conn.remote_addr, exc)
            self._close(conn)
        except Exception:
            LOG.exception("a connection from %s was closed because it could not be handled", conn.remote_addr)
            self._close(conn)

    def _take_in(self, sock: socket.socket, address: Any, listener: ListeningSocket) -> None:
        now = time.monotonic()
        conn = Connection(sock, address, listener, now)
        conn.deadline = now + self.limits.idle
        for other in self._peers.in_the_way(conn):
            self._close(other, cut=True)
        if not self._peers.add(conn):
            conn.cut()
            conn.close()
            return
        self._connections[conn.fd] = conn
        self._epoll.register(conn.fd, _INPUT)

    def _relieve(self) -> None:
        """Give descriptors back: those of the oldest connections."""
        for conn in self._peers.oldest(8):
            self._close(conn, cut=True)

    # What happens on a connection

    def _arrived(self, conn: Connection, event: int) -> None:
        if event & _OVER:
            self._close(conn)
        elif conn.stage is Stage.SENDING:
            self._send(conn)
        elif conn.stage is not Stage.LEAVING:
            self._go_on(conn, bool(event & select.EPOLLRDHUP))

    def _resumed(self, conn: Connection) -> None:
        """Go on with a connection that a worker gave back."""
        if conn.stage in (Stage.CLOSED, Stage.STREAMING):
            return  # two workers, such as that of a handshake, gave it back one right after the other
        if self._cutting:
            self._close(conn, cut=True)
        elif conn.stage is Stage.SENDING:
            self._send(conn)
        elif conn.stage is Stage.LEAVING:
            self._part_with(conn)
        else:
            if conn.reads and conn.buffer:
                self._advance(conn)
            if conn.paused:
                conn.missed = True
                self._later.append(conn)
            elif not self._is_working(conn):
                self._go_on(conn, True)
            if self.stopping and conn.stage is Stage.WAITING:
                self._last_chance(conn)

    def _part_with(self, conn: Connection) -> None:
        """Leave *conn*, whose answer is pushed, to the streams, unless it was cut in the meantime."""
        conn.drop_request()
        if self._connections.pop(conn.fd, None) is None:
            return conn.close()
        self._peers.remove(conn)
        self._epoll.unregister(conn.fd)
        conn.stage = Stage.STREAMING
        return self._streams.take(conn)

    def _go_on(self, conn: Connection, thorough: bool) -> None:
        """Read what there is to read, whatever the stage."""
        if conn.stage is Stage.SHAKING:
            conn.missed = False
            return self._work(conn, self._shake)
        if self._shake is not None and not conn.secured and conn.stage is Stage.WAITING:
            return self._begin_tls(conn)
        conn.missed = False
        conn.fill(thorough)
        if conn.stage is Stage.LINGERING:
            conn.drop()
            if conn.ended:
                self._close(conn)
            elif conn.missed:
                self._post(conn)
            return None
        if conn.buffer:
            self._advance(conn)
        if conn.paused:
            conn.missed = True
            self._later.append(conn)
        elif conn.reads and conn.missed:
            self._post(conn)
        elif conn.reads and conn.ended:
            conn.hang_up()
            self._close(conn)
        return None

    def _begin_tls(self, conn: Connection) -> None:
        try:
            first = conn.peek()
        except BlockingIOError:
            return None
        if not first:
            return self._close(conn)
        if first != b"\x16":  # a TLS record of a handshake (RFC 8446, section 5.1)
            reason = "this port speaks HTTPS, and the request came without TLS; use https:// in the URL"
            return self._refuse(conn, HTTPError(400, reason)) if first.isalpha() else self._close(conn)
        conn.deadline, conn.stage = time.monotonic() + self.limits.handshake, Stage.SHAKING
        return self._work(conn, self._shake)

    def _advance(self, conn: Connection) -> None:
        """Make of what has arrived as much of a request as it is."""
        try:
            if conn.stage is Stage.WAITING:
                conn.stage, now = Stage.HEAD, time.monotonic()
                conn.prompt = conn.requests > 0 and now - conn.since < PROMPT
                conn.since, conn.deadline = now, now + self.limits.head
            if conn.stage is Stage.HEAD and not conn.take_head(self.limits, self._room):
                return
            body = conn.body
            assert body is not None
            if conn.stage is Stage.HEAD and not body.complete:
                self._begin_body(conn)
            if body.complete or body.feed(conn.buffer):
                return self._work(conn, self._serve)
            conn.deadline = conn.began + self.limits.grace + body.received / self.limits.rate
            if self._room.is_full:
                self._make_room()
        except HTTPError as exc:
            self._refuse(conn, exc)

    def _begin_body(self, conn: Connection) -> None:
        conn.stage, conn.began = Stage.BODY, time.monotonic()
        if conn.head is not None and conn.head.expects_continue and not conn.buffer:
            conn.output.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            conn.output.flush()

    def _make_room(self) -> None:
        """Refuse what has been coming for longest, until there is room for other bodies."""
        reason = HTTPError(503, "more is being uploaded than there is room for; try again")
        for conn in self._peers.receiving():
            if self._room.is_full:
                self._guarded(self._refuse, conn, reason)

    def _work(self, conn: Connection, work: _WORK | None) -> None:
        assert work is not None
        before, conn.stage = conn.stage, Stage.WORKING
        try:
            work(conn)
        except NoFreeWorker as exc:
            conn.stage = before
            if before is Stage.SHAKING:
                return self._close(conn)
            self._refuse(conn, HTTPError(503, "too many requests wait already; try again"), exc.retry_after)

    def _refuse(self, conn: Connection, why: HTTPError, retry_after: float | None = None) -> None:
        conn.drop()
        if self._refused is not None:
            self._refused(conn.remote_addr, why.status)
        conn.output.write(refusal(why.status, why.reason, retry_after=retry_after))
        conn.keep, conn.stage, conn.began = False, Stage.SENDING, time.monotonic()
        conn.deadline = conn.began + self.limits.grace
        self._send(conn)

    # Answers, and the end of a connection

    def _send(self, conn: Connection) -> None:
        """Send what the client takes; once that is all, wait for its next request, or hang up."""
        complete = conn.output.flush()
        if complete == (was_slow := conn.watches_output):
            conn.watches_output = not complete
            self._epoll.modify(conn.fd, _INPUT if complete else _OUTPUT)
        now = time.monotonic()
        if not complete:
            conn.deadline = conn.began + self.limits.grace + conn.output.sent / self.limits.rate
            for other in () if was_slow else self._peers.too_much_unsent(conn):
                self._close(other, cut=True)
        elif conn.keep:
            conn.deadline, conn.since, conn.stage = now + self.limits.idle, now, Stage.WAITING
            self._posted.append(conn)
        else:
            self._hang_up(conn, now)

    def _hang_up(self, conn: Connection, now: float) -> None:
        """Send nothing more, and let the client read: closing with unread input would take the answer from it."""
        conn.hang_up()
        conn.deadline, conn.stage = now + self.limits.linger, Stage.LINGERING
        if conn.missed or conn.ended:
            self._post(conn)

    def _close(self, conn: Connection, cut: bool = False) -> None:
        if self._connections.pop(conn.fd, None) is None:
            return
        self._peers.remove(conn)
        if cut:
            conn.cut()
        if conn.stage is not Stage.WORKING:
            conn.close()

    def _keep_time(self) -> None:
        now = time.monotonic()
        late = [conn for conn in self._connections.values() if conn.deadline < now and conn.stage is not Stage.WORKING]
        for conn in late:
            self._guarded(self._too_late, conn)
        if not self._stopped:
            self._acceptor.resume(now)

    def _too_late(self, conn: Connection) -> None:
        if conn.stage in (Stage.HEAD, Stage.BODY):
            self._refuse(conn, HTTPError(408, "the request took too long"))
        else:
            self._close(conn, cut=conn.stage is Stage.SENDING)

    def _finished(self) -> bool:
        if self.stopping and not self._stopped:
            self._stop_accepting()
        return self._cutting or (self._stopped and not self._connections)

    def _stop_accepting(self) -> None:
        """Take what the kernel accepted for us, unless somebody else goes on listening; then ask everybody to come to an end."""
        self._stopped = True
        self._acceptor.end(self.limits.connections)
        for conn in [conn for conn in self._connections.values() if conn.stage is Stage.WAITING]:
            self._guarded(self._resumed, conn)

    def _last_chance(self, conn: Connection) -> None:
        if conn.requests:  # all that it asked for is on its way
            conn.hang_up()
            self._close(conn)
        else:
            conn.deadline = min(conn.deadline, time.monotonic() + _LAST_CHANCE)

    def _end(self) -> None:
        for conn in list(self._connections.values()):
            self._close(conn, cut=True)
        self._acceptor.close()
        self._epoll.close()
