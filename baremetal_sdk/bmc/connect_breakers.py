"""Circuit breakers for BMCs that do not answer. A failure counts against the thing that failed and not against its neighbors."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from types import TracebackType
from weakref import WeakValueDictionary

from baremetal_interfaces import (
    BMCUnreachable,
    Deadline,
    DeadlineExceeded,
    DriverError,
    Endpoint,
    HostUnresolved,
    RequestUnanswered,
)
from baremetal_sdk.bmc.slots import SlotTaken
from baremetal_sdk.clock import Clock

MAX_CONNECT_FAILURES = 3
"""Attempts without an answer, in a row, after which no more requests are sent for a time."""
MIN_PATIENCE_S = 3.0
"""Seconds that a BMC must have had for its answer before the end of a deadline counts as its failure."""

_MIN_PAUSE_S, _MAX_PAUSE_S = 5.0, 60.0
_MIN_SHOWN_WAIT_S = 1.0
_MAX_FAILING = 10_000
"""Maximum number of breakers with failures that are kept. The oldest are dropped."""
_MAX_FAILURE_AGE_S = 600.0
"""Seconds after the end of a breaker's pause at which its failures are forgotten."""
_DEADLINE_TOLERANCE_S = 0.1
_NO_ANSWER_ERRORS = (BMCUnreachable, DeadlineExceeded)
_NOT_ANSWERS = (*_NO_ANSWER_ERRORS, SlotTaken)


class BMCBackedOff(BMCUnreachable):
    """A borrower that waited for a slot sent nothing, because others have failed meanwhile."""


