"""Who may log in at a simulated BMC, and what it counts about its clients."""

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
        """Whether these are its credentials."""
        same_name = hmac.compare_digest(self.username.encode(), (username or "").encode())
        same_password = hmac.compare_digest(self.password.encode(), (password or "").encode())
        return same_name and same_password


class BMCCounters:
    """What one BMC saw of its clients, so that a test can say how gentle they were. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.in_flight = 0
        self.in_flight_max = 0
        self.logins = 0
        self.refused_logins = 0
        self.turned_away = 0
        """Logins for which there was no room: as many sessions were open as may be."""
        self.open_sessions = 0
        self.open_sessions_max = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request for as long as it is in flight."""
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
        """Count a request that is over."""
        with self._lock:
            self.in_flight -= 1

    def logged_in(self, accepted: bool = True) -> None:
        """Count a login that was accepted or refused."""
        with self._lock:
            if not accepted:
                self.refused_logins += 1
                return
            self.logins += 1
            self.open_sessions += 1
            self.open_sessions_max = max(self.open_sessions_max, self.open_sessions)

    def no_room(self) -> None:
        """Count a login that came while as many sessions were open as may be."""
        with self._lock:
            self.turned_away += 1

    def logged_out(self) -> None:
        """Count a session that ended."""
        with self._lock:
            self.open_sessions -= 1

    def as_dict(self) -> dict[str, int]:
        """All numbers by their names."""
        with self._lock:
            return {name: value for name, value in vars(self).items() if not name.startswith("_")}
