"""Breakers: who refuses our credentials is not asked again until they change, and who is away is not asked by everybody."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from baremetal_interfaces import AuthenticationFailed, BMCUnreachable, DeadlineExceeded, DriverError, Endpoint
from baremetal_sdk.bmc.slots import SlotTaken
from baremetal_sdk.clock import Clock

MAX_REFUSED_LOGINS = 2
"""Refused logins with one credential, in all, until no more are tried: BMCs lock accounts."""

MAX_CONNECT_FAILURES = 3
"""Attempts in a row that nobody answered, until everybody has to wait."""

_AWAY = (BMCUnreachable, DeadlineExceeded)
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0


_MOST_CREDENTIALS = 8
"""Refused credentials of one account that are remembered, the latest ones."""


@dataclass(frozen=True)
class Refusal:
    """How often a BMC has refused which credentials of an account. They are known by their digests; the latest is the last."""

    counts: Mapping[bytes, int]

    def with_one_more(self, credential: bytes) -> Refusal:
        """The same after one more refusal."""
        others = [(other, count) for other, count in self.counts.items() if other != credential]
        return Refusal({**dict(others[1 - _MOST_CREDENTIALS :]), credential: self.counts.get(credential, 0) + 1})

    def without(self, credential: bytes) -> Refusal:
        """The same when this credential was accepted: that makes the others no better."""
        return Refusal({other: count for other, count in self.counts.items() if other != credential})


class Refusals(Protocol):
    """Where refusals are kept: they outlive a restart, and go over to who takes a node over."""

    def get(self, endpoint: str) -> Refusal | None:
        """What is known of a BMC."""

    def put(self, endpoint: str, refusal: Refusal) -> None:
        """Keep a refusal in place of what was known."""

    def drop(self, endpoint: str) -> None:
        """Forget it: a login was accepted, or the credentials were given anew."""


class RefusalsInMemory:
    """Refusals that end with the process."""

    def __init__(self) -> None:
        self._known: dict[str, Refusal] = {}

    def get(self, endpoint: str) -> Refusal | None:
        """What is known of a BMC."""
        return self._known.get(endpoint)

    def put(self, endpoint: str, refusal: Refusal) -> None:
        """Keep a refusal in place of what was known."""
        self._known[endpoint] = refusal

    def drop(self, endpoint: str) -> None:
        """Forget it."""
        self._known.pop(endpoint, None)


class AuthBreaker:
    """Guards the logins at all BMCs. It is asked at a login, and never for a session that is reused."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    @contextmanager
    def login(self, endpoint: Endpoint, credential: bytes) -> Iterator[bool]:
        """Within it one login is tried; raises ``AuthenticationFailed`` at once where too many were refused.

        Gives whether some were: whoever then finds the credential accepted says so by :meth:`accepted`.
        """
        where = _name(endpoint)
        known = self._refusals.get(where) or Refusal({})
        count = known.counts.get(credential, 0)
        if count >= MAX_REFUSED_LOGINS:
            raise AuthenticationFailed(
                f"the BMC at {endpoint} has refused these credentials {count} times, and is not asked again, so that the "
                "account is not locked; correct them in driver_info, or give them once more when they are right now"
            )
        try:
            yield count > 0
        except AuthenticationFailed:
            self._refusals.put(where, known.with_one_more(credential))
            raise

    def refuse(self, endpoint: Endpoint, credential: bytes) -> None:
        """A request was refused for its credential: where each request has it, that is what a refused login is elsewhere."""
        known = self._refusals.get(_name(endpoint)) or Refusal({})
        self._refusals.put(_name(endpoint), known.with_one_more(credential))

    def accepted(self, endpoint: Endpoint, credential: bytes) -> None:
        """A BMC has taken the credential, and done what it was asked."""
        known = self._refusals.get(_name(endpoint))
        if known is None or credential not in known.counts:
            return
        if (others := known.without(credential)).counts:
            self._refusals.put(_name(endpoint), others)
        else:
            self._refusals.drop(_name(endpoint))

    def refused(self, endpoint: Endpoint, credential: bytes) -> int:
        """How many logins in a row were refused with this credential."""
        known = self._refusals.get(_name(endpoint))
        return 0 if known is None else known.counts.get(credential, 0)

    def reset(self, endpoint: Endpoint) -> None:
        """Allow logins again: somebody has given the credentials anew."""
        self._refusals.drop(_name(endpoint))


class ConnectBreaker:
    """One BMC that may be away. After some failures in a row it is tried by one caller at a time, and less and less often.

    Who asks it says so by :meth:`begin` before and by :meth:`end` afterwards.
    """

    __slots__ = ("_clock", "_closed_until", "_endpoint", "_failures", "_lock", "_probing")

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_until = 0.0
        self._probing = False

    def check(self) -> None:
        """Raise ``BMCUnreachable`` while the BMC is backed off, or probed by somebody else."""
        if self._failures >= MAX_CONNECT_FAILURES:
            with self._lock:
                self._refuse()

    def begin(self) -> bool:
        """The BMC is going to be asked; raises as :meth:`check` does. Whether this is the one probe of a BMC that is away."""
        if self._failures < MAX_CONNECT_FAILURES:
            return False
        with self._lock:
            self._refuse()
            self._probing = True
            return True

    def end(self, probe: bool, error: BaseException | None) -> None:
        """It was asked, with this outcome."""
        if error is None:
            self._answered(probe)
        elif isinstance(error, _AWAY):
            self._failed(probe)
        elif isinstance(error, DriverError) and not isinstance(error, SlotTaken):
            # It answered, if only with an error.
            self._answered(probe)
        else:
            self._ended(probe)

    @property
    def backed_off(self) -> float:
        """Seconds until it is tried again; 0 when it is not backed off."""
        return max(0.0, self._closed_until - self._clock.monotonic()) if self._failures >= MAX_CONNECT_FAILURES else 0.0

    def _refuse(self) -> None:
        wait = self._closed_until - self._clock.monotonic()
        if wait > 0 or self._probing:
            raise BMCUnreachable(
                f"the BMC at {self._endpoint} did not answer {self._failures} times in a row; "
                f"it is tried again in {max(wait, 1.0):.0f} s",
                retry_after=max(wait, 1.0),
            )

    def _failed(self, probe: bool) -> None:
        with self._lock:
            self._failures += 1
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (self._failures - MAX_CONNECT_FAILURES))
            self._closed_until = self._clock.monotonic() + pause
            self._probing = self._probing and not probe

    def _answered(self, probe: bool) -> None:
        if self._failures or probe:
            with self._lock:
                self._failures = 0
                self._probing = self._probing and not probe

    def _ended(self, probe: bool) -> None:
        if probe:
            with self._lock:
                self._probing = False


def _name(endpoint: Endpoint) -> str:
    """What a BMC's account is called where refusals are kept."""
    return f"{endpoint.account or ''}@{endpoint}"
