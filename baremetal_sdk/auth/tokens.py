"""API tokens for programs that call the API, and the middleware that accepts them.

A token is 256 random bits with a role, a project and an expiry time. The store keeps only its digest. A token is displayed once
and can be revoked at any time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from baremetal_interfaces import BareMetalError, InvalidInput, NotFound, Problem
from baremetal_sdk.auth.identity import (
    IDENTITY_KEY,
    PUBLIC_PATHS,
    VALIDITY_KEY,
    AuthenticationError,
    Authenticator,
    Identity,
    add_validity,
)
from baremetal_sdk.auth.roles_file import ROLES
from baremetal_sdk.clock import Clock
from baremetal_sdk.logs import Fields, clean_value, get_logger
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.access import TokenRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.store.waiting import failing_fast

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = get_logger(__name__)
AUDIT = get_logger("baremetal_sdk.audit")
PREFIX = "bmt_"
"""Prefix of all tokens. Scanners for leaked secrets recognize tokens by it."""
CHALLENGE = 'Bearer realm="Baremetal API"'
_SHARED_READ_S = 0.2
"""Seconds for which a read of the tokens of open streams is used again."""
MAX_DAYS = 3650
"""Maximum lifetime of a token in days."""
_TOKEN = re.compile(rf"{PREFIX}([0-9a-f]{{32}})_([A-Za-z0-9_-]{{43}})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


class Tokens:
    """API tokens in a store: create, list, revoke and check them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def create(
        self, name: str, role: str, *, days: int, project: str | None = None, by: str | None = None
    ) -> tuple[TokenRecord, str]:
        """Create a token that expires in *days*. Return its record and the token itself, which is not stored.

        *project* is None for system scope. *by* names the caller in the audit log. Raises ``InvalidInput``, or ``DuplicateName``
        if another token has the same name.
        """
        _validate(name, role, days=days, project=project)
        ident = uuid.uuid4()
        secret = secrets.token_urlsafe(32)
        expires = self._clock.now() + timedelta(days=days)
        record = self._store.create_record(TokenRecord(str(ident), name, role, expires, _compute_digest(secret), project))
        _audit("create", record, by)
        return record, f"{PREFIX}{ident.hex}_{secret}"

    def list_all(self) -> list[TokenRecord]:
        """Return all tokens in order of creation, including expired ones."""
        return [TokenRecord(**row) for row in self._store.records(TokenRecord, Query())]

    def revoke(self, ident: str, *, by: str | None = None) -> TokenRecord:
        """Delete the token with this name or UUID. It is invalid at once. Raises ``NotFound``."""
        record = self._store.record(TokenRecord, ident)
        self._store.delete_record(TokenRecord, record.uuid)
        _audit("revoke", record, by)
        return record

    def authenticate(self, token: str) -> Identity | None:
        """Return the identity of the bearer of *token*, or None for an invalid, revoked or expired token."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        try:
            record = self._store.record(TokenRecord, str(uuid.UUID(match[1])))
        except NotFound:
            return None
        # The comparison takes the same time for all digests, so its duration reveals nothing about the stored one.
        if not hmac.compare_digest(record.digest, _compute_digest(match[2])) or record.expires_at <= self._clock.now():
            return None
        return Identity(f"token:{record.name}", record.project, frozenset({record.role}), record.project is None)


class TokenBackend(Protocol):
    """Owner of the store with the API tokens, such as a conductor."""

    @property
    def store(self) -> Store:
        """Store with the tokens."""

    @property
    def clock(self) -> Clock:
        """Clock for expiry times."""

    @property
    def ready(self) -> bool:
        """True if the store can be used."""


class TokenAuth(Authenticator):
    """WSGI middleware that authenticates requests with an API token and passes them to *app*.

    Requests without an API token go to *fallback*, the application behind another kind of authentication.
    """

    def __init__(
        self, app: WSGIApplication, fallback: WSGIApplication, backend: TokenBackend, *, public: Iterable[str] = PUBLIC_PATHS
    ) -> None:
        super().__init__(app, public)
        self._fallback = fallback
        self._backend = backend
        self._read_at = float("-inf")
        self._expiry: Mapping[str, datetime] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Authenticate a request with an API token, or pass a request without one to the fallback."""
        if _get_token(environ) is None:
            environ.pop(IDENTITY_KEY, None)
            environ.pop(VALIDITY_KEY, None)
            return self._fallback(environ, start_response)
        return super().__call__(environ, start_response)

    def identify(self, environ: dict[str, Any]) -> Identity:
        """Return the identity for the API token of the request.

        Raises :class:`AuthenticationError` for an invalid token (401), before the backend is ready (503) or for an error of the
        store.
        """
        if not self._backend.ready:
            raise AuthenticationError("the service is starting or stopping; try again later", status=503, retry_after=1.0)
        try:
            with failing_fast():
                identity = Tokens(self._backend.store, self._backend.clock).authenticate(_get_token(environ) or "")
        except BareMetalError as exc:
            # The error names the place of the database, and the caller is not authenticated.
            reason = "the token was not checked, because the database cannot be used; try again later"
            raise AuthenticationError(reason, status=exc.code, retry_after=exc.retry_after) from exc
        if identity is None:
            reason = "the token is not valid: it is unknown, revoked or expired; create a new token"
            raise AuthenticationError(reason, challenge=CHALLENGE)
        ident = _parse_ident(_get_token(environ) or "")
        add_validity(environ, lambda: self._is_valid(ident))
        return identity

    def _is_valid(self, ident: str) -> bool:
        """Return whether the token *ident* is neither revoked nor expired. All callers share one read of the tokens.

        While the database cannot be read, the last known state holds.
        """
        now = time.monotonic()
        if now - self._read_at >= _SHARED_READ_S:
            self._read_at = now
            try:
                rows = self._backend.store.records(TokenRecord, Query(fields=("uuid", "expires_at")))
                self._expiry = {row.uuid: row.expires_at for row in rows}
            except BareMetalError as exc:
                LOG.warning("the tokens of open streams cannot be checked: %s", exc)
        return ident in self._expiry and self._expiry[ident] > self._backend.clock.now()


def _audit(action: str, record: TokenRecord, by: str | None) -> None:
    target = {"token": record.uuid, "name": record.name, "role": record.role, "project": record.project}
    what = f"baremetal:token:{action}"
    values = clean_value({"what": what, "who": by, "target": target, "outcome": "done"})
    AUDIT.info("%s", json.dumps(values), extra={"fields": Fields("audit", f"{what} done", values)})


def _get_token(environ: dict[str, Any]) -> str | None:
    """Return the Bearer token, or the API token in ``X-Auth-Token``, or None. A Keystone token there lacks the prefix."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer":
        return str(token.strip())
    token = environ.get("HTTP_X_AUTH_TOKEN", "").strip()
    return token if token.startswith(PREFIX) else None


def _parse_ident(token: str) -> str:
    match = _TOKEN.fullmatch(token)
    return "" if match is None else str(uuid.UUID(match[1]))


def _compute_digest(secret: str) -> bytes:
    # A slow hash protects guessable passwords. This secret has 256 random bits, so a fast hash is sufficient.
    return hashlib.sha256(secret.encode()).digest()


def _validate(name: str, role: str, *, days: int, project: str | None) -> None:
    """Raise ``InvalidInput`` with all problems of the fields of a new token."""
    problems: list[Problem] = []
    if not _NAME.fullmatch(name):
        problems.append(Problem("name", f"it is {name[:64]!r}", "use up to 255 letters, digits and ._-"))
    if role not in ROLES:
        problems.append(Problem("role", f"it is {role[:64]!r}", f"use one of {', '.join(ROLES)}"))
    if not 1 <= days <= MAX_DAYS:
        problems.append(Problem("days", f"it is {days}", f"use a number from 1 to {MAX_DAYS}"))
    if project is not None and not 1 <= len(project.strip()) <= 255:
        problems.append(Problem("project", "it is empty or too long", "use 1 to 255 characters, or omit it for system scope"))
    if problems:
        raise InvalidInput(problems)
