"""What a service counts about its clients, so that a test can say how gentle they were.

It is served at ``/_statistics`` of every address, without a login, without latency and uncounted; a POST to
``/_statistics/reset`` starts the counting anew. Only the event loop of the service writes it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from baremetal_fake.redfish.exchange import ROOT
from baremetal_fake.redfish.message import Answer, Request

PATH = "/_statistics"
_IDENTIFIER = re.compile(r"(?<=/)(Systems|Managers|Chassis|Sessions)/[^/]+")


class Statistics:
    """The numbers of one service."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._open: set[Any] = set()
        self.reset()

    def reset(self) -> None:
        """Start anew; what is open and in flight stays so."""
        self.requests = 0
        self.in_flight_max = self.in_flight
        self.connections = 0
        self.open_connections_max = len(self._open)
        self.by_route: Counter[str] = Counter()

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    def connected(self, connection: Any) -> None:
        """Count a connection."""
        self._open.add(connection)
        self.connections += 1
        self.open_connections_max = max(self.open_connections_max, len(self._open))

    def disconnected(self, connection: Any) -> None:
        """Count its end."""
        self._open.discard(connection)

    def all_connections(self) -> list[Any]:
        """The connections that are open."""
        return list(self._open)

    def begin(self, request: Request) -> None:
        """Count a request that begins."""
        self.requests += 1
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        self.by_route[f"{request.method} {_IDENTIFIER.sub(_without_name, request.path.removeprefix(ROOT))}"] += 1

    def end(self) -> None:
        """Count a request that is over."""
        self.in_flight -= 1

    def as_dict(self) -> dict[str, Any]:
        """All numbers by their names."""
        return {
            "requests": self.requests,
            "in_flight": self.in_flight,
            "in_flight_max": self.in_flight_max,
            "connections": self.connections,
            "open_connections": self.open_connections,
            "open_connections_max": self.open_connections_max,
            "by_route": dict(self.by_route),
        }

    def answer(self, request: Request) -> Answer | None:
        """The answer to a request for the statistics themselves; None to any other."""
        if request.path == PATH and request.method == "GET":
            return Answer(body=self.as_dict())
        if request.path == f"{PATH}/reset" and request.method == "POST":
            self.reset()
            return Answer(204)
        return None


def _without_name(found: re.Match[str]) -> str:
    return f"{found[1]}/*"
