"""API client of ``metald bench``: each thread sends its requests over its own connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

from metald.bench.authentication import RequestAuthentication
from metald.bench.connection import BenchConnection, ConnectionFailed, ServerAddress
from metald.client import APIError, extract_reason

_PAGE_SIZE = 1000


class ServerClient:
    """Client of one server under test. Thread-safe: each thread has its own keep-alive connection."""

    def __init__(self, address: ServerAddress, authentication: RequestAuthentication, api_version: str) -> None:
        self.address = address
        self._authentication = authentication
        self._common_headers = f"X-OpenStack-Ironic-API-Version: {api_version}\r\nAccept: application/json\r\n"
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[BenchConnection] = []
        self.request_count = 0
        """Approximate number of requests. Threads increment it without a lock, so increments can get lost."""

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Send a request and return the body of the response; raise :class:`APIError` for an HTTP error or without a response.

        If the server rejects an expired Keystone token, a new token is requested and the request is sent once more.
        """
        connection = self._get_thread_connection()
        auth_headers = self._authentication.header_lines
        self.request_count += 1
        try:
            response = connection.request(method, path, self._common_headers + auth_headers, body)
            # A token can expire during a long measurement.
            if response.status == 401 and self._authentication.renew(auth_headers):
                auth_headers = self._authentication.header_lines
                response = connection.request(method, path, self._common_headers + auth_headers, body)
        except ConnectionFailed as exc:
            raise APIError(f"{method} request failed: {exc}") from exc
        if response.status >= 400:
            retry_after = response.headers.get("retry-after", "")
            raise APIError(
                f"{method} request failed: HTTP {response.status} {extract_reason(response.body)}",
                response.status,
                float(retry_after) if retry_after.isdigit() else None,
            )
        return response.body

    def create_node(self, body: bytes) -> str:
        """Create a node from *body*, the JSON of its fields, and return its UUID."""
        return str(json.loads(self.request("POST", "/v1/nodes", body))["uuid"])

    def delete_node(self, uuid: str) -> None:
        """Delete the node *uuid*."""
        self.request("DELETE", f"/v1/nodes/{uuid}")

    def get_node(self, uuid: str) -> dict[str, Any]:
        """Return the record of the node *uuid*."""
        record: dict[str, Any] = json.loads(self.request("GET", f"/v1/nodes/{uuid}"))
        return record

    def set_provision_state(self, uuid: str, verb: str) -> None:
        """Request the provision *verb* for the node *uuid*. The change continues after the call."""
        self.request("PUT", f"/v1/nodes/{uuid}/states/provision", json.dumps({"target": verb}).encode())

    def list_nodes(self, *fields: str) -> Iterator[dict[str, Any]]:
        """Yield the UUID and *fields* of all nodes of the server. Each page of 1000 nodes is requested when it is needed."""
        path = f"/v1/nodes?fields={','.join(('uuid', *fields))}&limit={_PAGE_SIZE}"
        marker = ""
        while True:
            page = json.loads(self.request("GET", path + marker))
            yield from page["nodes"]
            if not page.get("next") or not page["nodes"]:
                return
            marker = f"&marker={page['nodes'][-1]['uuid']}"

    def close(self) -> None:
        """Close the connections of all threads. The next request of a thread opens a new one."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()
        self._local = threading.local()

    def _get_thread_connection(self) -> BenchConnection:
        """Return the connection of the calling thread, and create it at the first call."""
        connection: BenchConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = BenchConnection(self.address)
            with self._lock:
                self._connections.append(connection)
        return connection
