"""How many connections there are, by client, and who makes room when there are too many."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping

from baremetal_sdk.http.connection import Connection, Stage
from baremetal_sdk.http.limits import Limits

_AT_ONCE = 16
"""Connections that make room at a time, so that a flood does not cost a look at all of them for each of its own."""
_IDLE = (Stage.WAITING, Stage.SHAKING, Stage.HEAD, Stage.LINGERING)
"""Stages in which a connection is nobody's work yet."""


class Peers:
    """Keeps connections within the limits. Silent ones make room for new ones, so that nobody is locked out by silence."""

    def __init__(self, limits: Limits, connections: Mapping[int, Connection]) -> None:
        self._limits = limits
        self._connections = connections
        self._of_peer: Counter[str] = Counter()
        self._sending: dict[int, Connection] = {}

    def add(self, conn: Connection) -> bool:
        """Count *conn*; tell whether there was room."""
        if self._is_full(conn.peer):
            return False
        if conn.peer is not None:
            self._of_peer[conn.peer] += 1
        return True

    def remove(self, conn: Connection) -> None:
        """Count *conn* no longer."""
        self._sending.pop(conn.fd, None)
        if conn.peer is not None:
            self._of_peer[conn.peer] -= 1
            if self._of_peer[conn.peer] <= 0:
                del self._of_peer[conn.peer]

    def in_the_way(self, conn: Connection) -> list[Connection]:
        """The connections that have to go for *conn* to come."""
        if not self._is_full(conn.peer):
            return []
        of_one = len(self._connections) < self._limits.connections
        return self.longest_silent(1 if of_one else _AT_ONCE, conn.peer if of_one else None)

    def longest_silent(self, most: int, peer: str | None = None) -> list[Connection]:
        """Up to *most* connections, of *peer* or of all, on which nothing was asked for longest."""
        silent = (conn for conn in self._connections.values() if conn.stage in _IDLE and (peer is None or conn.peer == peer))
        return heapq.nsmallest(most, silent, key=lambda conn: conn.since)

    def too_much_unsent(self, conn: Connection) -> Iterator[Connection]:
        """Note that *conn* reads slowly; who has to go because too much waits for slow readers, the slowest first."""
        self._sending[conn.fd] = conn
        waiting = [one for one in self._sending.values() if one.stage is Stage.SENDING]
        if len(waiting) < len(self._sending):
            self._sending = {one.fd: one for one in waiting}
        unsent = sum(one.output.pending for one in waiting)
        for one in sorted(waiting, key=lambda one: one.began):
            if unsent <= self._limits.unsent:
                return
            unsent -= one.output.pending
            yield one

    def _is_full(self, peer: str | None) -> bool:
        most = self._limits.per_peer
        return len(self._connections) >= self._limits.connections or bool(most and peer and self._of_peer[peer] >= most)
