"""Account of a simulated BMC, and counters of its requests, logins and sessions."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Account:
    """User name and password of the account of a simulated BMC."""

    username: str
    password: str = field(repr=False)

    def matches(self, username: str | None, password: str | None) -> bool:
        """Return whether *username* and *password* are those of the account. The comparison takes constant time."""
        same_name = hmac.compare_digest(self.username.encode(), (username or "").encode())
        same_password = hmac.compare_digest(self.password.encode(), (password or "").encode())
        return same_name and same_password


class BMCCounters:
    """Counters of the load that clients put on one simulated BMC. A test asserts with them that a client limits its load.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.in_flight = 0
        self.in_flight_max = 0
        self.logins = 0
        """Number of accepted logins."""
        self.refused_logins = 0
        """Number of logins refused because of wrong credentials."""
        self.turned_away = 0
        """Number of logins refused because the table of sessions was full."""
        self.open_sessions = 0
        self.open_sessions_max = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request as in flight while the ``with`` block runs."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """Count the start of a request, which is in flight until :meth:`end`."""
        with self._lock:
            self.requests += 1
            self.in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self.in_flight)

    def end(self) -> None:
        """Count the end of a request, which is no longer in flight."""
        with self._lock:
            self.in_flight -= 1

    def count_login(self, accepted: bool = True) -> None:
        """Count a login. An *accepted* login opens a session; another one counts as refused because of its credentials."""
        with self._lock:
            if not accepted:
                self.refused_logins += 1
                return
            self.logins += 1
            self.open_sessions += 1
            self.open_sessions_max = max(self.open_sessions_max, self.open_sessions)

    def count_full_table(self) -> None:
        """Count a login that the BMC refused because its session table was full."""
        with self._lock:
            self.turned_away += 1

    def count_logout(self) -> None:
        """Count the end of a session, which is no longer open."""
        with self._lock:
            self.open_sessions -= 1

    def as_dict(self) -> dict[str, int]:
        """Return the values of all counters by name."""
        with self._lock:
            return {name: value for name, value in vars(self).items() if not name.startswith("_")}
