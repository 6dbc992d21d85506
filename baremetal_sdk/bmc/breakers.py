"""Circuit breakers that stop requests to BMCs: one for rejected credentials, and one for unreachable BMCs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from baremetal_interfaces import AuthenticationFailed, BMCUnreachable, DeadlineExceeded, DriverError, Endpoint
from baremetal_sdk.bmc.slots import SlotTaken
from baremetal_sdk.clock import Clock

MAX_REFUSED_LOGINS = 2
"""Refused logins with one credential after which no more are tried. BMCs lock accounts after some refused logins."""

MAX_CONNECT_FAILURES = 3
"""Attempts without an answer, in a row, after which a BMC counts as unreachable."""

_NO_ANSWER_ERRORS = (BMCUnreachable, DeadlineExceeded)
_MIN_PAUSE_S, _MAX_PAUSE_S = 5.0, 60.0
_MIN_SHOWN_WAIT_S = 1.0
_MAX_CREDENTIALS = 8
"""Number of refused credentials that are remembered for each account. The oldest are dropped."""


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
        self._refusals: dict[str, Refusal] = {}

    def get(self, endpoint: str) -> Refusal | None:
        """Return the counts of refused logins at an endpoint, or None if no login was refused."""
        return self._refusals.get(endpoint)

    def put(self, endpoint: str, refusal: Refusal) -> None:
        """Store the counts of refused logins at an endpoint. They replace the earlier counts."""
        self._refusals[endpoint] = refusal

    def drop(self, endpoint: str) -> None:
        """Delete the counts of refused logins at an endpoint. Do nothing if none are stored."""
        self._refusals.pop(endpoint, None)


class AuthBreaker:
    """Circuit breaker for rejected credentials at all BMCs. It keeps BMCs from locking accounts after many refused logins.

    After ``MAX_REFUSED_LOGINS`` refusals, logins with that credential fail without a request. They are tried again after
    the credentials in ``driver_info`` change, or after :meth:`reset`. Borrowers of an open session are not affected.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    @contextmanager
    def login(self, endpoint: Endpoint, credential: bytes) -> Iterator[bool]:
        """Guard one login, which happens in the ``with`` block.

        Raises ``AuthenticationFailed`` before the block if the BMC has refused the credential too often. An
        ``AuthenticationFailed`` of the block is counted as a refusal and passes to the caller. The value of the block is
        True if earlier logins were refused: the caller then calls :meth:`record_accepted` after the first success.
        """
        key = _refusal_key(endpoint)
        known = self._refusals.get(key) or Refusal({})
        count = known.counts.get(credential, 0)
        if count >= MAX_REFUSED_LOGINS:
            raise AuthenticationFailed(
                f"the BMC at {endpoint} has refused these credentials {count} times, and no more logins are tried, so that the "
                "account is not locked; correct the credentials in driver_info, or set them again if they were changed on the BMC"
            )
        # Logins at one endpoint run one at a time, so no other login changes the counts until the login ends.
        try:
            yield count > 0
        except AuthenticationFailed:
            self._refusals.put(key, known.with_one_more(credential))
            raise

    def record_refused(self, endpoint: Endpoint, credential: bytes) -> None:
        """Count a request whose credential the BMC refused. BMCs without logins check the credential of each request."""
        key = _refusal_key(endpoint)
        known = self._refusals.get(key) or Refusal({})
        self._refusals.put(key, known.with_one_more(credential))

    def record_accepted(self, endpoint: Endpoint, credential: bytes) -> None:
        """Delete the count of a credential that the BMC has accepted. Counts of other credentials stay."""
        key = _refusal_key(endpoint)
        known = self._refusals.get(key)
        if known is None or credential not in known.counts:
            return
        # The refusals of other credentials stay: one accepted credential says nothing about them.
        others = known.without(credential)
        if others.counts:
            self._refusals.put(key, others)
        else:
            self._refusals.drop(key)

    def count_refused(self, endpoint: Endpoint, credential: bytes) -> int:
        """Return the number of logins at *endpoint* that were refused with this credential since the last success."""
        known = self._refusals.get(_refusal_key(endpoint))
        return 0 if known is None else known.counts.get(credential, 0)

    def reset(self, endpoint: Endpoint) -> None:
        """Delete all counts of the account at *endpoint*. Logins are tried again, because an operator has set the credentials."""
        self._refusals.drop(_refusal_key(endpoint))


