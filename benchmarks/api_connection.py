"""Connections to the API that say whether a request was answered."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

API_VERSION = "latest"
TIMEOUT_S = 30.0


class Unanswered(Exception):
    """The connection ended before the response, so the request may have been executed or not."""


class Answer(NamedTuple):
    """Status, headers with lower-case names, and body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as a JSON value, or None if it is empty."""
        return json.loads(self.body) if self.body else None


class APIConnection:
    """A kept-alive connection to one API. Not thread-safe: each thread has its own."""

    def __init__(
        self,
        url: str,
        timeout: float = TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        address = urlsplit(url).netloc
        self._connection = (
            http.client.HTTPConnection(address, timeout=timeout)
            if context is None
            else http.client.HTTPSConnection(address, timeout=timeout, context=context)
        )
        self._headers = {"X-OpenStack-Ironic-API-Version": API_VERSION, "Content-Type": "application/json", **(headers or {})}

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request and return the response. *body* is sent as JSON unless it is bytes. Raises :class:`Unanswered`."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self._connection.request(method, path, data, {**self._headers, **(headers or {})})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as exc:
            self._connection.close()
            raise Unanswered(f"{method} {path}: {exc!r}") from exc
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)

    def read_some(self, path: str, seconds: float) -> int:
        """Read a response that does not end for some seconds, and return the number of bytes. Close the connection afterwards."""
        end, count = time.monotonic() + seconds, 0
        try:
            self._connection.request("GET", path, None, self._headers)
            response = self._connection.getresponse()
            while time.monotonic() < end and (data := response.read1(65_536)):
                count += len(data)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            self._connection.close()
        return count

    def read_status(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> int:
        """Send a request and return only the status, for a response that does not end. Close the connection afterwards."""
        try:
            self._connection.request(method, path, None, {**self._headers, **(headers or {})})
            return self._connection.getresponse().status
        except (OSError, http.client.HTTPException) as exc:
            raise Unanswered(f"{method} {path}: {exc!r}") from exc
        finally:
            self._connection.close()

    def list_all(self, path: str, key: str) -> list[dict[str, Any]]:
        """Return all records of a listing, page by page."""
        records: list[dict[str, Any]] = []
        url = path
        while url:
            answer = self.request("GET", url)
            if answer.status != 200:
                raise AssertionError(f"GET {url}: {answer.status} {answer.body[:300]!r}")
            records += answer.json[key]
            following = answer.json.get("next")
            url = "" if not following else following[following.index("/v1/") :]
        return records

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
