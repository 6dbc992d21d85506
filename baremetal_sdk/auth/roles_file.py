"""File with the role of each user, and the project of the role. It is read again when it changes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from baremetal_sdk.auth.identity import IDENTITY_KEY, Identity, add_validity
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = get_logger(__name__)
OPTION = "[api] roles_file"
ROLES = ("admin", "operator", "reader")
"""Roles without Keystone, highest first."""
OTHER_USERS = "*"
"""User name that stands for all users without a line."""
_LINE = re.compile(rf"(\S.{{0,254}}?)\s*:\s*({'|'.join(ROLES)})(?:\s+(\S{{1,255}}))?\s*")
_CHECK_INTERVAL_S = 1.0
"""Seconds between two checks whether the file has changed."""


@dataclass(frozen=True)
class RoleGrant:
    """Content of one line of the file: a role in *project*, or in system scope if *project* is None."""

    role: str
    project: str | None = None


class RolesFile:
    """Role grants of the file at *path*. Each line is ``user: role [project]``, and ``*`` stands for users without a line.

    Raises ``ConfigurationError``, which names the line, for an invalid file. If a later change is invalid, the old grants stay
    and the error is logged.
    """

    def __init__(self, path: str | Path, *, clock: Clock | None = None) -> None:
        self._path = Path(path)
        self._clock = clock or SystemClock()
        self._state = self._stat_file()
        self._grants = self._read()
        self._checked_at = self._clock.monotonic()

    def get_grant(self, user: str) -> RoleGrant | None:
        """Return the grant of *user*, or else that of ``*``, or else None. Read the file again if it has changed."""
        if self._clock.monotonic() - self._checked_at >= _CHECK_INTERVAL_S:
            self._checked_at = self._clock.monotonic()
            self._reload_if_changed()
        return self._grants.get(user) or self._grants.get(OTHER_USERS)

    def _reload_if_changed(self) -> None:
        state = self._stat_file()
        if state == self._state:
            return
        self._state = state
        try:
            self._grants = self._read()
        except ConfigurationError as exc:
            LOG.error("the changed file of roles cannot be used and its previous content stays valid: %s", exc)
        else:
            LOG.info("reloaded %d roles from %s", len(self._grants), self._path)

    def _stat_file(self) -> tuple[int, int, int] | None:
        try:
            state = os.stat(self._path)
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size, state.st_ino

    def _read(self) -> dict[str, RoleGrant]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "the file is not UTF-8"
            raise ConfigurationError(f"{OPTION}: {self._path} cannot be read: {reason}") from None
        grants: dict[str, RoleGrant] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = _LINE.fullmatch(line.strip())
            if match is None:
                allowed = f"write user: role [project], with one of the roles {', '.join(ROLES)}"
                raise ConfigurationError(f"{OPTION}: {self._path} line {number}: the line is invalid; {allowed}")
            if match[1] in grants:
                raise ConfigurationError(
                    f"{OPTION}: {self._path} line {number}: {match[1]} has a line already; write one line per user"
                )
            grants[match[1]] = RoleGrant(match[2], match[3])
        return grants


class RolesMiddleware:
    """WSGI middleware behind authentication. It replaces the caller's roles and project with those of the file."""

    def __init__(self, app: WSGIApplication, roles: RolesFile) -> None:
        self._app = app
        self._roles = roles

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Replace roles and project of the identity in the environment, and call the application."""
        identity: Identity | None = environ.get(IDENTITY_KEY)
        if identity is not None:
            user, grant = identity.user, self._roles.get_grant(identity.user)
            environ[IDENTITY_KEY] = apply_grant(identity, grant)
            add_validity(environ, lambda: self._roles.get_grant(user) == grant)
        return self._app(environ, start_response)


def apply_grant(identity: Identity, grant: RoleGrant | None) -> Identity:
    """Return a copy of *identity* with the role and the project of *grant*. Without a grant it has neither roles nor project."""
    if grant is None:
        return replace(identity, project=None, roles=frozenset(), is_system=False)
    return replace(identity, project=grant.project, roles=frozenset({grant.role}), is_system=grant.project is None)
