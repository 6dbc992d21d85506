"""The pool of BMC sessions that all driver calls of a conductor share, with request limits and circuit breakers."""

from __future__ import annotations

import resource
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from baremetal_interfaces import Connector, Deadline, DriverInfo, Endpoint
from baremetal_interfaces.faults import translate
from baremetal_sdk.bmc.auth_breaker import AuthBreaker, Refusals, RefusalsInMemory
from baremetal_sdk.bmc.borrowing import BMCCredential, SessionExpired, borrow_session
from baremetal_sdk.bmc.connect_breakers import ConnectBreakers
from baremetal_sdk.bmc.credential_digest import digest_credential, generate_process_key
from baremetal_sdk.bmc.sessions import BMC, PooledSession
from baremetal_sdk.bmc.slots import (
    SCOPE_ADDRESS,
    SCOPE_SYSTEM,
    RequestLimiter,
    RequestSemaphore,
    SlotTaken,
    bmc_address,
    make_slot_taken,
)
from baremetal_sdk.bmc.tls_contexts import TLSContexts
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.telemetry import Telemetry, Work

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")
LOG = get_logger(__name__)
_LOGOUT_TIMEOUT_S = 2.0
"""Seconds that a log-out may take. It is short because no caller needs the result."""
_CLOSE_IDLE_TIMEOUT_S = 60.0
_UNLIMITED_SESSIONS = 100_000
"""Maximum number of pooled sessions if the number of open files is not limited."""
_FULL_RETRY_S = 5.0
"""Seconds after which a caller should try again that found the maximum number of sessions in use."""
_EVICTION_DIVISOR = 20
"""Part of the maximum number of sessions that a full pool evicts at a time: one twentieth, which makes evictions rare."""


def retry_on_expired_session(function: Callable[[], T]) -> T:
    """Call *function* and return its result. If it raises ``SessionExpired``, call it a second time, which logs in again.

    All other errors, and each error of the second call, pass to the caller.
    """
    try:
        return function()
    except SessionExpired:
        pass
    # Outside of the handler, so that an error of the second call does not have the first error as its context.
    return function()


