"""Session with a Redfish service: its transport, and reads of the computer systems that the service manages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sushy.exceptions
from sushy.resources.system.system import System

from baremetal_interfaces import BMCBusy, Deadline, InvalidInput, Problem, UnexpectedAnswer
from baremetal_interfaces.http import HTTPSession
from baremetal_redfish.paths import quote_path
from baremetal_redfish.response import RedfishResponse
from baremetal_redfish.transport import Transport

_MAX_LISTED_SYSTEMS = 20
"""Number of systems that an error message names."""


class RedfishSession:
    """Session that :class:`~baremetal_redfish.connector.RedfishConnector` opens. It serves all systems of one service."""

    def __init__(self, http: HTTPSession, root: str, request_timeout: float) -> None:
        self.http = http
        self.root = root
        self.transport = Transport(http, root, request_timeout)
        self.login_path: str | None = None
        """Path of the session's resource, whose deletion is the logout; None without a Redfish session."""
        self._only_system: str | None = None

    def __repr__(self) -> str:
        return f"<RedfishSession {self.http.endpoint}>"

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[RedfishSession]:
        """Set the deadline of this thread's requests within a ``with`` block."""
        with self.transport.until(deadline):
            yield self

    def get_known_path(self, path: str | None) -> str | None:
        """Return *path*, or for None the path of the only system if it was found before, else None. Nothing is sent."""
        return path or self._only_system

    def system(self, path: str | None) -> System:
        """Read the system at *path*, or for None the only system of the service, and return sushy's model of it.

        Raises :class:`~baremetal_interfaces.errors.InvalidInput`, which lists the systems, if the system does not exist.
        """
        found = self.get_known_path(path) or self._find_only_system()
        try:
            return System(self.transport, found)
        except sushy.exceptions.ResourceNotFoundError:
            raise self._build_missing_system_error(found, path) from None

    def read_document(self, path: str | None) -> dict[str, Any]:
        """Return the unchanged JSON document of the system at *path*, or for None of the only system.

        Raises :class:`~baremetal_interfaces.errors.InvalidInput`, which lists the systems, if the system does not exist.
        """
        found = self.get_known_path(path) or self._find_only_system()
        try:
            return self.transport.read_document(found)
        except sushy.exceptions.ResourceNotFoundError:
            raise self._build_missing_system_error(found, path) from None

    def read_system_once(self, path: str, deadline: Deadline) -> dict[str, Any]:
        """Return the JSON document of the system at *path*, with a single request if that succeeds.

        Raises the error of a refused login, and BMCBusy if the service is busy. After any other response the document is read
        again with retries and redirects.
        """
        response = self.transport.send_once("GET", path, deadline)
        if response.status == 401:
            self.transport.raise_for_response("GET", path, RedfishResponse(response))
        if response.status == 200:
            value = response.json()
            if isinstance(value, dict):
                return value
        if response.status in (429, 503):
            wait = response.headers.get("Retry-After") or ""
            raise BMCBusy(
                f"the BMC at {self.http.endpoint} is busy (status {response.status})",
                retry_after=float(wait) if wait.isdecimal() and len(wait) < 6 else None,
            )
        with self.until(deadline):
            return self.read_document(path)

    def _find_only_system(self) -> str:
        paths = self._read_system_paths()
        if len(paths) != 1:
            wrong = "is needed, because the BMC does not have exactly one system"
            raise InvalidInput([Problem("driver_info/redfish_system_id", wrong, _format_paths(paths))])
        self._only_system = quote_path(paths[0])
        return self._only_system

    def _build_missing_system_error(self, found: str, asked: str | None) -> InvalidInput:
        self._only_system = None
        paths = self._read_system_paths()
        wrong = f"system {found} does not exist at this BMC" if asked else f"the only system, {found}, no longer exists"
        return InvalidInput([Problem("driver_info/redfish_system_id", wrong, _format_paths(paths))])

    def _read_system_paths(self) -> list[str]:
        try:
            collection = self.transport.read_document(self._find_collection_path(), large=True)
        except sushy.exceptions.ResourceNotFoundError:
            raise UnexpectedAnswer(
                f"the BMC at {self.http.endpoint} has no Redfish service at {self.root} that lists its systems; "
                "check redfish_address and redfish_root_prefix"
            ) from None
        members = collection.get("Members")
        if not isinstance(members, list):
            return []
        links = [member.get("@odata.id") for member in members if isinstance(member, dict)]
        return [link.rstrip("/") for link in links if isinstance(link, str) and link]

    def _find_collection_path(self) -> str:
        link = self.transport.read_document(self.root).get("Systems")
        path = link.get("@odata.id") if isinstance(link, dict) else None
        return path if isinstance(path, str) and path else f"{self.root}Systems"


def _format_paths(paths: list[str]) -> str:
    if not paths:
        return "the BMC lists no systems"
    rest = f" and {len(paths) - _MAX_LISTED_SYSTEMS} more" if len(paths) > _MAX_LISTED_SYSTEMS else ""
    return "the systems are " + ", ".join(paths[:_MAX_LISTED_SYSTEMS]) + rest
