"""What is stored of those who may use the API, and of what they asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class TokenRecord:
    """A token for a machine, without what it is: only a digest of that."""

    uuid: str
    name: str
    role: str
    expires_at: datetime
    digest: bytes = field(repr=False)
    project: str | None = None
    """The project that its bearer acts for; None for the whole system."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class KeyedRequestRecord:
    """A request that came with a key and is done once, and its answer; ``status`` is None while it is being answered."""

    uuid: str
    """Made of the caller, the path and the key."""
    digest: bytes
    """Of what was asked."""
    began_at: datetime
    status: int | None = None
    content: str | None = None
    location: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0
