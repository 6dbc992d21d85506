"""Checks passwords with bcrypt, which is slow on purpose, without everybody else paying for it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

import bcrypt

from baremetal_sdk.auth.htpasswd import UserFile
from baremetal_sdk.clock import Clock, SystemClock

_REMEMBERED = 60.0
"""Seconds for which a right password need not be checked again."""
_MOST = 4096
_AT_ONCE = 2
"""Hashes that are computed at the same time."""
_QUEUE = 8
"""Maximum number of passwords that wait for a check."""
_PATIENCE = 5.0


class TooBusy(Exception):
    """So many passwords are being checked that this one cannot be, now."""


class PasswordChecker:
    """Tells whether a password is a user's.

    What was right is remembered for a minute, as a keyed digest of user, password and stored hash: the key is made with the
    process and never leaves it, no password is kept, and a changed file is a changed digest. Several requests with the same
    password are one check. An unknown user costs as much as a known one. At most *most* callers wait: each waits in a thread of
    the HTTP server, which has others to serve.
    """

    def __init__(
        self,
        users: UserFile,
        *,
        most: int = 16,
        clock: Clock | None = None,
        check: Callable[[bytes, bytes], bool] = bcrypt.checkpw,
    ) -> None:
        self._most = max(1, most)
        self._users = users
        self._clock = clock or SystemClock()
        self._check = check
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._checks: dict[bytes, Future[bool]] = {}
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self.waiting = 0
        """Callers whose password is being checked, or who wait for that."""
        self._nobody: tuple[int, bytes] | None = None

    def is_cached(self, user: str, password: str) -> bool:
        """Whether this was right a moment ago; it costs nothing."""
        return self._known_until(user, password) > self._clock.monotonic()

    def was_valid(self, user: str, password: str) -> bool:
        """Whether this was right at some time, with the user's present hash; it costs nothing."""
        return self._known_until(user, password) > 0.0

    def is_valid(self, user: str, password: str) -> bool:
        """Whether *password* is the one of *user*. Raises :class:`TooBusy`."""
        stored = self._users.get_hash(user)
        digest = self._digest(user, password, stored or b"")
        with self._lock:
            running = self._checks.get(digest)
            if self.waiting >= self._most or (running is None and len(self._checks) >= _QUEUE):
                raise TooBusy
            self.waiting += 1
            if running is None:
                mine: Future[bool] = Future()
                self._checks[digest] = mine
        try:
            return self._checked(mine, digest, password, stored) if running is None else running.result(_PATIENCE)
        except TimeoutError:
            raise TooBusy from None
        finally:
            with self._lock:
                self.waiting -= 1

    def _known_until(self, user: str, password: str) -> float:
        stored = self._users.get_hash(user)
        if stored is None:
            return 0.0
        digest = self._digest(user, password, stored)
        with self._lock:
            return self._known.get(digest, 0.0)

    def _checked(self, mine: Future[bool], digest: bytes, password: str, stored: bytes | None) -> bool:
        right: bool | None = None
        try:
            if not self._slots.acquire(timeout=_PATIENCE):
                raise TooBusy
            try:
                right = self._compare(password, stored or self._hash_of_nobody()) and stored is not None
            finally:
                self._slots.release()
            return right
        finally:
            with self._lock:
                del self._checks[digest]
                if right:
                    self._remember(digest)
            if right is None:
                mine.set_exception(TooBusy())
            else:
                mine.set_result(right)

    def _compare(self, password: str, stored: bytes) -> bool:
        try:
            return self._check(password.encode(), stored)
        except ValueError:  # longer than bcrypt takes (72 bytes), or with a NUL
            return False

    def _remember(self, digest: bytes) -> None:
        self._known[digest] = self._clock.monotonic() + _REMEMBERED
        self._known.move_to_end(digest)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def _digest(self, user: str, password: str, stored: bytes) -> bytes:
        parts = (user.encode(), password.encode(), stored)
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.new(self._key, framed, hashlib.sha256).digest()

    def _hash_of_nobody(self) -> bytes:
        """A hash of a password that nobody knows, as costly to check as that of a user."""
        cost = self._users.cost
        if self._nobody is None or self._nobody[0] != cost:
            self._nobody = (cost, bcrypt.hashpw(secrets.token_bytes(16).hex().encode(), bcrypt.gensalt(cost)))
        return self._nobody[1]
