"""Reading of values and linked documents in Redfish documents, whose services omit many of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sushy.exceptions

from baremetal_redfish.session import RedfishSession


def get_path(value: Any) -> str | None:
    """Return the path in a reference, ``{"@odata.id": ...}``, or None."""
    path = value.get("@odata.id") if isinstance(value, dict) else None
    return path if isinstance(path, str) and path else None


def get_nested(document: Any, *names: str) -> Any:
    """Return the value that *names* lead to in nested objects, or None."""
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def get_objects(value: Any) -> Sequence[dict[str, Any]]:
    """Return the objects of a list; empty if *value* is not a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def get_text(value: Any) -> str | None:
    """Return a text without surrounding white space, or None if it is empty or not a text."""
    return value.strip() if isinstance(value, str) and value.strip() else None


def follow(session: RedfishSession, reference: Any, *, large: bool = False) -> dict[str, Any] | None:
    """Return the document behind a reference, or None if the reference or the document (status 404) is missing.

    With *large*, the document may be larger than others. Other errors are raised.
    """
    path = get_path(reference)
    if path is None:
        return None
    try:
        return session.transport.read_document(path, large=large)
    except sushy.exceptions.ResourceNotFoundError:
        return None


def iterate_members(session: RedfishSession, reference: Any) -> Iterator[dict[str, Any]]:
    """Yield the documents of the members of the collection behind a reference; none if it is missing.

    Some services include the members' contents in the collection; those are not read again.
    """
    collection = follow(session, reference, large=True)
    for member in get_objects(get_nested(collection, "Members")):
        document = member if any(not name.startswith("@") for name in member) else follow(session, member)
        if document is not None:
            yield document


def read_root(session: RedfishSession) -> dict[str, Any]:
    """Return the JSON document of the service root."""
    return session.transport.read_document(session.root)
