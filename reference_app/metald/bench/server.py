"""The server under test, as a client uses it: each request over the calling thread's own connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

from metald.bench.access import Access
from metald.bench.connection import Connection, ConnectionFailed, Target
from metald.client import APIError, reason_of

_PAGE = 1000


class Server:
    """One server. Threads share it."""

    def __init__(self, target: Target, access: Access, api_version: str) -> None:
        self.target = target
        self._access = access
        self._common = f"X-OpenStack-Ironic-API-Version: {api_version}\r\nAccept: application/json\r\n"
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self.requests = 0
        """Requests that were sent, about: threads do not wait for one another to count."""

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of the answer. Raises :class:`APIError`."""
        connection = self._connection()
        lines = self._access.lines
        self.requests += 1
        try:
            answer = connection.request(method, path, self._common + lines, body)
            if answer.status == 401 and self._access.renew(lines):
                answer = connection.request(method, path, self._common + self._access.lines, body)
        except ConnectionFailed as exc:
            raise APIError(f"{method}: {exc}") from exc
        if answer.status >= 400:
            wait = answer.headers.get("retry-after", "")
            reason = reason_of(answer.body)
            raise APIError(f"{method}: {answer.status} {reason}", answer.status, float(wait) if wait.isdigit() else None)
        return answer.body

    def create(self, body: bytes) -> str:
        """Create a node; give back its UUID."""
        return str(json.loads(self.request("POST", "/v1/nodes", body))["uuid"])

    def delete(self, node: str) -> None:
        """Delete a node."""
        self.request("DELETE", f"/v1/nodes/{node}")

    def node(self, node: str) -> dict[str, Any]:
        """The record of a node."""
        record: dict[str, Any] = json.loads(self.request("GET", f"/v1/nodes/{node}"))
        return record

    def provision(self, node: str, verb: str) -> None:
        """Ask for a change of the provision state."""
        self.request("PUT", f"/v1/nodes/{node}/states/provision", json.dumps({"target": verb}).encode())

    def nodes(self, *fields: str) -> Iterator[dict[str, Any]]:
        """These fields, and the UUID, of all nodes, page by page."""
        path = f"/v1/nodes?fields={','.join(('uuid', *fields))}&limit={_PAGE}"
        marker = ""
        while True:
            page = json.loads(self.request("GET", path + marker))
            yield from page["nodes"]
            if not page.get("next") or not page["nodes"]:
                return
            marker = f"&marker={page['nodes'][-1]['uuid']}"

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()
        self._local = threading.local()

    def _connection(self) -> Connection:
        found: Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = Connection(self.target)
            with self._lock:
                self._connections.append(found)
        return found
