"""A file that says which role each user has, and in which project; it is read again when it changes."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from baremetal_sdk.auth.identity import IDENTITY_KEY, Identity
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = logging.getLogger(__name__)
OPTION = "[api] roles_file"
ROLES = ("admin", "operator", "reader")
"""The roles that there are without Keystone, the highest first."""
OTHER_USERS = "*"
_LINE = re.compile(rf"(\S.{{0,254}}?)\s*:\s*({'|'.join(ROLES)})(?:\s+(\S{{1,255}}))?\s*")
_LOOK_EVERY = 1.0
"""Seconds between two looks at whether the file has changed."""


@dataclass(frozen=True)
class RoleGrant:
    """What a line gives: a role, in a project or, with None, in the whole system."""

    role: str
    project: str | None = None


class RolesFile:
    """The grants in the file at *path*, a line ``user: role [project]`` each; ``*`` is everybody who has no line.

    Raises ``ConfigurationError``, which names the line, when it cannot be used. A change that cannot be used is logged, and
    what the file said before stays.
    """

    def __init__(self, path: str | Path, *, clock: Clock | None = None) -> None:
        self._path = Path(path)
        self._clock = clock or SystemClock()
        self._state = self._look()
        self._grants = self._read()
        self._looked = self._clock.monotonic()

    def get_grant(self, user: str) -> RoleGrant | None:
        """What *user* is given; None for nothing."""
        if self._clock.monotonic() - self._looked >= _LOOK_EVERY:
            self._looked = self._clock.monotonic()
            self._follow()
        return self._grants.get(user) or self._grants.get(OTHER_USERS)

    def _follow(self) -> None:
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            self._grants = self._read()
        except ConfigurationError as exc:
            LOG.error("the file of roles was changed and cannot be used; what it said before stays: %s", exc)
        else:
            LOG.info("the roles in %s were read again: there are %d", self._path, len(self._grants))

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> dict[str, RoleGrant]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "it is not UTF-8"
            raise ConfigurationError(f"{OPTION}: {self._path} cannot be read: {reason}") from None
        grants: dict[str, RoleGrant] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            found = _LINE.fullmatch(line.strip())
            if found is None:
                allowed = f"a line is user: role [project], with a role of {', '.join(ROLES)}"
                raise ConfigurationError(f"{OPTION}: {self._path} line {number}: it cannot be read; {allowed}")
            if found[1] in grants:
                raise ConfigurationError(
                    f"{OPTION}: {self._path} line {number}: {found[1]} has a line already; give each one line"
                )
            grants[found[1]] = RoleGrant(found[2], found[3])
        return grants


class RolesMiddleware:
    """Middleware behind authentication: in place of the roles that the caller came with, those that the file gives."""

    def __init__(self, app: WSGIApplication, roles: RolesFile) -> None:
        self._app = app
        self._roles = roles

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        who: Identity | None = environ.get(IDENTITY_KEY)
        if who is not None:
            environ[IDENTITY_KEY] = apply_grant(who, self._roles.get_grant(who.user))
        return self._app(environ, start_response)


def apply_grant(who: Identity, grant: RoleGrant | None) -> Identity:
    """*who* with what a grant says, or with nothing."""
    if grant is None:
        return replace(who, project=None, roles=frozenset(), is_system=False)
    return replace(who, project=grant.project, roles=frozenset({grant.role}), is_system=grant.project is None)
