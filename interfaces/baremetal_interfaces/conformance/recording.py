"""Counts the sessions that a plugin's connector opens."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from baremetal_interfaces.connector import Connector, Fault

if TYPE_CHECKING:
    import ssl

    from baremetal_interfaces.deadline import Deadline


class RecordingConnector(Connector[Any]):
    """Hands everything on to another connector and counts. Threads may share it."""

    def __init__(self, recorded: Connector[Any]) -> None:
        self.recorded = recorded
        self.attempts = 0
        """How often a session was to be opened."""
        self.opened = 0
        """How often that succeeded."""
        self.closed = 0
        """How often a session was given back to be closed."""
        self._lock = threading.Lock()

    def open(self, info: Any, tls: ssl.SSLContext | None, deadline: Deadline) -> Any:
        """Count, and open."""
        with self._lock:
            self.attempts += 1
        session = self.recorded.open(info, tls, deadline)
        with self._lock:
            self.opened += 1
        return session

    def close(self, session: Any, deadline: Deadline) -> None:
        """Close, and count."""
        with self._lock:
            self.closed += 1
        self.recorded.close(session, deadline)

    def session_key(self, info: Any) -> Hashable:
        """Ask the recorded connector."""
        return self.recorded.session_key(info)

    def session_secrets(self, session: Any) -> tuple[str, ...]:
        """Ask the recorded connector."""
        return self.recorded.session_secrets(session)

    def classify(self, exc: Exception) -> Fault:
        """Ask the recorded connector."""
        return self.recorded.classify(exc)
