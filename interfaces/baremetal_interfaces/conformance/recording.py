"""A connector that counts the sessions of another connector."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from baremetal_interfaces.connector import Connector, Fault

if TYPE_CHECKING:
    import ssl

    from baremetal_interfaces.deadline import Deadline


class RecordingConnector(Connector[Any]):
    """Forwards all calls to the connector *recorded* and counts sessions. Thread-safe."""

    def __init__(self, recorded: Connector[Any]) -> None:
        self.recorded = recorded
        self.attempts = 0
        """Number of attempts to open a session."""
        self.opened = 0
        """Number of sessions that were opened."""
        self.closed = 0
        """Number of sessions that were returned to be closed."""
        self._lock = threading.Lock()

    def open(self, info: Any, tls: ssl.SSLContext | None, deadline: Deadline) -> Any:
        """Count the attempt and open a session."""
        with self._lock:
            self.attempts += 1
        session = self.recorded.open(info, tls, deadline)
        with self._lock:
            self.opened += 1
        return session

    def close(self, session: Any, deadline: Deadline) -> None:
        """Count and close the session."""
        with self._lock:
            self.closed += 1
        self.recorded.close(session, deadline)

    def session_key(self, info: Any) -> Hashable:
        """Forward the call to the recorded connector."""
        return self.recorded.session_key(info)

    def session_secrets(self, session: Any) -> tuple[str, ...]:
        """Forward the call to the recorded connector."""
        return self.recorded.session_secrets(session)

    def classify(self, exc: Exception) -> Fault:
        """Forward the call to the recorded connector."""
        return self.recorded.classify(exc)
