"""Record classes for API access: tokens, and requests with an idempotency key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class TokenRecord:
    """An API token. Only a digest of the token is stored."""

    uuid: str
    name: str
    role: str
    expires_at: datetime
    digest: bytes = field(repr=False)
    project: str | None = None
    """Project for which the bearer of the token acts; None for the whole system."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class KeyedRequestRecord:
    """An API request with an idempotency key, and its response. A repeated request gets the response without a new execution.

    ``status`` is the HTTP status, or None while the request runs.
    """

    uuid: str
    """UUID derived from the caller, the path and the idempotency key, so that a repeated request has the same UUID."""
    digest: bytes
    """Digest of the request, to detect another request with the same key."""
    began_at: datetime
    status: int | None = None
    content: str | None = None
    location: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0
