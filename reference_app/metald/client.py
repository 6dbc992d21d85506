"""A small client of the Bare Metal API on the standard library."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

API_VERSION = "1.80"
"""The microversion that every request asks for."""

_RETRIED = frozenset({409, 503})


class APIError(Exception):
    """The service refused a request, or gave no answer. *status* is None where nobody answered."""

    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def temporary(self) -> bool:
        """Whether the same request can succeed in a moment: the node is locked, or there is no free worker."""
        return self.status in _RETRIED


class BareMetalClient:
    """Speaks to one service. Threads may share it: every request has a connection of its own."""

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        """*url* is the endpoint, such as ``http://127.0.0.1:6385``; *timeout* in seconds bounds one request."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"{url!r} is not an http URL")
        self._host, self._port = parts.hostname, parts.port
        self._timeout = timeout

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request and give back the JSON of the answer, None if it has no body; raise :class:`APIError`."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        headers = {"X-OpenStack-Ironic-API-Version": API_VERSION, "Accept": "application/json"}
        encoded = None
        if body is not None:
            encoded = json.dumps(body).encode("utf-8")
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, encoded, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as exc:
            raise APIError(f"{method} {path}: no answer: {exc or type(exc).__name__}") from exc
        finally:
            connection.close()
        if response.status >= 400:
            raise _refusal(f"{method} {path}", response, content)
        return json.loads(content) if content else None

    def create_node(self, values: dict[str, Any]) -> dict[str, Any]:
        """Enrol a node; give back its record."""
        node: dict[str, Any] = self.request("POST", "/v1/nodes", values)
        return node

    def node(self, node: str) -> dict[str, Any]:
        """The record of a node, by its UUID or name."""
        record: dict[str, Any] = self.request("GET", f"/v1/nodes/{node}")
        return record

    def replace(self, node: str, field: str, value: Any) -> None:
        """Set one field of a node, such as ``instance_info``."""
        self.request("PATCH", f"/v1/nodes/{node}", [{"op": "add", "path": f"/{field}", "value": value}])

    def provision(self, node: str, target: str) -> None:
        """Ask for a change of the provision state by its verb."""
        self.request("PUT", f"/v1/nodes/{node}/states/provision", {"target": target})

    def power(self, node: str, target: str) -> None:
        """Ask for a change of the power state."""
        self.request("PUT", f"/v1/nodes/{node}/states/power", {"target": target})


def _refusal(request: str, response: http.client.HTTPResponse, content: bytes) -> APIError:
    wait = response.headers.get("Retry-After", "")
    return APIError(
        f"{request}: {response.status} {response.reason}: {reason_of(content)}",
        response.status,
        float(wait) if wait.isdigit() else None,
    )


def reason_of(content: bytes) -> str:
    """The sentence in an error's body: JSON within a string within JSON, or any other shape that servers give it."""
    text = content.decode("utf-8", "replace")
    try:
        message = json.loads(text)["error_message"]
        fault = json.loads(message) if isinstance(message, str) else message
        return str(fault["faultstring"])
    except (ValueError, KeyError, TypeError):
        return text[:500].strip()