class ConnectBreaker:
    """Circuit breaker for one BMC that may be unreachable. Thread-safe.

    *Closed*: fewer than ``MAX_CONNECT_FAILURES`` attempts in a row got no answer, and all callers may try. *Open*: callers
    are refused until the next attempt is due; the pause doubles after each failure, from 5 to 60 seconds. *Half-open*: the
    pause is over, one caller probes the BMC, and all others are still refused. An answer, even an error, closes the breaker.
    """

    __slots__ = ("_clock", "_endpoint", "_failures", "_is_probing", "_lock", "_retry_at")

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._retry_at = 0.0
        self._is_probing = False

    def check(self) -> None:
        """Raise ``BMCUnreachable`` while the breaker is open, or while another caller probes the BMC."""
        # Read without the lock: the closed breaker is the common case, and attempt() decides again under the lock.
        if self._failures >= MAX_CONNECT_FAILURES:
            with self._lock:
                self._refuse_locked()

    def attempt(self) -> ConnectAttempt:
        """Return a context manager for one attempt to reach the BMC. It records the outcome of the ``with`` block.

        Entering the block raises ``BMCUnreachable`` under the conditions of :meth:`check`.
        """
        return ConnectAttempt(self)

    @property
    def retry_delay(self) -> float:
        """Seconds until the next attempt is allowed; 0 if the breaker is not open."""
        return max(0.0, self._retry_at - self._clock.monotonic()) if self._failures >= MAX_CONNECT_FAILURES else 0.0

    def begin(self) -> bool:
        """Return whether this attempt is the probe of an unreachable BMC; raise ``BMCUnreachable`` if it is not allowed."""
        if self._failures < MAX_CONNECT_FAILURES:
            return False
        # Checked and set in one section, so that only one caller becomes the probe.
        with self._lock:
            self._refuse_locked()
            self._is_probing = True
            return True

    def _refuse_locked(self) -> None:
        wait = self._retry_at - self._clock.monotonic()
        # One probe is enough to learn whether the BMC answers again.
        if wait > 0 or self._is_probing:
            shown_wait = max(wait, _MIN_SHOWN_WAIT_S)
            raise BMCUnreachable(
                f"the BMC at {self._endpoint} did not answer {self._failures} times in a row; "
                f"it is tried again in {shown_wait:.0f} s",
                retry_after=shown_wait,
            )

    def end(self, error: BaseException | None, *, is_probe: bool) -> None:
        """Record the outcome of an attempt: an answer (None), or the error with which it ended."""
        if error is None:
            self._record_answer(is_probe)
        elif isinstance(error, _NO_ANSWER_ERRORS):
            self._record_failure(is_probe)
        elif isinstance(error, DriverError) and not isinstance(error, SlotTaken):
            # The BMC answered, although with an error.
            self._record_answer(is_probe)
        elif is_probe:
            # The attempt ended before the BMC was asked, for example in the wait for another login: allow the next probe.
            with self._lock:
                self._is_probing = False

    def _record_failure(self, is_probe: bool) -> None:
        with self._lock:
            self._failures += 1
            pause = min(_MAX_PAUSE_S, _MIN_PAUSE_S * 2.0 ** (self._failures - MAX_CONNECT_FAILURES))
            self._retry_at = self._clock.monotonic() + pause
            # Attempts that began before the breaker opened end here too, and must not end the probe of another caller.
            self._is_probing = self._is_probing and not is_probe

    def _record_answer(self, is_probe: bool) -> None:
        # Read without the lock, which most requests then need not acquire.
        if self._failures or is_probe:
            with self._lock:
                self._failures = 0
                self._is_probing = self._is_probing and not is_probe


class ConnectAttempt:
    """One attempt to reach a BMC, as a context manager.

    A class, because each request of power sync begins an attempt and a generator would take several times as long.
    """

    __slots__ = ("_breaker", "_is_probe")

    def __init__(self, breaker: ConnectBreaker) -> None:
        self._breaker = breaker
        self._is_probe = False

    def __enter__(self) -> None:
        self._is_probe = self._breaker.begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._breaker.end(error, is_probe=self._is_probe)


def _refusal_key(endpoint: Endpoint) -> str:
    """Return the key of a BMC's account in the storage of refusals."""
    return f"{endpoint.account or ''}@{endpoint}"
