"""Circuit breaker of a database: while it is known to be away, calls fail at once and one thread looks for its return."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from baremetal_sdk.errors import StoreFull, StoreUnavailable
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
RETRY_AFTER_S = 5.0
"""Seconds after which clients should retry a request that failed because the database is away."""
_PROBE_INTERVAL_S = 0.5
_SPACE_PROBE_INTERVAL_S = 2.0


class ConnectionLost(StoreUnavailable):
    """Error for a database that was lost before the commit. A retry can succeed once the database is back."""

    def __init__(self, message: str, availability: Availability) -> None:
        super().__init__(message, retry_after=RETRY_AFTER_S)
        self.availability = availability


class Availability:
    """Whether a database can be used, as far as this process knows. Thread-safe.

    The database is suspected after the first :meth:`report`. It is away after *probe* has failed, which runs on a thread of
    its own until it succeeds. *label* names the database in the log, which gets one line when the database goes away and one
    when it returns. *probe* has to end within a few seconds, and raises if the database cannot be used. Work waits for the
    database for *work_wait_s* seconds.
    """

    def __init__(self, label: str, probe: Callable[[], object], *, work_wait_s: float) -> None:
        self.work_wait_s = work_wait_s
        self._label = label
        self._probe = probe
        self._condition = threading.Condition()
        self._reason: str | None = None
        """Text of the failure for which the database is suspected or away. None while it can be used."""
        self._is_away = False
        self._away_since = 0.0
        self._closed = threading.Event()

    @property
    def away_since(self) -> float | None:
        """The monotonic time in seconds since which the database is away, or None while it can be used."""
        return self._away_since if self._is_away else None

    @property
    def error(self) -> StoreUnavailable | None:
        """The error for a database that is away, or None while it can be used."""
        reason = self._reason
        return None if reason is None or not self._is_away else ConnectionLost(reason, self)

    def check(self) -> None:
        """Raise ``ConnectionLost`` if the database is away."""
        if self._is_away and (error := self.error) is not None:
            raise error

    def report(self, reason: str, *, is_away: bool = False) -> None:
        """Suspect the database because a call failed with *reason*, and start to probe it.

        With *is_away*, the database counts as away without a first probe.
        """
        with self._condition:
            if self._closed.is_set():
                return
            is_known, self._reason = self._reason is not None, reason
            is_new = is_away and self._confirm_locked()
            if not is_known:
                threading.Thread(target=self._probe_until_success, name="store-probe", daemon=True).start()
        if is_new:
            self._log_absence(reason)

    def wait_for_return(self, timeout: float, *, fail_fast: bool) -> bool:
        """Wait up to *timeout* seconds until the database can be used, and return whether it can.

        With *fail_fast*, return False as soon as the database is known to be away.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._reason is None or (fail_fast and self._is_away), max(0.0, timeout))
            return self._reason is None

    def close(self) -> None:
        """Stop probing."""
        self._closed.set()

    def _confirm_locked(self) -> bool:
        """Record that the database is away, and return whether that is new."""
        is_new = not self._is_away
        if is_new:
            self._away_since = time.monotonic()
            self._is_away = True
        self._condition.notify_all()
        return is_new

    def _log_absence(self, reason: str | None) -> None:
        LOG.warning("%s is away; requests are refused until it is back: %s", self._label, reason)

    def _probe_until_success(self) -> None:
        began = time.monotonic()
        while not self._closed.is_set():
            try:
                self._probe()
            except Exception as exc:
                LOG.debug("%s is still away: %s", self._label, type(exc).__name__)
                with self._condition:
                    is_new, reason = self._confirm_locked(), self._reason
                if is_new:
                    self._log_absence(reason)
                self._closed.wait(_PROBE_INTERVAL_S)
                continue
            with self._condition:
                was_away, self._is_away, self._reason = self._is_away, False, None
                self._condition.notify_all()
            if was_away:
                LOG.info("%s is back after %.1f s", self._label, time.monotonic() - began)
            return


class DiskSpace:
    """Whether the disk of a database is full, as far as this process knows. Thread-safe.

    Writes are still attempted, because a small write may find space. After the first :meth:`report`, a thread calls
    *probe* until it succeeds and no write was refused since the call before. The log gets one line when the disk is full and
    one when it has space. *probe* raises if there is no space.
    """

    def __init__(self, label: str, probe: Callable[[], object], *, interval_s: float = _SPACE_PROBE_INTERVAL_S) -> None:
        self._label = label
        self._probe = probe
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._reason: str | None = None
        self._refused = 0
        """Number of writes refused."""
        self._closed = threading.Event()

    @property
    def error(self) -> StoreFull | None:
        """The error for a full disk, or None."""
        reason = self._reason
        return None if reason is None else StoreFull(reason, retry_after=RETRY_AFTER_S)

    def report(self, reason: str) -> None:
        """Count a write that was refused with *reason* because the disk is full."""
        with self._lock:
            self._refused += 1
            if self._reason is not None or self._closed.is_set():
                return
            self._reason = reason
            threading.Thread(target=self._probe_until_success, name="store-space", daemon=True).start()
        LOG.warning("the disk of %s is full; writes are refused until it has space: %s", self._label, reason)

    def close(self) -> None:
        """Stop probing."""
        self._closed.set()

    def _probe_until_success(self) -> None:
        while True:
            refused = self._refused
            if self._closed.wait(self._interval_s):
                return
            try:
                self._probe()
            except Exception as exc:
                LOG.debug("the disk of %s has no space: %s", self._label, exc)
                continue
            with self._lock:
                if self._refused != refused:
                    continue
                self._reason = None
            LOG.info("the disk of %s has space again", self._label)
            return
