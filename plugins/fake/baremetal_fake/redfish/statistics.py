"""Counters of the load that clients put on a Redfish test service. A test asserts with them that a client limits its load.

Every BMC answers ``GET /_statistics`` with them, without a login and without latency. ``POST /_statistics/reset`` resets
them. These two requests are not counted.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from baremetal_fake.redfish.exchange import ROOT
from baremetal_fake.redfish.message import Answer, Request

PATH = "/_statistics"
"""URL path of the counters."""
_NAMED_RESOURCE = re.compile(r"(?<=/)(Systems|Managers|Chassis|Sessions)/[^/]+")


class Statistics:
    """Counters of requests and connections of one Redfish test service.

    Not thread-safe: only the event loop of the service uses them.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._open: set[Any] = set()
        self.reset()

    def reset(self) -> None:
        """Set the counters to zero. Open connections and requests in flight still count as the first maximum."""
        self.requests = 0
        self.in_flight_max = self.in_flight
        self.connections = 0
        self.open_connections_max = len(self._open)
        self.by_route: Counter[str] = Counter()

    @property
    def open_connections(self) -> int:
        """Number of client connections that are open now."""
        return len(self._open)

    def add_connection(self, connection: Any) -> None:
        """Count a new client connection, and store it as open."""
        self._open.add(connection)
        self.connections += 1
        self.open_connections_max = max(self.open_connections_max, len(self._open))

    def remove_connection(self, connection: Any) -> None:
        """Remove a connection that has ended from the open connections."""
        self._open.discard(connection)

    def all_connections(self) -> list[Any]:
        """Return the open connections as a copy of the set."""
        return list(self._open)

    def begin(self, request: Request) -> None:
        """Count the start of *request*: the total, the requests in flight, and its route with ``*`` in place of names."""
        self.requests += 1
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        self.by_route[f"{request.method} {_NAMED_RESOURCE.sub(_replace_name, request.path.removeprefix(ROOT))}"] += 1

    def end(self) -> None:
        """Count the end of a request, which is no longer in flight."""
        self.in_flight -= 1

    def as_dict(self) -> dict[str, Any]:
        """Return the values of all counters by name, with the requests by route."""
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
        """Return the answer if *request* reads or resets the counters, otherwise None."""
        if request.path == PATH and request.method == "GET":
            return Answer(body=self.as_dict())
        if request.path == f"{PATH}/reset" and request.method == "POST":
            self.reset()
            return Answer(204)
        return None


def _replace_name(match: re.Match[str]) -> str:
    return f"{match[1]}/*"
