"""The account of a simulated BMC, and its counters of requests, logins and sessions."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Account:
    """An account of a BMC."""

    username: str
    password: str = field(repr=False)

    def matches(self, username: str | None, password: str | None) -> bool:
        """Return whether *username* and *password* are the credentials of the account."""
        same_name = hmac.compare_digest(self.username.encode(), (username or "").encode())
        same_password = hmac.compare_digest(self.password.encode(), (password or "").encode())
        return same_name and same_password


class BMCCounters:
    """Counters of the load that clients put on one BMC. A test asserts with them that a client limits its load. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.in_flight = 0
        self.in_flight_max = 0
        self.logins = 0
        """Number of accepted logins."""
        self.refused_logins = 0
        """Number of logins with wrong credentials."""
        self.turned_away = 0
        """Number of logins refused because the table of sessions was full."""
        self.open_sessions = 0
        self.open_sessions_max = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request as in flight while the block runs."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """Count a request that begins."""
        with self._lock:
            self.requests += 1
            self.in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self.in_flight)

    def end(self) -> None:
        """Count the end of a request."""
        with self._lock:
            self.in_flight -= 1

    def count_login(self, accepted: bool = True) -> None:
        """Count a login, which opens a session if it was *accepted*."""
        with self._lock:
            if not accepted:
                self.refused_logins += 1
                return
            self.logins += 1
            self.open_sessions += 1
            self.open_sessions_max = max(self.open_sessions_max, self.open_sessions)

    def count_full_table(self) -> None:
        """Count a login that was refused because the table of sessions was full."""
        with self._lock:
            self.turned_away += 1

    def count_logout(self) -> None:
        """Count the end of a session."""
        with self._lock:
            self.open_sessions -= 1

    def as_dict(self) -> dict[str, int]:
        """Return all counters by name."""
        with self._lock:
            return {name: value for name, value in vars(self).items() if not name.startswith("_")}
