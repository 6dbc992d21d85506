"""A session at a Redfish service, and the systems that are found there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import sushy.exceptions
from sushy.resources.system.system import System

from baremetal_interfaces import BMCBusy, Deadline, InvalidInput, Problem, UnexpectedAnswer
from baremetal_interfaces.http import HTTPSession
from baremetal_redfish.info import PATH_CHARACTERS
from baremetal_redfish.transport import Answer, Transport

_LISTED = 20
"""As many systems are named in a message."""


class RedfishSession:
    """What :class:`~baremetal_redfish.connector.RedfishConnector` opens. It serves all systems of one service."""

    def __init__(self, http: HTTPSession, root: str, longest: float) -> None:
        self.http = http
        self.root = root
        self.transport = Transport(http, root, longest)
        self.login_path: str | None = None
        """The resource whose removal ends the session, where there is one."""
        self._only_system: str | None = None

    def __repr__(self) -> str:
        return f"<RedfishSession {self.http.endpoint}>"

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[RedfishSession]:
        """Bound the requests of this thread by *deadline*."""
        with self.transport.until(deadline):
            yield self

    def known_path(self, path: str | None) -> str | None:
        """The system's path where it is known without a request."""
        return path or self._only_system

    def system(self, path: str | None) -> System:
        """Read the system at *path*, or the only one that there is.

        Raises :class:`~baremetal_interfaces.errors.InvalidInput`, with the systems that there are, for one that is not.
        """
        found = self.known_path(path) or self._find_only()
        try:
            return System(self.transport, found)
        except sushy.exceptions.ResourceNotFoundError:
            raise self._no_such_system(found, path) from None

    def document(self, path: str | None) -> dict[str, Any]:
        """The JSON document of the system at *path*, or of the only one, as it came."""
        found = self.known_path(path) or self._find_only()
        try:
            return self.transport.document(found)
        except sushy.exceptions.ResourceNotFoundError:
            raise self._no_such_system(found, path) from None

    def lean_document(self, path: str, deadline: Deadline) -> dict[str, Any]:
        """The JSON document at *path* by one bare request; whatever is not one is left to the usual way, which says why."""
        answer = self.transport.bare("GET", path, deadline)
        if answer.status == 401:
            self.transport.raise_for("GET", path, Answer(answer))
        if answer.status == 200:
            value = answer.json()
            if isinstance(value, dict):
                return value
        if answer.status in (429, 503):
            wait = answer.headers.get("Retry-After") or ""
            raise BMCBusy(
                f"the BMC at {self.http.endpoint} is busy (status {answer.status})",
                retry_after=float(wait) if wait.isdecimal() and len(wait) < 6 else None,
            )
        with self.until(deadline):
            return self.document(path)

    def _find_only(self) -> str:
        paths = self._system_paths()
        if len(paths) != 1:
            wrong = "is needed, for the BMC does not have exactly one system"
            raise InvalidInput([Problem("driver_info/redfish_system_id", wrong, _named(paths))])
        self._only_system = quote(paths[0], safe=PATH_CHARACTERS)
        return self._only_system

    def _no_such_system(self, found: str, asked: str | None) -> InvalidInput:
        self._only_system = None
        paths = self._system_paths()
        wrong = f"there is no system {found} at this BMC" if asked else f"the only system, {found}, is no longer there"
        return InvalidInput([Problem("driver_info/redfish_system_id", wrong, _named(paths))])

    def _system_paths(self) -> list[str]:
        try:
            collection = self.transport.document(self._collection())
        except sushy.exceptions.ResourceNotFoundError:
            raise UnexpectedAnswer(
                f"the BMC at {self.http.endpoint} has no Redfish service at {self.root} that lists its systems; "
                "check redfish_address and redfish_root_prefix"
            ) from None
        members = collection.get("Members")
        links = [member.get("@odata.id") for member in members if isinstance(member, dict)] if isinstance(members, list) else []
        return [link.rstrip("/") for link in links if isinstance(link, str) and link]

    def _collection(self) -> str:
        link = self.transport.document(self.root).get("Systems")
        path = link.get("@odata.id") if isinstance(link, dict) else None
        return path if isinstance(path, str) and path else f"{self.root}Systems"


def _named(paths: list[str]) -> str:
    if not paths:
        return "it lists none"
    rest = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    return "there are " + ", ".join(paths[:_LISTED]) + rest
