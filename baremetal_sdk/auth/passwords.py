"""Password checks with bcrypt, which is slow by design. A cache and limits reduce their cost."""

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

_CACHE_S = 60.0
"""Seconds during which a valid password is not checked again."""
_MAX_CACHED = 4096
_MAX_PARALLEL_CHECKS = 2
_MAX_CHECKS = 8
"""Maximum number of checks that run or wait to run."""
_MAX_WAIT_S = 5.0
"""Seconds that a caller waits for the start or the result of a check."""


class TooBusy(Exception):
    """The password was not checked, because the limit of checks or of waiting callers is reached or a check takes too long."""


class PasswordChecker:
    """Checker for passwords of the users in a file. Thread-safe.

    A valid password is cached for a minute as a keyed digest of user, password and stored hash. The key is random and never
    leaves the process, no password is stored, and a change of the file changes the digest. Parallel requests with the same
    password share one check. At most *max_waiting* callers wait, because each of them holds a thread of the HTTP server.
    """

    def __init__(
        self,
        users: UserFile,
        *,
        max_waiting: int = 16,
        clock: Clock | None = None,
        check: Callable[[bytes, bytes], bool] = bcrypt.checkpw,
    ) -> None:
        self._max_waiting = max(1, max_waiting)
        self._users = users
        self._clock = clock or SystemClock()
        self._check = check
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._valid_until: OrderedDict[bytes, float] = OrderedDict()
        self._checks: dict[bytes, Future[bool]] = {}
        self._slots = threading.BoundedSemaphore(_MAX_PARALLEL_CHECKS)
        self.waiting = 0
        """Number of callers that wait for a check or run one."""
        self._dummy_hash: tuple[int, bytes] | None = None
        """Cost and hash for checks of unknown users."""

    def is_cached(self, user: str, password: str) -> bool:
        """Return whether a check in the last minute found the password valid. No bcrypt hash is computed."""
        return self._get_valid_until(user, password) > self._clock.monotonic()

    def was_valid(self, user: str, password: str) -> bool:
        """Return whether an earlier check with the user's present hash found the password valid. No bcrypt hash is computed."""
        return self._get_valid_until(user, password) > 0.0

    def is_valid(self, user: str, password: str) -> bool:
        """Return whether *password* is the password of *user*. Each call runs a bcrypt check or waits for one, and may block.

        Raises :class:`TooBusy` if the password was not checked.
        """
        stored = self._users.get_hash(user)
        digest = self._compute_digest(user, password, stored or b"")
        with self._lock:
            running = self._checks.get(digest)
            if self.waiting >= self._max_waiting or (running is None and len(self._checks) >= _MAX_CHECKS):
                raise TooBusy
            self.waiting += 1
            if running is None:
                own_check: Future[bool] = Future()
                self._checks[digest] = own_check
        try:
            if running is None:
                return self._run_check(own_check, digest, password, stored)
            return running.result(_MAX_WAIT_S)
        except TimeoutError:
            raise TooBusy from None
        finally:
            with self._lock:
                self.waiting -= 1

    def _get_valid_until(self, user: str, password: str) -> float:
        """Return the time at which the cached result expires or expired (monotonic). 0 if no check found the password valid."""
        stored = self._users.get_hash(user)
        if stored is None:
            return 0.0
        digest = self._compute_digest(user, password, stored)
        with self._lock:
            return self._valid_until.get(digest, 0.0)

    def _run_check(self, own_check: Future[bool], digest: bytes, password: str, stored: bytes | None) -> bool:
        is_valid: bool | None = None
        try:
            if not self._slots.acquire(timeout=_MAX_WAIT_S):
                raise TooBusy
            try:
                # An unknown user costs the same check, so that the time of a response does not reveal which users exist.
                is_valid = self._compare(password, stored or self._get_dummy_hash()) and stored is not None
            finally:
                self._slots.release()
            return is_valid
        finally:
            with self._lock:
                del self._checks[digest]
                if is_valid:
                    self._cache(digest)
            # Callers that share this check always get a result, even if this thread failed.
            if is_valid is None:
                own_check.set_exception(TooBusy())
            else:
                own_check.set_result(is_valid)

    def _compare(self, password: str, stored: bytes) -> bool:
        try:
            return self._check(password.encode(), stored)
        except ValueError:  # longer than bcrypt accepts (72 bytes), or with a NUL
            return False

    def _cache(self, digest: bytes) -> None:
        self._valid_until[digest] = self._clock.monotonic() + _CACHE_S
        self._valid_until.move_to_end(digest)
        while len(self._valid_until) > _MAX_CACHED:
            self._valid_until.popitem(last=False)

    def _compute_digest(self, user: str, password: str, stored: bytes) -> bytes:
        parts = (user.encode(), password.encode(), stored)
        # With a length before each part, no two different triples have the same encoding.
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.new(self._key, framed, hashlib.sha256).digest()

    def _get_dummy_hash(self) -> bytes:
        """Return a hash of a random password, with the highest cost in the file. Checks of unknown users use it."""
        cost = self._users.cost
        if self._dummy_hash is None or self._dummy_hash[0] != cost:
            self._dummy_hash = (cost, bcrypt.hashpw(secrets.token_bytes(16).hex().encode(), bcrypt.gensalt(cost)))
        return self._dummy_hash[1]
