"""Small client of the Bare Metal API, for the demonstration and for tests of metald."""

from __future__ import annotations

import json
from http.client import responses
from typing import Any

from baremetal_interfaces import BareMetalError, Deadline
from baremetal_interfaces.addresses import get_host_port, split_url
from baremetal_interfaces.http import HTTPResponse, HTTPSession

API_VERSION = "1.80"
"""API microversion that the client sends with every request."""

_TEMPORARY_STATUSES = frozenset({409, 503})


class APIError(Exception):
    """Error of an API request: the server answered with an HTTP error, or did not answer.

    *status* is the HTTP status, or None without an answer. *retry_after* is the pause in seconds that the server asks for,
    or None.
    """

    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def is_temporary(self) -> bool:
        """True if a retry can succeed: the node is locked (409), or the server has no free worker (503)."""
        return self.status in _TEMPORARY_STATUSES


class BareMetalClient:
    """Client of one Bare Metal API server. Thread-safe: each request uses a new connection."""

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        """Set the endpoint *url*, such as ``http://127.0.0.1:6385``, and the *timeout* of each request in seconds.

        Raises ValueError if *url* is not an HTTP URL. HTTPS is not supported.
        """
        parts = split_url(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"{url!r} is not an http URL; use http://HOST:PORT")
        self._host, self._port = get_host_port(parts)
        self._timeout = timeout

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request and return the JSON value of the response, or None if the response has no body.

        *body* is sent as JSON. Raises :class:`APIError` for an HTTP error or without an answer.
        """
        # A session serializes the requests of its threads, so concurrent requests need a session each.
        session = HTTPSession("http", self._host, self._port, read_timeout=self._timeout)
        headers = {"X-OpenStack-Ironic-API-Version": API_VERSION, "Accept": "application/json"}
        try:
            response = session.request(method, path, json=body, headers=headers, deadline=Deadline.after(self._timeout))
        except (OSError, BareMetalError) as exc:
            raise APIError(f"{method} {path}: no answer: {exc}") from exc
        finally:
            session.close()
        if response.status >= 400:
            raise _build_error(f"{method} {path}", response)
        return json.loads(response.body) if response.body else None

    def create_node(self, values: dict[str, Any]) -> dict[str, Any]:
        """Create a node with the fields *values*, and return its record."""
        node: dict[str, Any] = self.request("POST", "/v1/nodes", values)
        return node

    def get_node(self, node: str) -> dict[str, Any]:
        """Return the record of the node with the UUID or name *node*."""
        record: dict[str, Any] = self.request("GET", f"/v1/nodes/{node}")
        return record

    def set_field(self, node: str, field: str, value: Any) -> None:
        """Set one field of a node, such as ``instance_info``, to *value*."""
        self.request("PATCH", f"/v1/nodes/{node}", [{"op": "add", "path": f"/{field}", "value": value}])

    def set_provision_state(self, node: str, verb: str) -> None:
        """Request the provision *verb*, such as ``manage``, for a node. The change continues after the call."""
        self.request("PUT", f"/v1/nodes/{node}/states/provision", {"target": verb})

    def set_power_state(self, node: str, target: str) -> None:
        """Request the power *target*, such as ``power on``, for a node. The change continues after the call."""
        self.request("PUT", f"/v1/nodes/{node}/states/power", {"target": target})


def _build_error(request: str, response: HTTPResponse) -> APIError:
    """Return the APIError for *response*, an HTTP error to *request* (method and path)."""
    retry_after = response.headers.get("Retry-After", "")
    return APIError(
        f"{request}: {response.status} {responses.get(response.status, '')}: {extract_reason(response.body)}",
        response.status,
        float(retry_after) if retry_after.isdigit() else None,
    )


def extract_reason(content: bytes) -> str:
    """Return the message in *content*, the body of an HTTP error response.

    Ironic's error body is JSON that contains the fault as a JSON string; other servers nest a JSON object. Of any other
    body, the first 500 characters are returned.
    """
    text = content.decode("utf-8", "replace")
    try:
        message = json.loads(text)["error_message"]
        fault = json.loads(message) if isinstance(message, str) else message
        return str(fault["faultstring"])
    except (ValueError, KeyError, TypeError):
        return text[:500].strip()
