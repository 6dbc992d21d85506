"""A file of users and the bcrypt hashes of their passwords, in Apache's format; it is read again when it changes."""

from __future__ import annotations

import logging
import os
import re
import stat
from pathlib import Path

from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.errors import ConfigurationError

LOG = logging.getLogger(__name__)
_LINE = re.compile(r"([^:\s][^:]{0,254}):(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53})(:.*)?")
_COSTS = range(4, 17)
_LOOK_EVERY = 1.0
"""Seconds between two looks at whether the file has changed."""
_State = tuple[int, int, int]


class UserFile:
    """The users in the file at *path*. Raises ``ConfigurationError``, which names the line, when it cannot be used."""

    def __init__(
        self, path: str | Path, *, option: str = "[DEFAULT] http_basic_auth_user_file", clock: Clock | None = None
    ) -> None:
        self._path = str(path)
        self._option = option
        self._clock = clock or SystemClock()
        self._state = _state_of(self._path)
        self._users, self.cost = self._read()
        self._looked = self._clock.monotonic()

    def get_hash(self, user: str) -> bytes | None:
        """The bcrypt hash of this user's password; None for a user who is not there."""
        if self._clock.monotonic() - self._looked >= _LOOK_EVERY:
            self._looked = self._clock.monotonic()
            self._follow()
        return self._users.get(user)

    def _follow(self) -> None:
        state = _state_of(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._users, self.cost = self._read()
        except ConfigurationError as exc:
            LOG.error("the file of users was changed and cannot be used; what it said before stays: %s", exc)
        else:
            LOG.info("the users in %s were read again: there are %d", self._path, len(self._users))

    def _read(self) -> tuple[dict[str, bytes], int]:
        """The users with their hashes, and the highest cost of one."""
        try:
            text = Path(self._path).read_text(encoding="utf-8")
            if stat.S_IMODE(os.stat(self._path).st_mode) & 0o007:
                LOG.warning("%s can be read by everybody on this machine; take that from them (chmod o-rwx)", self._path)
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "it is not UTF-8"
            raise ConfigurationError(f"{self._option}: {self._path} cannot be read: {reason}") from None
        users: dict[str, bytes] = {}
        highest = 0
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            found = _LINE.fullmatch(line.rstrip())
            if found is None or int(found[3]) not in _COSTS:
                raise ConfigurationError(
                    f"{self._option}: {self._path} line {number}: it is not user:hash with a bcrypt hash ($2y$, $2b$, "
                    f"$2a$) of a cost from {_COSTS[0]} to {_COSTS[-1]}; write it with htpasswd -B"
                )
            if found[1] in users:
                raise ConfigurationError(
                    f"{self._option}: {self._path} line {number}: the user is there already; give each one line"
                )
            users[found[1]] = found[2].encode()
            highest = max(highest, int(found[3]))
        return users, highest or 12


def _state_of(path: str) -> _State | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
