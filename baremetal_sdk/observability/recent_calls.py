"""The last calls of drivers for each node, remembered in the conductor that made them: what was asked, and how it went."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.observability.telemetry import SUCCEEDED, Observation, Work

_OF_EACH = 10
_ASKS_NOBODY = "validate"
"""The method that looks at what is stored; where nothing was wrong, it takes no place of a call of a BMC."""
_NODES = 10_000
"""Nodes of which calls are remembered; who was called for longest ago makes room."""


class RecentCalls:
    """Observes the calls of drivers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = YieldingLock()
        self._calls: OrderedDict[str, deque[dict[str, Any]]] = OrderedDict()

    def list_for_node(self, node: str) -> list[dict[str, Any]]:
        """The last calls for a node, the newest first: interface, method, BMC, outcome, seconds, and when it ended."""
        with self._lock:
            return list(reversed(self._calls.get(node, ())))

    def listener_for(self, work: Work) -> RecentCalls | None:
        """It hears of calls alone."""
        return self if work is Work.BMC_CALL else None

    def on_begin(self, one: Observation) -> None:
        """Nothing is known yet."""

    def on_enter(self, one: Observation, kept: Any) -> Callable[[], None] | None:
        """What belongs to it is not of interest."""
        return None

    def on_end(self, one: Observation, kept: Any) -> None:
        """Remember a call of a driver."""
        node = one.details.get("node")
        if node is None or (one.labels["method"] == _ASKS_NOBODY and one.outcome == SUCCEEDED):
            return
        call = {
            **one.labels,
            "bmc": one.details.get("bmc"),
            "outcome": one.outcome,
            "seconds": round(one.seconds, 3),
            "ended_at": self._clock.now().isoformat(),
        }
        with self._lock:
            self._calls.setdefault(node, deque(maxlen=_OF_EACH)).append(call)
            self._calls.move_to_end(node)
            if len(self._calls) > _NODES:
                self._calls.popitem(last=False)
