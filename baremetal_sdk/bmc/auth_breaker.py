"""Circuit breaker for rejected credentials, which keeps BMCs from locking accounts."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from baremetal_interfaces import AuthenticationFailed, Endpoint

MAX_REFUSED_LOGINS = 2
"""Refused logins with one credential after which no more are tried. BMCs lock accounts after some refused logins."""

_MAX_CREDENTIALS = 8
"""Number of refused credentials that are remembered for each account. The oldest are dropped."""
_MAX_ACCOUNTS = 10_000
"""Number of accounts with refused logins that are remembered in memory. The oldest are dropped."""


@dataclass(frozen=True)
class Refusal:
    """Counts of refused logins with an account of a BMC, by digest of the credential. The latest refused one is the last."""

    counts: Mapping[bytes, int]

    def with_one_more(self, credential: bytes) -> Refusal:
        """Return a copy with one more refusal of *credential*, which becomes the last.

        Beyond 8 credentials, the oldest is dropped.
        """
        others = [(other, count) for other, count in self.counts.items() if other != credential]
        return Refusal({**dict(others[1 - _MAX_CREDENTIALS :]), credential: self.counts.get(credential, 0) + 1})

    def without(self, credential: bytes) -> Refusal:
        """Return a copy without the count of *credential*. The counts of other credentials remain."""
        return Refusal({other: count for other, count in self.counts.items() if other != credential})


class Refusals(Protocol):
    """Storage for the counts of refused logins. The key *endpoint* identifies an account at a BMC: ``account@URL``."""

    def get(self, endpoint: str) -> Refusal | None:
        """Return the counts of refused logins at an endpoint, or None if no login was refused."""

    def put(self, endpoint: str, refusal: Refusal) -> None:
        """Store the counts of refused logins at an endpoint. They replace the earlier counts."""

    def drop(self, endpoint: str) -> None:
        """Delete the counts of refused logins at an endpoint. Do nothing if none are stored."""


class RefusalsInMemory:
    """Storage in memory for the counts of refused logins. They are lost when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refusals: OrderedDict[str, Refusal] = OrderedDict()

    def get(self, endpoint: str) -> Refusal | None:
        """Return the counts of refused logins at an endpoint, or None if no login was refused."""
        return self._refusals.get(endpoint)

    def put(self, endpoint: str, refusal: Refusal) -> None:
        """Store the counts of refused logins at an endpoint. They replace the earlier counts."""
        with self._lock:
            self._refusals[endpoint] = refusal
            self._refusals.move_to_end(endpoint)
            while len(self._refusals) > _MAX_ACCOUNTS:
                self._refusals.popitem(last=False)

    def drop(self, endpoint: str) -> None:
        """Delete the counts of refused logins at an endpoint. Do nothing if none are stored."""
        with self._lock:
            self._refusals.pop(endpoint, None)


class AuthBreaker:
    """Circuit breaker for rejected credentials at all BMCs. It keeps BMCs from locking accounts after many refused logins.

    After ``MAX_REFUSED_LOGINS`` refusals, logins with that credential fail without a request. They are tried again after
    the credentials in ``driver_info`` change, or after :meth:`reset`. Borrowers of an open session are not affected.

    Thread-safe. The storage is called without a lock. Changes of one account's counts are applied one after another: a thread
    that finds another one writing leaves its change to that thread.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._lock = threading.Lock()
        self._pending: dict[str, deque[_Change]] = {}
        """Changes of the counts of each account that are being written, and those that wait for it."""

    @contextmanager
    def login(self, endpoint: Endpoint, credential: bytes) -> Iterator[bool]:
        """Guard one login, which happens in the ``with`` block.

        Raises ``AuthenticationFailed`` before the block if the BMC has refused the credential too often. An
        ``AuthenticationFailed`` of the block is counted as a refusal and passes to the caller. The value of the block is
        True if earlier logins were refused: the caller then calls :meth:`record_accepted` after the first success.
        """
        key = _refusal_key(endpoint)
        count = self._count(key, credential)
        if count >= MAX_REFUSED_LOGINS:
            raise AuthenticationFailed(
                f"the BMC at {endpoint} has refused these credentials {count} times, and no more logins are tried, so that the "
                "account is not locked; correct the credentials in driver_info, or set them again if they were changed on the BMC"
            )
        try:
            yield count > 0
        except AuthenticationFailed:
            self.record_refused(endpoint, credential)
            raise

    def record_refused(self, endpoint: Endpoint, credential: bytes) -> None:
        """Count a login or a request whose credential the BMC refused. BMCs without logins check each request."""
        self._change(_refusal_key(endpoint), _Change(credential, lambda known: known.with_one_more(credential), refusals=1))

    def record_accepted(self, endpoint: Endpoint, credential: bytes) -> None:
        """Delete the count of a credential that the BMC has accepted. Counts of other credentials stay."""
        # The refusals of other credentials stay: one accepted credential says nothing about them.
        self._change(_refusal_key(endpoint), _Change(credential, lambda known: known.without(credential)))

    def count_refused(self, endpoint: Endpoint, credential: bytes) -> int:
        """Return the number of logins at *endpoint* that were refused with this credential since the last success."""
        return self._count(_refusal_key(endpoint), credential)

    def reset(self, endpoint: Endpoint) -> None:
        """Delete all counts of the account at *endpoint*. Logins are tried again, because an operator has set the credentials."""
        # Without a look at them: counts that no available key decrypts can be deleted, too.
        self._change(_refusal_key(endpoint), _Change(b"", None))

    def _count(self, key: str, credential: bytes) -> int:
        with self._lock:
            pending = sum(change.refusals for change in self._pending.get(key, ()) if change.credential == credential)
        known = self._refusals.get(key)
        return pending + (0 if known is None else known.counts.get(credential, 0))

    def _change(self, key: str, change: _Change) -> None:
        with self._lock:
            changes = self._pending.setdefault(key, deque())
            changes.append(change)
            if len(changes) > 1:
                return
        try:
            while self._write(key, changes[0]):
                pass
        except BaseException:
            with self._lock:
                del self._pending[key]
            raise

    def _write(self, key: str, change: _Change) -> bool:
        """Write the first pending change of an account, and return whether another one is waiting."""
        known = Refusal({}) if change.apply is None else self._refusals.get(key) or Refusal({})
        changed = known if change.apply is None else change.apply(known)
        if not changed.counts and (known.counts or change.apply is None):
            self._refusals.drop(key)
        elif changed != known:
            self._refusals.put(key, changed)
        with self._lock:
            changes = self._pending[key]
            changes.popleft()
            if not changes:
                del self._pending[key]
            return bool(changes)


@dataclass(frozen=True)
class _Change:
    """A change of the counts of an account (None: delete them), and the number of refusals of *credential* that it adds."""

    credential: bytes
    apply: Callable[[Refusal], Refusal] | None
    refusals: int = 0


def _refusal_key(endpoint: Endpoint) -> str:
    """Return the key of a BMC's account in the storage of refusals."""
    return f"{endpoint.account or ''}@{endpoint}"
