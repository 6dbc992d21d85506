"""Limits on open connections, and the choice of connections to close when a limit is reached."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping

from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.limits import HTTPLimits

_EVICTION_BATCH_SIZE = 16
"""Connections closed together. Each eviction scans all connections, so in a flood only every 16th new one causes a scan."""
_LARGE_SHARE_DIVISOR = 8
"""A client with more than 1/8 of all connections loses its own connections before other clients do."""


class ConnectionLimits:
    """Counter of connections by client, and selector of connections to close at a limit. Only the event loop uses it.

    New connections replace the oldest inactive ones: connections that are silent, send slowly or read slowly. Otherwise slow
    clients could fill the server and lock out all others. A connection that belongs to a worker stays.
    """

    def __init__(self, limits: HTTPLimits, connections: Mapping[int, Connection]) -> None:
        self._limits = limits
        self._connections = connections
        self._count_by_client: Counter[str] = Counter()
        self._slow_readers: dict[int, Connection] = {}

    def add(self, conn: Connection) -> bool:
        """Count *conn* and return True. If a limit is reached, do not count it and return False."""
        if self._is_full(conn.client):
            return False
        if conn.client is not None:
            self._count_by_client[conn.client] += 1
        return True

    def remove(self, conn: Connection) -> None:
        """Stop counting *conn*."""
        self._slow_readers.pop(conn.fd, None)
        if conn.client is not None:
            self._count_by_client[conn.client] -= 1
            if self._count_by_client[conn.client] <= 0:
                del self._count_by_client[conn.client]

    def find_evictions(self, conn: Connection) -> list[Connection]:
        """Return the connections to close so that *conn* fits within the limits."""
        if len(self._connections) >= self._limits.max_connections:
            return self.find_oldest(_EVICTION_BATCH_SIZE)
        return self._find_oldest_of(conn.client, 1) if self._is_full(conn.client) else []

    def find_oldest(self, count: int) -> list[Connection]:
        """Return up to *count* connections that have been inactive for longest, without those that belong to workers.

        If one client has more than 1/8 of all connections, prefer connections of this client.
        """
        largest = max(self._count_by_client, key=self._count_by_client.__getitem__, default=None)
        if largest is not None and self._count_by_client[largest] * _LARGE_SHARE_DIVISOR > len(self._connections):
            return self._find_oldest_of(largest, count) or self._find_oldest_of(None, count)
        return self._find_oldest_of(None, count)

    def find_uploads(self) -> list[Connection]:
        """Return the connections that receive a body, oldest request first."""
        uploads = (conn for conn in self._connections.values() if conn.state is ConnectionState.READING_BODY)
        return sorted(uploads, key=lambda conn: conn.active_since)

    def find_excess_readers(self, conn: Connection) -> Iterator[Connection]:
        """Register *conn* as a slow reader. Yield the slow readers to disconnect, those that have been sending for longest first.

        It ends when the unsent output of the other slow readers is within ``max_unsent_bytes``.
        """
        self._slow_readers[conn.fd] = conn
        # Connections that finished sending are not removed at once, so the list is cleaned here.
        sending = [reader for reader in self._slow_readers.values() if reader.state is ConnectionState.SENDING]
        if len(sending) < len(self._slow_readers):
            self._slow_readers = {reader.fd: reader for reader in sending}
        unsent = sum(reader.output.pending for reader in sending)
        for reader in sorted(sending, key=lambda reader: reader.stage_started_at):
            if unsent <= self._limits.max_unsent_bytes:
                return
            unsent -= reader.output.pending
            yield reader

    def _find_oldest_of(self, client: str | None, count: int) -> list[Connection]:
        """Return up to *count* of the oldest connections of *client*, or of all clients if it is None."""
        candidates = (
            conn
            for conn in self._connections.values()
            if conn.state is not ConnectionState.IN_WORKER and (client is None or conn.client == client)
        )
        return heapq.nsmallest(count, candidates, key=lambda conn: conn.active_since)

    def _is_full(self, client: str | None) -> bool:
        if len(self._connections) >= self._limits.max_connections:
            return True
        limit = self._limits.max_connections_per_client
        return bool(limit and client and self._count_by_client[client] >= limit)