class BMCAccess:
    """Pool of the sessions with all BMCs of one conductor. A released session stays open for the next borrower. Thread-safe.

    Never more than *max_sessions* sessions are open: a new login first closes the sessions that were idle longest. The default
    is three quarters of the limit of open files (RLIMIT_NOFILE). :meth:`close_idle` closes sessions that were idle for
    *idle_seconds*. *refusals* stores the number of refused logins for each credential, by default in memory. If *ca_directory*
    is given, nodes may name files of certificate authorities only below it.

    The state of a BMC is kept while it has sessions, failures or prepared credentials, so that clients cannot fill the memory
    with addresses.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        idle_seconds: float = 120.0,
        max_sessions: int | None = None,
        refusals: Refusals | None = None,
        telemetry: Telemetry | None = None,
        ca_directory: str | None = None,
    ) -> None:
        self._clock = clock
        self._telemetry = telemetry or Telemetry()
        self._idle_seconds = idle_seconds
        self._max_sessions = max_sessions or max_pooled_sessions(_max_open_files())
        self._auth_breaker = AuthBreaker(refusals or RefusalsInMemory())
        self._connect_breakers = ConnectBreakers(clock)
        self._tls_contexts = TLSContexts(ca_directory)
        # The lock protects the dictionaries and the count below. It is never held during a login or a request.
        self._lock = YieldingLock()
        self._bmcs: WeakValueDictionary[Endpoint, BMC] = WeakValueDictionary()
        self._semaphores: WeakValueDictionary[Hashable, RequestSemaphore] = WeakValueDictionary()
        self._connectors: dict[type, Connector[Any]] = {}
        self._sessions: dict[PooledSession, BMC] = {}
        """All open sessions with their BMCs, which exist at least as long."""
        self._logins_in_progress = 0
        self._process_key = generate_process_key()

    def prepare_credential(
        self,
        connector_type: type[Connector[Any]],
        info: DriverInfo,
        secrets: Iterable[str],
        *,
        max_in_flight: int | None = None,
        scope: str = SCOPE_ADDRESS,
    ) -> BMCCredential:
        """Return the argument of :meth:`borrow_with` for the BMC and the credential in *info*. Send no request.

        Callers prepare a credential once and use it for many borrows. *secrets* are the values to mask in errors and logs.
        *max_in_flight* limits the requests in flight at the BMC; the default is the connector's limit. With the *scope*
        ``address``, all nodes with this BMC address share the limit. With ``system``, each system behind the address has
        its own limit.
        """
        connector = self._get_connector(connector_type)
        endpoint = info.endpoint()
        key = (connector_type, connector.session_key(info), digest_credential(info, self._process_key))
        semaphore = self._get_semaphore(endpoint, _system_key(info) if scope == SCOPE_SYSTEM else None)
        slots = RequestLimiter(semaphore, max_in_flight or connector.max_in_flight)
        way_breaker = self._connect_breakers.get(
            (endpoint, key, connector.failure_scope(info)), endpoint, scope=" requests for this node"
        )
        return BMCCredential(self._get_bmc(endpoint), key, connector, info, tuple(secrets), slots, way_breaker)

    def borrow(
        self, connector_type: type[Connector[Any]], info: DriverInfo, secrets: Iterable[str], deadline: Deadline
    ) -> AbstractContextManager[Any]:
        """Lend a session for *info* in a ``with`` block, as :meth:`borrow_with` does, with the limit of the connector."""
        return self.borrow_with(self.prepare_credential(connector_type, info, secrets), deadline)

    def borrow_with(
        self, credential: BMCCredential, deadline: Deadline, *, wait: bool = True, owner: object = None
    ) -> AbstractContextManager[Any]:
        """Lend a session in a ``with`` block: a pooled session, or a new one after a login.

        With *wait*, the borrower waits until *deadline* for request slots and for the login of another borrower. Then
        ``BMCBusy`` is raised. Sessions of a connector with ``takes_turns`` take a slot for each request. All other borrowers
        hold one slot for the whole block.

        Without *wait*, the borrower holds one slot for the whole block, whatever its connector. If no slot is free, or
        another borrower is logging in, ``SlotTaken`` is raised at once. While a block holds a slot, a nested borrow with
        the same *owner* (not None) in this context uses that slot.

        Raises ``BMCUnreachable`` without a request while the BMC is backed off, and ``AuthenticationFailed`` without a login
        after too many refusals. Files of certificate authorities in *credential* are read before a login: raises
        ``InvalidInput`` if they are unusable, and ``DeadlineExceeded`` if their file system does not answer. Each exception of
        the block or the login is raised as an error of the contract, without secrets; ``SessionExpired`` means that a new login
        may help.
        """
        return borrow_session(self, credential, deadline, wait=wait, owner=owner)

    def reset_auth_breaker(self, endpoint: Endpoint) -> None:
        """Delete the counts of refused logins at *endpoint*, because an operator set the credentials. Logins are tried again."""
        self._auth_breaker.reset(endpoint)

    def describe_breakers(self, info: DriverInfo, connector_type: type[Connector[Any]] | None = None) -> dict[str, Any]:
        """Return the state of the circuit breakers for *info*.

        ``refused_logins`` is the number of logins that the BMC refused with these credentials. ``backed_off_seconds`` is
        the time until an unreachable BMC gets requests again; 0 if it gets them now. With *connector_type*, it includes the
        back-off of the part behind the BMC that *info* names.
        """
        endpoint = info.endpoint()
        refused = self._auth_breaker.count_refused(endpoint, digest_credential(info))
        delay = self.get_retry_delay(endpoint)
        if connector_type is not None:
            delay = max(delay, self.prepare_credential(connector_type, info, ()).retry_delay)
        return {"refused_logins": refused, "backed_off_seconds": delay}

    def get_retry_delay(self, endpoint: Endpoint) -> float:
        """Return the seconds until an unreachable BMC gets requests again; 0 if it gets them now."""
        breaker = self._connect_breakers.find(bmc_address(endpoint))
        return breaker.retry_delay if breaker is not None else 0.0

    @property
    def open_sessions(self) -> int:
        """Number of open sessions with all BMCs, borrowed or idle."""
        return len(self._sessions)

    @property
    def unreachable_bmcs(self) -> int:
        """Number of addresses to which some or all requests are held back at present, because of several failures in a row."""
        return len({bmc_address(breaker.endpoint) for breaker in self._connect_breakers.list_failing() if breaker.retry_delay})

    def close_idle(self) -> int:
        """Log out of sessions that were idle for longer than *idle_seconds*, and return their number. Run it periodically.

        Also forget old failures of BMCs that no caller has tried to reach for a time.
        """
        self._connect_breakers.prune()
        used_before = self._clock.monotonic() - self._idle_seconds
        idle = self._remove_idle(lambda pooled: pooled.used_at < used_before)
        return self._close(idle, Deadline.after(_CLOSE_IDLE_TIMEOUT_S))

    def close(self, deadline: Deadline) -> int:
        """Log out of all sessions without borrowers, and return their number. Borrowed sessions stay open.

        Each log-out may take 2 seconds, and less near *deadline*. Its errors are only logged.
        """
        return self._close(self._remove_idle(lambda pooled: True), deadline)

    def prepare_login(self, credential: BMCCredential, deadline: Deadline) -> ssl.SSLContext | None:
        """Return the TLS context for a login, or None if the endpoint has no TLS options or no login is needed.

        The caller holds neither a lock nor a request slot, because the context may come from files that clients have named.
        """
        options = credential.bmc.endpoint.tls
        if options is None or credential.bmc.has_available(credential.key):
            return None
        return self._tls_contexts.get(options, deadline)

    def acquire_session(
        self, credential: BMCCredential, deadline: Deadline, *, tls: ssl.SSLContext | None, wait: bool
    ) -> PooledSession:
        """Return a session for one more borrower: an open one, or a new one after a login with the context *tls*.

        Logins at one BMC run one at a time. With *wait*, the caller waits until *deadline* for the login of another borrower.
        Raises ``SlotTaken`` if that login has not ended by then, or at once without *wait*. Also raises it if the maximum number
        of sessions is in use.
        """
        bmc = credential.bmc
        pooled = bmc.acquire(credential.key)
        if pooled is not None:
            return pooled
        # The session that made a context unnecessary has been closed meanwhile.
        if tls is None and bmc.endpoint.tls is not None:
            tls = self._tls_contexts.get(bmc.endpoint.tls, deadline)
        # One login at a time: many BMCs allow few sessions, and a shareable session serves all who wait.
        if not bmc.login_lock.acquire(timeout=deadline.remaining() if wait else 0.0):
            raise make_slot_taken(bmc.endpoint)
        try:
            # The login that this borrower waited for may have left a session that it can use.
            return bmc.acquire(credential.key) or self._open_session(credential, tls, deadline)
        finally:
            bmc.login_lock.release()

    def release_session(self, credential: BMCCredential, pooled: PooledSession, *, is_broken: bool) -> None:
        """End one borrower's use of a session. A broken session is closed when its last borrower releases it."""
        if credential.bmc.release(credential.key, pooled, is_broken=is_broken):
            self._log_out(pooled)

    def record_accepted(self, credential: BMCCredential, pooled: PooledSession) -> None:
        """Delete the count of refused logins of a credential, because the BMC has accepted it now."""
        pooled.is_doubted = False
        self._auth_breaker.record_accepted(credential.bmc.endpoint, digest_credential(credential.info))

    def record_refused(self, credential: BMCCredential) -> None:
        """Count a refusal of the credential by the BMC, at a request over an open session."""
        self._auth_breaker.record_refused(credential.bmc.endpoint, digest_credential(credential.info))

    def _open_session(self, credential: BMCCredential, tls: ssl.SSLContext | None, deadline: Deadline) -> PooledSession:
        """Log in and return the new session. The caller holds the BMC's login lock.

        Raises ``AuthenticationFailed`` without a login if the BMC has refused the credential too often.
        """
        bmc, connector, info = credential.bmc, credential.connector, credential.info
        endpoint = bmc.endpoint
        # The breaker's digest has no process key: it is compared with digests that other processes have stored.
        login = self._auth_breaker.login(endpoint, digest_credential(info))
        with self._telemetry.begin(Work.LOGIN, bmc=str(endpoint)), login as is_doubted, self._reserve_session():
            # Within the breaker: for a credential that is not tried, no session has to be closed.
            self._close(bmc.remove_superseded(credential.key), deadline)
            try:
                session = connector.open(info, tls, deadline)
            except Exception as exc:
                # Translated here, so that the breaker sees an AuthenticationFailed.
                raise translate(exc, connector=connector, endpoint=endpoint, secrets=credential.secrets) from None
            pooled = PooledSession(session, connector, credential.slots, is_doubted)
            with self._lock:
                self._sessions[pooled] = bmc
        bmc.add(credential.key, pooled)
        return pooled

    @contextmanager
    def _reserve_session(self) -> Iterator[None]:
        """Reserve the place of one more session for a login. Raises ``SlotTaken`` if all sessions have borrowers."""
        while True:
            with self._lock:
                if len(self._sessions) + self._logins_in_progress < self._max_sessions:
                    self._logins_in_progress += 1
                    break
            if not self._evict():
                raise SlotTaken(
                    f"{self._max_sessions} sessions with BMCs are in use, which is the maximum; try again later, or raise the "
                    "limit of open files",
                    retry_after=_FULL_RETRY_S,
                )
        try:
            yield
        finally:
            with self._lock:
                self._logins_in_progress -= 1

    def _evict(self) -> int:
        """Close the sessions that were idle longest, one twentieth of the maximum, and return their number."""
        idle = sorted((pooled for bmc in self._list_bmcs() for pooled in bmc.list_idle()), key=lambda pooled: pooled.used_at)
        evicted = set(idle[: max(1, self._max_sessions // _EVICTION_DIVISOR)])
        # Removed only if still idle: another thread may have borrowed a session since the list was made.
        return self._close(self._remove_idle(evicted.__contains__), Deadline.after(_LOGOUT_TIMEOUT_S))

    def _close(self, sessions: Iterable[PooledSession], deadline: Deadline) -> int:
        count = 0
        for pooled in sessions:
            self._log_out(pooled, deadline)
            count += 1
        return count

    def _remove_idle(self, is_selected: Callable[[PooledSession], bool]) -> list[PooledSession]:
        return [pooled for bmc in self._list_bmcs() for pooled in bmc.remove_idle(is_selected)]

    def _list_bmcs(self) -> list[BMC]:
        """Return the BMCs with open sessions, without duplicates."""
        with self._lock:
            return list(dict.fromkeys(self._sessions.values()))

    def _log_out(self, pooled: PooledSession, deadline: Deadline | None = None) -> None:
        limit = deadline.within(_LOGOUT_TIMEOUT_S) if deadline else Deadline.after(_LOGOUT_TIMEOUT_S)
        try:
            # The log-out is a request too, and counts for the limit of the BMC.
            with pooled.use_own_slots():
                pooled.connector.close(pooled.session, limit)
        except Exception as exc:
            # Only the type: the message may contain the session's token.
            LOG.debug("a session was not closed properly: %s", type(exc).__name__)
        finally:
            # Only now: until its socket is closed, the session counts for the maximum.
            with self._lock:
                self._sessions.pop(pooled, None)

    def _get_connector(self, connector_type: type[Connector[Any]]) -> Connector[Any]:
        connector = self._connectors.get(connector_type)
        # The constructor is code of a plugin, and runs without a lock. If two threads call it, all use the same instance.
        return connector or self._connectors.setdefault(connector_type, connector_type())

    def _get_bmc(self, endpoint: Endpoint) -> BMC:
        # One breaker for all accounts at an address: the BMC is reachable for all of them or for none.
        breaker = self._connect_breakers.get(bmc_address(endpoint), endpoint)
        with self._lock:
            bmc = self._bmcs.get(endpoint)
            if bmc is None:
                bmc = self._bmcs[endpoint] = BMC(endpoint, breaker, self._clock)
            return bmc

    def _get_semaphore(self, endpoint: Endpoint, system: Hashable) -> RequestSemaphore:
        key = (bmc_address(endpoint), system)
        with self._lock:
            semaphore = self._semaphores.get(key)
            if semaphore is None:
                semaphore = self._semaphores[key] = RequestSemaphore(endpoint)
            return semaphore


def _system_key(info: DriverInfo) -> Hashable:
    """Return a key that differs for each system behind one address: all values of *info* that are not secret."""
    return tuple(getattr(info, option.name) for option in info.options() if not option.secret)


def max_pooled_sessions(max_open_files: int | None) -> int:
    """Return the maximum number of pooled sessions for a limit of open files (None: unlimited): three quarters of it.

    Each session holds a file descriptor, and other parts of the process need some too.
    """
    return _UNLIMITED_SESSIONS if max_open_files is None else max(1, max_open_files * 3 // 4)


def _max_open_files() -> int | None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit
