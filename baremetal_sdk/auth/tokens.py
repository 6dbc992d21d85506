"""Tokens for machines: 256 random bits, kept as a digest, with a role, a project and an end; shown once, revoked at any time."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from baremetal_interfaces import BareMetalError, InvalidInput, NotFound, Problem
from baremetal_sdk.auth.identity import IDENTITY_KEY, PUBLIC_PATHS, AuthenticationError, Authenticator, Identity
from baremetal_sdk.auth.roles_file import ROLES
from baremetal_sdk.clock import Clock
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.access import TokenRecord
from baremetal_sdk.store.records.query import Query

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

AUDIT = logging.getLogger("baremetal_sdk.audit")
PREFIX = "bmt_"
"""What each token begins with, so that it is known for one where it should not be."""
CHALLENGE = 'Bearer realm="Baremetal API"'
MAX_DAYS = 3650
_TOKEN = re.compile(rf"{PREFIX}([0-9a-f]{{32}})_([A-Za-z0-9_-]{{43}})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


class Tokens:
    """The tokens in a store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def create(
        self, name: str, role: str, *, days: int, project: str | None = None, by: str | None = None
    ) -> tuple[TokenRecord, str]:
        """Make a token; give back its record and the token itself, which is kept nowhere. *by* is for the audit log.

        Raises ``InvalidInput`` and, for a name that another one has, ``DuplicateName``.
        """
        _check(name, role, days, project)
        ident = uuid.uuid4()
        secret = secrets.token_urlsafe(32)
        expires = self._clock.now() + timedelta(days=days)
        record = self._store.create_record(TokenRecord(str(ident), name, role, expires, _digest(secret), project))
        _audit("create", record, by)
        return record, f"{PREFIX}{ident.hex}_{secret}"

    def list_all(self) -> list[TokenRecord]:
        """All tokens, also those whose end has come, in the order in which they were made."""
        return [TokenRecord(**row) for row in self._store.records(TokenRecord, Query())]

    def revoke(self, ident: str, *, by: str | None = None) -> TokenRecord:
        """Forget the token with this name or UUID, which is worth nothing at once. Raises ``NotFound``."""
        record = self._store.record(TokenRecord, ident)
        self._store.delete_record(TokenRecord, record.uuid)
        _audit("revoke", record, by)
        return record

    def bearer(self, token: str) -> Identity | None:
        """Whom a token stands for; None for one that is worth nothing."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        try:
            record = self._store.record(TokenRecord, str(uuid.UUID(found[1])))
        except NotFound:
            return None
        if not hmac.compare_digest(record.digest, _digest(found[2])) or record.expires_at <= self._clock.now():
            return None
        return Identity(f"token:{record.name}", record.project, frozenset({record.role}), record.project is None)


class TokenBackend(Protocol):
    """Where the tokens are. A conductor is one."""

    @property
    def store(self) -> Store:
        """The store."""

    @property
    def clock(self) -> Clock:
        """What tells the time."""

    @property
    def ready(self) -> bool:
        """Whether the store can be asked."""


class TokenAuth(Authenticator):
    """Lets the bearers of tokens in to *app*; whoever shows none goes to *others*, to say in another way who asks."""

    def __init__(
        self, app: WSGIApplication, others: WSGIApplication, service: TokenBackend, *, public: Iterable[str] = PUBLIC_PATHS
    ) -> None:
        super().__init__(app, public)
        self._others = others
        self._service = service

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        if _shown(environ) is None:
            environ.pop(IDENTITY_KEY, None)
            return self._others(environ, start_response)
        return super().__call__(environ, start_response)

    def identify(self, environ: dict[str, Any]) -> Identity:
        """Who asks. Raises :class:`AuthenticationError`."""
        if not self._service.ready:
            raise AuthenticationError("the service is starting or stopping; try again", status=503, retry_after=1.0)
        try:
            who = Tokens(self._service.store, self._service.clock).bearer(_shown(environ) or "")
        except BareMetalError as exc:
            raise AuthenticationError(exc.message, status=exc.code, retry_after=exc.retry_after) from exc
        if who is None:
            reason = "the token is worth nothing: it was never given, it was revoked, or its end has come"
            raise AuthenticationError(reason, challenge=CHALLENGE)
        return who


def _audit(what: str, record: TokenRecord, by: str | None) -> None:
    target = {"token": record.uuid, "name": record.name, "role": record.role, "project": record.project}
    AUDIT.info("%s", json.dumps({"what": f"baremetal:token:{what}", "who": by, "target": target, "outcome": "done"}))


def _shown(environ: dict[str, Any]) -> str | None:
    """The token in the headers; a token of somebody else's kind in ``X-Auth-Token`` is none of ours."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer":
        return str(token.strip())
    token = environ.get("HTTP_X_AUTH_TOKEN", "").strip()
    return token if token.startswith(PREFIX) else None


def _digest(secret: str) -> bytes:
    # The secret is as long as the digest and random: there is nothing to try, so nothing has to be slow.
    return hashlib.sha256(secret.encode()).digest()


def _check(name: str, role: str, days: int, project: str | None) -> None:
    wrong: list[Problem] = []
    if not _NAME.fullmatch(name):
        wrong.append(Problem("name", f"it is {name[:64]!r}", "letters, digits and ._- are allowed, 255 at most"))
    if role not in ROLES:
        wrong.append(Problem("role", f"it is {role[:64]!r}", f"there are {', '.join(ROLES)}"))
    if not 1 <= days <= MAX_DAYS:
        wrong.append(Problem("days", f"it is {days}", f"1 to {MAX_DAYS} are allowed"))
    if project is not None and not 1 <= len(project.strip()) <= 255:
        wrong.append(Problem("project", "it is empty or too long", "give 1 to 255 characters, or none for the whole system"))
    if wrong:
        raise InvalidInput(wrong)