class ConnectBreakers:
    """The breakers of all addresses, and those of all ways to use them. Thread-safe.

    A breaker exists as long as a BMC or a credential refers to it, or has failures that are not too old.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._breakers: WeakValueDictionary[Hashable, ConnectBreaker] = WeakValueDictionary()
        self._failing: OrderedDict[ConnectBreaker, None] = OrderedDict()

    def get(self, key: Hashable, endpoint: Endpoint, *, scope: str = "") -> ConnectBreaker:
        """Return the breaker with *key*. It is created if it does not exist; its errors name *endpoint* and *scope*."""
        with self._lock:
            breaker = self._breakers.get(key)
            if breaker is None:
                breaker = self._breakers[key] = ConnectBreaker(endpoint, self._clock, self, scope)
            return breaker

    def find(self, key: Hashable) -> ConnectBreaker | None:
        """Return the breaker with *key* if it exists, else None."""
        with self._lock:
            return self._breakers.get(key)

    def list_failing(self) -> list[ConnectBreaker]:
        """Return the breakers with failures since their last answer."""
        with self._lock:
            return list(self._failing)

    def prune(self) -> None:
        """Forget failures after which no request was tried for ten minutes."""
        now = self._clock.monotonic()
        for breaker in self.list_failing():
            if breaker.retry_at < now - _MAX_FAILURE_AGE_S:
                self.record_recovered(breaker)

    def record_failing(self, breaker: ConnectBreaker) -> None:
        """Keep a breaker, because it has failures."""
        with self._lock:
            self._failing[breaker] = None
            self._failing.move_to_end(breaker)
            if len(self._failing) > _MAX_FAILING:
                self._failing.popitem(last=False)

    def record_recovered(self, breaker: ConnectBreaker) -> None:
        """Do not keep a breaker any longer than it is in use."""
        with self._lock:
            self._failing.pop(breaker, None)


class ConnectBreaker:
    """Circuit breaker for one address, or for one way to use it: an account, its credential and a part behind the BMC.

    Thread-safe.

    *Closed*: fewer than ``MAX_CONNECT_FAILURES`` attempts in a row got no answer, and all callers may try. *Open*: callers
    are refused until the next attempt is due; the pause doubles after each failure, from 5 to 60 seconds. *Half-open*: the
    pause is over, one caller probes the BMC, and all others are still refused. An answer, even an error, closes the breaker.
    """

    __slots__ = ("__weakref__", "_breakers", "_clock", "_failures", "_is_probing", "_lock", "_scope", "endpoint", "retry_at")

    def __init__(self, endpoint: Endpoint, clock: Clock, breakers: ConnectBreakers, scope: str) -> None:
        self.endpoint = endpoint
        self._scope = scope
        self._breakers = breakers
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self.retry_at = 0.0
        """Monotonic time, in seconds, from which on requests are allowed again; 0 before the first failure."""
        self._is_probing = False

    def check(self) -> None:
        """Raise ``BMCUnreachable`` while the breaker is open, or while another caller probes the BMC."""
        # Read without the lock: the closed breaker is the common case, and begin() decides again under the lock.
        if self._failures >= MAX_CONNECT_FAILURES:
            with self._lock:
                self._refuse_locked()

    @property
    def retry_delay(self) -> float:
        """Seconds until the next attempt is allowed; 0 if the breaker is not open."""
        return max(0.0, self.retry_at - self._clock.monotonic()) if self._failures >= MAX_CONNECT_FAILURES else 0.0

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
        wait = self.retry_at - self._clock.monotonic()
        # One probe is enough to learn whether the BMC answers again.
        if wait > 0 or self._is_probing:
            shown_wait = max(wait, _MIN_SHOWN_WAIT_S)
            raise BMCUnreachable(
                f"the BMC at {self.endpoint} did not answer{self._scope} {self._failures} times in a row; "
                f"it is tried again in {shown_wait:.0f} s",
                retry_after=shown_wait,
            )

    def record_failure(self, *, is_probe: bool) -> None:
        """Count an attempt that got no answer."""
        with self._lock:
            self._failures += 1
            pause = min(_MAX_PAUSE_S, _MIN_PAUSE_S * 2.0 ** (self._failures - MAX_CONNECT_FAILURES))
            self.retry_at = self._clock.monotonic() + pause
            # Attempts that began before the breaker opened end here too, and must not end the probe of another caller.
            self._is_probing = self._is_probing and not is_probe
        self._breakers.record_failing(self)

    def record_answer(self, *, is_probe: bool) -> None:
        """Close the breaker, because an attempt was answered."""
        # Read without the lock, which most requests then need not acquire.
        if self._failures or is_probe:
            with self._lock:
                self._failures = 0
                self._is_probing = self._is_probing and not is_probe
            self._breakers.record_recovered(self)

    def record_nothing(self, *, is_probe: bool) -> None:
        """End an attempt that says nothing about the BMC, such as one that waited in vain for a slot: allow the next probe."""
        if is_probe:
            with self._lock:
                self._is_probing = False


class ConnectAttempt:
    """One attempt to use a BMC, as a context manager that records its outcome with the breakers of its address and of its way.

    ``BMCUnreachable`` of the block counts against the address. ``RequestUnanswered`` and ``DeadlineExceeded`` count against the
    way alone, since they may come from its account, its options or a part behind the BMC. An answer, even an error, closes
    both. The end of a deadline that left the BMC less than ``MIN_PATIENCE_S`` counts against neither.

    A class, because each request of power sync begins an attempt and a generator would take several times as long.
    """

    __slots__ = ("_address", "_began", "_deadline", "_is_address_probe", "_is_way_probe", "_way")

    def __init__(self, address: ConnectBreaker, way: ConnectBreaker, deadline: Deadline) -> None:
        self._address = address
        self._way = way
        self._deadline = deadline
        self._began = deadline.clock()
        self._is_address_probe = self._is_way_probe = False

    def restart(self) -> None:
        """Start the time that the BMC has for its answer, because the request is sent only now: it has got its slot.

        Raises ``BMCBackedOff`` if others have failed meanwhile, so that those who waited leave the slot to other nodes.
        """
        self._began = self._deadline.clock()
        try:
            if not self._is_address_probe:
                self._address.check()
            if not self._is_way_probe:
                self._way.check()
        except BMCUnreachable as exc:
            raise BMCBackedOff(exc.message, retry_after=exc.retry_after) from None

    def __enter__(self) -> None:
        self._began = self._deadline.clock()
        self._is_address_probe = self._address.begin()
        try:
            self._is_way_probe = self._way.begin()
        except BMCUnreachable:
            self._address.record_nothing(is_probe=self._is_address_probe)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        address, way = self._address, self._way
        is_address_probe, is_way_probe = self._is_address_probe, self._is_way_probe
        if error is None or (isinstance(error, DriverError) and not isinstance(error, _NOT_ANSWERS)):
            address.record_answer(is_probe=is_address_probe)
            way.record_answer(is_probe=is_way_probe)
        elif not self._is_failure(error):
            address.record_nothing(is_probe=is_address_probe)
            way.record_nothing(is_probe=is_way_probe)
        elif isinstance(error, RequestUnanswered | DeadlineExceeded):
            address.record_nothing(is_probe=is_address_probe)
            way.record_failure(is_probe=is_way_probe)
        else:
            address.record_failure(is_probe=is_address_probe)
            way.record_nothing(is_probe=is_way_probe)

    def _is_failure(self, error: BaseException) -> bool:
        if not isinstance(error, _NO_ANSWER_ERRORS) or isinstance(error, HostUnresolved | BMCBackedOff):
            return False
        deadline = self._deadline
        return deadline.remaining() > _DEADLINE_TOLERANCE_S or deadline.clock() - self._began >= MIN_PATIENCE_S
