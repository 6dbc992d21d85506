"""File of users with bcrypt hashes of their passwords, in the format of Apache's htpasswd. It is read again when it changes."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
_LINE = re.compile(r"([^:\s][^:]{0,254}):(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53})(:.*)?")
_ALLOWED_COSTS = range(4, 17)
"""Cost factors that are accepted. Each increment doubles the time of a check."""
_CHECK_INTERVAL_S = 1.0
"""Seconds between two checks whether the file has changed."""
_DEFAULT_COST = 12
"""Cost that unknown users have if the file is empty."""
_FileState = tuple[int, int, int]


class UserFile:
    """Users and password hashes of the file at *path*. Thread-safe.

    Raises ``ConfigurationError``, which names the line, for an invalid file. If a later change is invalid, the old users stay
    and the error is logged. *option* is the option that names the file, for error messages.
    """

    def __init__(
        self, path: str | Path, *, option: str = "[DEFAULT] http_basic_auth_user_file", clock: Clock | None = None
    ) -> None:
        self._path = str(path)
        self._option = option
        self._clock = clock or SystemClock()
        self._state = _stat_file(self._path)
        self._users, self.cost = self._read()
        self._checked_at = self._clock.monotonic()

    def get_hash(self, user: str) -> bytes | None:
        """Return the bcrypt hash of the user's password, or None for an unknown user. Read the file again if it has changed."""
        if self._clock.monotonic() - self._checked_at >= _CHECK_INTERVAL_S:
            self._checked_at = self._clock.monotonic()
            self._reload_if_changed()
        return self._users.get(user)

    def _reload_if_changed(self) -> None:
        state = _stat_file(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._users, self.cost = self._read()
        except ConfigurationError as exc:
            LOG.error("the changed file of users cannot be used and its previous content stays valid: %s", exc)
        else:
            LOG.info("reloaded %d users from %s", len(self._users), self._path)

    def _read(self) -> tuple[dict[str, bytes], int]:
        """Return the password hashes by user, and the highest cost factor. Raises ``ConfigurationError`` for an invalid file."""
        try:
            text = Path(self._path).read_text(encoding="utf-8")
            if stat.S_IMODE(os.stat(self._path).st_mode) & 0o007:
                LOG.warning("all users of this machine can read %s; remove the permission with chmod o-rwx", self._path)
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "the file is not UTF-8"
            raise ConfigurationError(f"{self._option}: {self._path} cannot be read: {reason}") from None
        users: dict[str, bytes] = {}
        highest_cost = 0
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            match = _LINE.fullmatch(line.rstrip())
            if match is None or int(match[3]) not in _ALLOWED_COSTS:
                raise ConfigurationError(
                    f"{self._option}: {self._path} line {number}: the line is not user:hash with a bcrypt hash ($2y$, $2b$, "
                    f"$2a$) and a cost from {_ALLOWED_COSTS[0]} to {_ALLOWED_COSTS[-1]}; create it with htpasswd -B"
                )
            if match[1] in users:
                raise ConfigurationError(
                    f"{self._option}: {self._path} line {number}: the user has a line already; write one line per user"
                )
            users[match[1]] = match[2].encode()
            highest_cost = max(highest_cost, int(match[3]))
        return users, highest_cost or _DEFAULT_COST


def _stat_file(path: str) -> _FileState | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
