"""Collection of an event loop's open connections: registration with ``epoll``, limits, sending and closing."""

from __future__ import annotations

import contextlib
import select

from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.connection_limits import ConnectionLimits
from baremetal_sdk.http.limits import HTTPLimits

_INPUT = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_INPUT_AND_OUTPUT = _INPUT | select.EPOLLOUT


class OpenConnections:
    """Connections that the event loop or one of its workers owns, registered with *epoll*.

    Only the event loop calls the methods, except :meth:`watch_input` and :meth:`close_if_cut`.
    """

    def __init__(self, limits: HTTPLimits, epoll: select.epoll) -> None:
        self._epoll = epoll
        self.by_fd: dict[int, Connection] = {}
        """Connections by file descriptor. Other threads may look up single entries."""
        self._limits = limits
        self._connection_limits = ConnectionLimits(limits, self.by_fd)

    def add(self, conn: Connection) -> None:
        """Register *conn*. Close older connections if a limit requires it, or *conn* if none of them can be closed."""
        for other in self._connection_limits.find_evictions(conn):
            self.close(other, abort=True)
        if not self._connection_limits.add(conn):
            conn.abort()
            conn.close()
            return
        self.by_fd[conn.fd] = conn
        self._epoll.register(conn.fd, _INPUT)

    def watch_input(self, conn: Connection, enable: bool) -> None:
        """Start or stop watching *conn* for input. The worker that owns *conn* may call this.

        A start also reports input that arrived before it, because epoll_ctl(2) checks the socket again.
        """
        with contextlib.suppress(OSError, ValueError):  # the connection was cut, or the whole loop has ended
            self._epoll.modify(conn.fd, _INPUT if enable else 0)

    def send(self, conn: Connection) -> bool:
        """Send as much output as the client takes now. Return whether all output is sent.

        If output is left, ``epoll`` reports when the socket can send again, and the deadline moves. If the unsent output of all
        connections exceeds its limit, the slowest readers are closed, which may include *conn*. Raises ``ClientGone``.
        """
        is_complete = conn.output.flush()
        was_blocked = conn.watches_output
        # epoll is changed only if the need has changed: most responses fit into the socket buffer.
        if is_complete == was_blocked:
            conn.watches_output = not is_complete
            self._epoll.modify(conn.fd, _INPUT if is_complete else _INPUT_AND_OUTPUT)
        if not is_complete:
            # The deadline moves with the bytes that the client takes: the average rate counts, not a pause.
            conn.deadline = conn.stage_started_at + self._limits.grace_period_s + conn.output.sent / self._limits.min_bytes_per_s
            if not was_blocked:
                for reader in self._connection_limits.find_excess_readers(conn):
                    self.close(reader, abort=True)
        return is_complete

    def detach(self, conn: Connection) -> bool:
        """Unregister *conn* for the stream sender, which takes it over. Return False if *conn* was cut meanwhile."""
        if not self._remove(conn):
            return False
        self._epoll.unregister(conn.fd)
        return True

    def close(self, conn: Connection, abort: bool = False) -> None:
        """Close *conn*, unless it is closed already. With *abort* the client gets a reset instead of unsent output.

        If a worker owns *conn*, the worker closes the descriptor later.
        """
        if not self._remove(conn):
            return
        if abort:
            conn.abort()
        # A worker still uses the descriptor. If it were closed here, a new connection could get the same number.
        if conn.state is not ConnectionState.IN_WORKER:
            conn.close()

    def close_if_cut(self, conn: Connection) -> bool:
        """Close *conn* if the event loop has cut it, and return whether it has. The worker that returns *conn* calls this.

        The loop leaves the descriptor to the worker if it sees the state ``IN_WORKER``, so the worker calls this after it has
        written the next state. Both may then close the connection, which does no harm.
        """
        is_cut = self.by_fd.get(conn.fd) is not conn and conn.state is not ConnectionState.STREAMING
        if is_cut:
            conn.close()
        return is_cut

    def close_oldest(self, count: int) -> None:
        """Abort up to *count* connections that have been inactive for longest."""
        for conn in self._connection_limits.find_oldest(count):
            self.close(conn, abort=True)

    def find_uploads(self) -> list[Connection]:
        """Return the connections that receive a body, oldest request first."""
        return self._connection_limits.find_uploads()

    def find_idle(self) -> list[Connection]:
        """Return the connections that wait for a request."""
        return [conn for conn in self.by_fd.values() if conn.state is ConnectionState.IDLE]

    def find_late(self, now: float) -> list[Connection]:
        """Return the connections whose deadline has passed.

        A connection that belongs to a worker has no deadline here: the application decides how long a request takes.
        """
        return [conn for conn in self.by_fd.values() if conn.deadline < now and conn.state is not ConnectionState.IN_WORKER]

    def _remove(self, conn: Connection) -> bool:
        """Remove *conn* from the open connections and return True, or return False if it is not one of them."""
        if self.by_fd.pop(conn.fd, None) is None:
            return False
        self._connection_limits.remove(conn)
        return True
