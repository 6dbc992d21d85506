"""Tolerant reading of a machine's resources, for reports that contain what a BMC can provide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sushy.exceptions

from baremetal_interfaces import Task
from baremetal_interfaces.http import BadAnswer
from baremetal_redfish.errors import CredentialsRefused, SessionExpired, TransportFailed, is_busy
from baremetal_redfish.links import get_nested, get_objects, get_path
from baremetal_redfish.session import RedfishSession

_MAX_PAGES = 1000
_NOT_FOUND = 404
_EXPANSION = "?$expand=."
"""Query for a collection with its members. The period leaves out what the members link to (DSP0266, 7.3)."""


class ResourceReader:
    """Reader of linked documents for the work *purpose*. A document that cannot be read counts as not linked and is logged.

    A refused login, an ended session, a busy service and a lost connection raise their errors. Each document is read once.
    """

    def __init__(self, session: RedfishSession, task: Task, purpose: str) -> None:
        self.session = session
        self.log = task.log
        self._deadline = task.deadline
        self._purpose = purpose
        self._documents: dict[str, dict[str, Any]] = {}

    def follow(self, reference: Any, *, large: bool = False) -> dict[str, Any] | None:
        """Return the document behind a reference, or None if it is missing or cannot be read.

        With *large*, the document may be larger than others, as collections are.
        """
        path = get_path(reference)
        if path is None:
            return None
        if path not in self._documents:
            self._documents[path] = self._read(path, large)
        return self._documents[path] or None

    def members(self, reference: Any, *, expanded: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the documents of the members of the collection behind a reference, of all its pages.

        With *expanded*, a service that can is asked to include the documents in the collection, which saves many requests.
        """
        path = get_path(reference)
        if expanded and path is not None and self._can_expand:
            included = self.member_references({"@odata.id": f"{path}{_EXPANSION}"})
            if included:
                yield from self.follow_links(included)
                return
        yield from self.follow_links(self.member_references(reference))

    def member_references(self, reference: Any) -> list[dict[str, Any]]:
        """Return the references, or the included documents, of the members of the collection behind a reference."""
        found: list[dict[str, Any]] = []
        seen: set[str] = set()
        path = get_path(reference)
        while path is not None and path not in seen and len(seen) < _MAX_PAGES:
            seen.add(path)
            page = self.follow({"@odata.id": path}, large=True) or {}
            found += get_objects(page.get("Members"))
            following = page.get("Members@odata.nextLink")
            path = following if isinstance(following, str) and following else None
        return found

    def follow_links(self, references: Any) -> Iterator[dict[str, Any]]:
        """Yield the documents behind a list of references. Some services include the documents in the list."""
        for reference in get_objects(references):
            document = reference if any(not name.startswith("@") for name in reference) else self.follow(reference)
            if document:
                yield document

    @property
    def root(self) -> dict[str, Any]:
        """The document of the service root."""
        return self.follow({"@odata.id": self.session.root}) or {}

    @property
    def _can_expand(self) -> bool:
        return get_nested(self.root, "ProtocolFeaturesSupported", "ExpandQuery", "NoLinks") is True

    def _read(self, path: str, large: bool) -> dict[str, Any]:
        self._deadline.check(self._purpose)
        try:
            return self.session.transport.read_document(path, large=large)
        except (SessionExpired, CredentialsRefused):
            raise
        except TransportFailed as exc:
            if not isinstance(exc.failure, BadAnswer):
                raise
            self.log.warning("%s omits %s: %s", self._purpose, path, exc)
        except sushy.exceptions.HTTPError as exc:
            if is_busy(exc):
                raise
            level = self.log.info if exc.status_code == _NOT_FOUND else self.log.warning
            level("%s omits %s: HTTP status %s", self._purpose, path, exc.status_code)
        return {}
