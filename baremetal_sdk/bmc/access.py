"""Lending sessions: one login, the BMC's slots, its breakers, and errors without secrets."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from baremetal_interfaces import Connector, Deadline, DriverInfo, Endpoint, TLSOptions
from baremetal_interfaces.faults import translate
from baremetal_sdk.bmc.borrowing import BMCCredential, Lending, SessionExpired
from baremetal_sdk.bmc.breakers import AuthBreaker, ConnectBreaker, Refusals, RefusalsInMemory
from baremetal_sdk.bmc.credential_digest import digest_of, process_key
from baremetal_sdk.bmc.sessions import BMC, PooledSession
from baremetal_sdk.bmc.slots import PER_ADDRESS, PER_SYSTEM, RequestLimiter, RequestSemaphore, address_of, slot_taken
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.observability.telemetry import Telemetry, Work

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")
LOG = logging.getLogger(__name__)
_CLOSING = 2.0
"""Seconds that a log-out may take: nobody waits for its result."""
_PLENTY = 100_000


def retry_on_expired_session(function: Callable[[], T]) -> T:
    """Call *function*, and once more with a new login where it found its session expired."""
    try:
        return function()
    except SessionExpired:
        return function()


class BMCAccess:
    """Lends sessions. One instance belongs to one conductor.

    At most *max_sessions* sessions stay open between two borrowers; by default three quarters of what RLIMIT_NOFILE allows.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        idle_seconds: float = 120.0,
        max_sessions: int | None = None,
        refusals: Refusals | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._clock = clock
        self._telemetry = telemetry or Telemetry()
        self._idle_seconds = idle_seconds
        self._max_sessions = max_sessions or max_pooled_sessions(_descriptors())
        self._logins = AuthBreaker(refusals or RefusalsInMemory())
        self._lock = YieldingLock()
        self._bmcs: dict[Endpoint, BMC] = {}
        self._reach: dict[Hashable, ConnectBreaker] = {}
        self._gates: dict[Hashable, RequestSemaphore] = {}
        self._connectors: dict[type, Connector[Any]] = {}
        self._tls: dict[TLSOptions, ssl.SSLContext] = {}
        self._key = process_key()
        self._open = 0

    def account(
        self,
        connector_type: type[Connector[Any]],
        info: DriverInfo,
        secrets: Iterable[str],
        *,
        most: int | None = None,
        per: str = PER_ADDRESS,
    ) -> BMCCredential:
        """What is needed to borrow sessions for *info*, worked out once for many borrows.

        *most* requests at a time are sent to the BMC (by default what the connector says), counted *per* address, or per
        system where many independent ones are behind one address.
        """
        connector = self._connector(connector_type)
        endpoint = info.endpoint()
        key = (connector_type, connector.session_key(info), digest_of(info, self._key))
        gate = self._gate(endpoint, _system_of(info) if per == PER_SYSTEM else None)
        turns = RequestLimiter(gate, most or connector.max_in_flight)
        return BMCCredential(self._bmc(endpoint), key, connector, info, tuple(secrets), turns)

    def borrow(
        self, connector_type: type[Connector[Any]], info: DriverInfo, secrets: Iterable[str], deadline: Deadline
    ) -> AbstractContextManager[Any]:
        """A session for *info*: :meth:`borrow_with`, once."""
        return self.borrow_with(self.account(connector_type, info, secrets), deadline)

    def borrow_with(
        self, account: BMCCredential, deadline: Deadline, *, wait: bool = True, owner: object = None
    ) -> AbstractContextManager[Any]:
        """A session, logged in if there is none to reuse. What the borrower raises comes out translated.

        Where a connector's sessions take a turn at the BMC for each request, borrowers wait there; any other borrower has its
        turn for as long as it has the session. Without *wait* the turn is taken for the whole of it, and ``SlotTaken`` is
        raised at once where others are served. Who borrows again within such a turn, as the same *owner*, shares it.
        """
        return Lending(self, account, deadline, wait, owner)

    def reset_auth_breaker(self, endpoint: Endpoint) -> None:
        """Allow logins at a BMC again that has refused too many: somebody has given the credentials anew."""
        self._logins.reset(endpoint)

    def breaker(self, info: DriverInfo) -> dict[str, Any]:
        """Whether a BMC is asked with *info* now: logins that it refused in a row, and seconds until it is tried again."""
        endpoint = info.endpoint()
        refused = self._logins.refused(endpoint, digest_of(info))
        return {"refused_logins": refused, "backed_off_seconds": self.backed_off(endpoint)}

    def backed_off(self, endpoint: Endpoint) -> float:
        """Seconds until a BMC that is away is tried again; 0 when it is not backed off."""
        with self._lock:
            bmc = self._bmcs.get(endpoint)
        return bmc.connect_breaker.backed_off if bmc is not None else 0.0

    @property
    def open_sessions(self) -> int:
        """Sessions that are open."""
        return self._open

    @property
    def unreachable_bmcs(self) -> int:
        """BMCs that are backed off."""
        return sum(1 for bmc in self._all() if bmc.connect_breaker.backed_off)

    def close_idle(self) -> int:
        """Log out of sessions that nobody has used for a while; give back how many. Called by a timer."""
        limit = self._clock.monotonic() - self._idle_seconds
        return self._close(self._take(lambda kept: kept.used_at < limit), Deadline.after(60.0))

    def close(self, deadline: Deadline) -> int:
        """Log out everywhere."""
        return self._close(self._take(lambda kept: True), deadline)

    def session(self, account: BMCCredential, deadline: Deadline, *, wait: bool = True) -> PooledSession:
        """A session for one more borrower. Of those who find none, one logs in and the others *wait* for its session."""
        bmc = account.bmc
        kept = bmc.borrow(account.key)
        if kept is not None:
            return kept
        if not bmc.logging_in.acquire(timeout=deadline.remaining() if wait else 0.0):
            raise slot_taken(bmc.endpoint)
        try:
            return bmc.borrow(account.key) or self._opened(account, deadline)
        finally:
            bmc.logging_in.release()

    def give_back(self, account: BMCCredential, kept: PooledSession, *, broken: bool) -> None:
        """End a borrower's use of a session; it is closed where it is *broken* and nobody else has it."""
        if account.bmc.give_back(account.key, kept, broken=broken):
            self._discard(kept)

    def accepted(self, account: BMCCredential, kept: PooledSession) -> None:
        """The credential of a session, which was refused before, is right after all."""
        kept.doubted = False
        self._logins.accepted(account.bmc.endpoint, digest_of(account.info))

    def refused(self, account: BMCCredential) -> None:
        """A request over a session was refused for its credential."""
        self._logins.refuse(account.bmc.endpoint, digest_of(account.info))

    def _opened(self, account: BMCCredential, deadline: Deadline) -> PooledSession:
        self._make_room()
        bmc, key, connector, info, secrets, turns = account
        endpoint = bmc.endpoint
        with self._telemetry.begin(Work.LOGIN, bmc=str(endpoint)), self._logins.login(endpoint, digest_of(info)) as doubted:
            self._close(bmc.take_superseded(key), deadline)
            try:
                session = connector.open(info, self._context(endpoint.tls) if endpoint.tls else None, deadline)
            except Exception as exc:
                raise translate(exc, connector=connector, endpoint=endpoint, secrets=secrets) from None
        kept = PooledSession(session, connector, turns, doubted)
        bmc.add(key, kept)
        with self._lock:
            self._open += 1
        return kept

    def _make_room(self) -> None:
        """Close the session that was idle longest when there are as many as may be."""
        if self._open < self._max_sessions:
            return
        idle = sorted((kept for bmc in self._all() for kept in bmc.idle()), key=lambda kept: kept.used_at)
        evicted = set(idle[: max(1, self._max_sessions // 20)])
        self._close(self._take(evicted.__contains__), Deadline.after(_CLOSING))

    def _close(self, kept: Iterable[PooledSession], deadline: Deadline) -> int:
        count = 0
        for one in kept:
            self._discard(one, deadline)
            count += 1
        return count

    def _take(self, wanted: Callable[[PooledSession], bool]) -> list[PooledSession]:
        return [kept for bmc in self._all() for kept in bmc.take(wanted)]

    def _all(self) -> list[BMC]:
        with self._lock:
            return list(self._bmcs.values())

    def _discard(self, kept: PooledSession, deadline: Deadline | None = None) -> None:
        with self._lock:
            self._open -= 1
        limit = deadline.within(_CLOSING) if deadline else Deadline.after(_CLOSING)
        try:
            with kept.taking_turns():
                kept.connector.close(kept.session, limit)
        except Exception as exc:
            LOG.debug("a session could not be closed: %s", type(exc).__name__)

    def _connector(self, connector_type: type[Connector[Any]]) -> Connector[Any]:
        with self._lock:
            if connector_type not in self._connectors:
                self._connectors[connector_type] = connector_type()
            return self._connectors[connector_type]

    def _bmc(self, endpoint: Endpoint) -> BMC:
        with self._lock:
            if endpoint not in self._bmcs:
                reach = self._reach.setdefault(address_of(endpoint), ConnectBreaker(endpoint, self._clock))
                self._bmcs[endpoint] = BMC(endpoint, reach, self._clock)
            return self._bmcs[endpoint]

    def _gate(self, endpoint: Endpoint, system: Hashable) -> RequestSemaphore:
        key = (address_of(endpoint), system)
        with self._lock:
            if key not in self._gates:
                self._gates[key] = RequestSemaphore(endpoint)
            return self._gates[key]

    def _context(self, options: TLSOptions) -> ssl.SSLContext:
        """One TLS context for each set of options: to make one costs 30 ms."""
        from baremetal_interfaces.http import tls_context

        with self._lock:
            if options not in self._tls:
                self._tls[options] = tls_context(options)
            return self._tls[options]


def _system_of(info: DriverInfo) -> Hashable:
    """What tells one of the systems behind an address from the others: all that is said of it and is no secret."""
    return tuple(getattr(info, option.name) for option in info.options() if not option.secret)


def max_pooled_sessions(descriptors: int | None) -> int:
    """As many sessions as are kept at most where so many files can be open: each holds one, and others are needed, too."""
    return _PLENTY if descriptors is None else max(1, descriptors * 3 // 4)


def _descriptors() -> int | None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit
