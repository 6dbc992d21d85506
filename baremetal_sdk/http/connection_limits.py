"""How many connections there are, by client, and who makes room when there are too many."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping

from baremetal_sdk.http.connection import Connection, Stage
from baremetal_sdk.http.limits import HTTPLimits

_AT_ONCE = 16
"""Connections that make room at a time, so that a flood does not cost a look at all of them for each of its own."""
_SHARE = 8
"""Whoever has more than this part of all connections makes room before others do."""


class ConnectionLimits:
    """Keeps connections within the limits.

    The oldest ones make room for new ones, whether they are silent, send slowly or read slowly, so that nobody is locked out by
    those. One that is with a worker stays.
    """

    def __init__(self, limits: HTTPLimits, connections: Mapping[int, Connection]) -> None:
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
        if len(self._connections) >= self._limits.connections:
            return self.oldest(_AT_ONCE)
        return self._oldest_of(1, conn.peer) if self._is_full(conn.peer) else []

    def oldest(self, most: int) -> list[Connection]:
        """Up to *most* connections on which nothing was begun for longest, of the client who has a large part of all first."""
        largest = max(self._of_peer, key=self._of_peer.__getitem__, default=None)
        if largest is not None and self._of_peer[largest] * _SHARE > len(self._connections):
            return self._oldest_of(most, largest) or self._oldest_of(most, None)
        return self._oldest_of(most, None)

    def receiving(self) -> list[Connection]:
        """The connections on which a body is coming, the one that began first at the front."""
        return sorted((conn for conn in self._connections.values() if conn.stage is Stage.BODY), key=lambda conn: conn.since)

    def _oldest_of(self, most: int, peer: str | None) -> list[Connection]:
        free = (
            conn for conn in self._connections.values() if conn.stage is not Stage.WORKING and (peer is None or conn.peer == peer)
        )
        return heapq.nsmallest(most, free, key=lambda conn: conn.since)

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
