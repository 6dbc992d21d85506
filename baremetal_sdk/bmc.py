"""The BMC access layer: sessions that drivers borrow, a cap on what one BMC is asked at a time, a deadline on all of it."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from baremetal_interfaces import (
    AuthenticationFailed,
    BareMetalError,
    BMCBusy,
    BMCUnreachable,
    Connector,
    Deadline,
    DeadlineExceeded,
    DriverInfo,
    Endpoint,
    Fault,
    TLSOptions,
)
from baremetal_interfaces.faults import translate
from baremetal_sdk.clock import Clock

if TYPE_CHECKING:
    import ssl

LOG = logging.getLogger(__name__)
_Key = tuple[type, Hashable, bytes]
_CLOSING = 2.0
"""Seconds that a log-out may take: nobody waits for its result."""
_BREAKING = (BMCUnreachable, AuthenticationFailed, DeadlineExceeded)
"""Errors after which a session is not given to anybody else."""


class SessionExpired(AuthenticationFailed):
    """The BMC ended a session that had worked: a new login may cure it."""


class _Kept(NamedTuple):
    session: Any
    connector: Connector[Any]
    used_at: float


class _BMC:
    """One endpoint: its slots, and the sessions that are free to be borrowed, by connector and credential."""

    def __init__(self, slots: int) -> None:
        self.slots = threading.BoundedSemaphore(slots)
        self.free: dict[_Key, list[_Kept]] = {}


class BMCAccess:
    """Lends sessions. One instance belongs to one conductor."""

    def __init__(self, clock: Clock, *, idle_seconds: float = 120.0) -> None:
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._bmcs: dict[Endpoint, _BMC] = {}
        self._connectors: dict[type, Connector[Any]] = {}
        self._tls: dict[TLSOptions, ssl.SSLContext] = {}
        # Makes fingerprints of credentials worthless outside of this process.
        self._salt = os.urandom(16)

    @contextmanager
    def borrow(
        self, connector_type: type[Connector[Any]], info: DriverInfo, secrets: Iterable[str], deadline: Deadline
    ) -> Iterator[Any]:
        """A session for *info*, logged in if there is none to reuse. What the borrower raises comes out translated."""
        endpoint = info.endpoint()
        connector = self._connector(connector_type)
        bmc = self._bmc(endpoint, connector.max_in_flight)
        key = (connector_type, connector.session_key(info), self._fingerprint(info))
        if not bmc.slots.acquire(timeout=deadline.remaining()):
            raise BMCBusy(f"the BMC at {endpoint} serves other requests, and the time to wait for it is over", retry_after=5.0)
        try:
            session = self._reuse_or_open(bmc, key, connector, info, deadline, secrets)
            try:
                yield session
            except Exception as exc:
                error = self._translated(exc, connector, endpoint, secrets)
                if isinstance(error, _BREAKING):
                    self._discard(connector, session)
                else:
                    self._keep(bmc, key, connector, session)
                raise error from None
            except BaseException:
                self._discard(connector, session)
                raise
            self._keep(bmc, key, connector, session)
        finally:
            bmc.slots.release()

    def close_idle(self) -> int:
        """Log out of sessions that nobody has used for a while; give back how many. Called by a timer."""
        limit = self._clock.monotonic() - self._idle_seconds
        return self._close([kept for kept in self._take(lambda kept: kept.used_at < limit)], Deadline.after(60.0))

    def close(self, deadline: Deadline) -> int:
        """Log out everywhere."""
        return self._close(self._take(lambda kept: True), deadline)

    def _close(self, kept: Iterable[_Kept], deadline: Deadline) -> int:
        count = 0
        for one in kept:
            self._discard(one.connector, one.session, deadline)
            count += 1
        return count

    def _take(self, wanted: Any) -> list[_Kept]:
        taken: list[_Kept] = []
        with self._lock:
            for bmc in self._bmcs.values():
                for key, free in bmc.free.items():
                    taken += [kept for kept in free if wanted(kept)]
                    bmc.free[key] = [kept for kept in free if not wanted(kept)]
        return taken

    def _reuse_or_open(
        self,
        bmc: _BMC,
        key: _Key,
        connector: Connector[Any],
        info: DriverInfo,
        deadline: Deadline,
        secrets: Iterable[str],
    ) -> Any:
        with self._lock:
            free = bmc.free.setdefault(key, [])
            if free:
                return free.pop().session
        endpoint = info.endpoint()
        try:
            return connector.open(info, self._context(endpoint.tls) if endpoint.tls else None, deadline)
        except Exception as exc:
            raise translate(exc, connector=connector, endpoint=endpoint, secrets=secrets) from None

    def _keep(self, bmc: _BMC, key: _Key, connector: Connector[Any], session: Any) -> None:
        with self._lock:
            bmc.free.setdefault(key, []).append(_Kept(session, connector, self._clock.monotonic()))

    def _discard(self, connector: Connector[Any], session: Any, deadline: Deadline | None = None) -> None:
        try:
            connector.close(session, deadline.within(_CLOSING) if deadline else Deadline.after(_CLOSING))
        except Exception as exc:
            LOG.debug("a session could not be closed: %s", type(exc).__name__)

    def _translated(
        self, exc: Exception, connector: Connector[Any], endpoint: Endpoint, secrets: Iterable[str]
    ) -> BareMetalError:
        error = translate(exc, connector=connector, endpoint=endpoint, secrets=secrets)
        if not isinstance(exc, BareMetalError) and connector.classify(exc) is Fault.EXPIRED:
            return SessionExpired(error.message)
        return error

    def _connector(self, connector_type: type[Connector[Any]]) -> Connector[Any]:
        with self._lock:
            if connector_type not in self._connectors:
                self._connectors[connector_type] = connector_type()
            return self._connectors[connector_type]

    def _bmc(self, endpoint: Endpoint, slots: int) -> _BMC:
        with self._lock:
            if endpoint not in self._bmcs:
                self._bmcs[endpoint] = _BMC(slots)
            return self._bmcs[endpoint]

    def _context(self, options: TLSOptions) -> ssl.SSLContext:
        """One TLS context for each set of options: to make one costs 30 ms."""
        from baremetal_interfaces.http import tls_context

        with self._lock:
            if options not in self._tls:
                self._tls[options] = tls_context(options)
            return self._tls[options]

    def _fingerprint(self, info: DriverInfo) -> bytes:
        digest = hashlib.blake2b(key=self._salt, digest_size=16)
        for name in sorted(info.secrets()):
            digest.update(f"{name}={getattr(info, name)!r};".encode())
        return digest.digest()
