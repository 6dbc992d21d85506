"""What is stored of those who may use the API."""

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
