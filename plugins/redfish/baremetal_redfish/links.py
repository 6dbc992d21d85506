"""Reading documents by their links, of which some lead nowhere: what a service leaves out is no error here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sushy.exceptions

from baremetal_redfish.session import RedfishSession


def path_of(value: Any) -> str | None:
    """The path in a reference, ``{"@odata.id": ...}``, or None where it is none."""
    path = value.get("@odata.id") if isinstance(value, dict) else None
    return path if isinstance(path, str) and path else None


def below(document: Any, *names: str) -> Any:
    """What stands in *document* below *names*, or None."""
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def listed(value: Any) -> Sequence[dict[str, Any]]:
    """The objects of a list, or none where it is not a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_of(value: Any) -> str | None:
    """A text that is not empty, or None."""
    return value.strip() if isinstance(value, str) and value.strip() else None


def follow(session: RedfishSession, reference: Any) -> dict[str, Any] | None:
    """The document behind a reference; None where there is none, or none is there."""
    path = path_of(reference)
    if path is None:
        return None
    try:
        return session.transport.document(path)
    except sushy.exceptions.ResourceNotFoundError:
        return None


def members(session: RedfishSession, reference: Any) -> Iterator[dict[str, Any]]:
    """The documents of the collection behind a reference, of which some services give the contents at once."""
    collection = follow(session, reference)
    for member in listed(below(collection, "Members")):
        document = member if any(not name.startswith("@") for name in member) else follow(session, member)
        if document is not None:
            yield document


def root(session: RedfishSession) -> dict[str, Any]:
    """The root of the service."""
    return session.transport.document(session.root)
