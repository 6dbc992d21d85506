"""Storage in memory for the most recent driver calls of each node, with their outcomes."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.observability.telemetry import SUCCEEDED, Observation, Work

_MAX_CALLS_PER_NODE = 10
_MAX_NODES = 10_000
"""Maximum number of nodes whose calls are kept. Beyond it, the node with the oldest last call is evicted."""
_VALIDATE = "validate"
"""Method that checks stored values without a request to the BMC. Its successful calls are not kept."""


class RecentCalls:
    """Telemetry observer that keeps the last 10 driver calls of each node, for up to 10,000 nodes. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = YieldingLock()
        self._calls: OrderedDict[str, deque[dict[str, Any]]] = OrderedDict()

    def list_for_node(self, node: str) -> list[dict[str, Any]]:
        """Return the last calls for the node with this UUID, newest first.

        Each call has the keys interface, method, bmc, outcome, seconds and ended_at.
        """
        with self._lock:
            return list(reversed(self._calls.get(node, ())))

    def forget(self, node: str) -> None:
        """Drop the calls for the node with this UUID, which was deleted."""
        with self._lock:
            self._calls.pop(node, None)

    def listener_for(self, work: Work) -> RecentCalls | None:
        """Return itself for driver calls, and None for all other work."""
        return self if work is Work.BMC_CALL else None

    def on_begin(self, observation: Observation) -> None:
        """Do nothing: only finished calls are kept."""

    def on_enter(self, observation: Observation, state: Any) -> Callable[[], None] | None:
        """Do nothing: the work inside a call is not kept."""
        return None

    def on_end(self, observation: Observation, state: Any) -> None:
        """Keep a finished call, and evict the oldest calls beyond the limits.

        Ignore calls without a node, and successful ``validate`` calls, which send no request.
        """
        node = observation.details.get("node")
        if node is None or (observation.labels["method"] == _VALIDATE and observation.outcome == SUCCEEDED):
            return
        call = {
            **observation.labels,
            "bmc": observation.details.get("bmc"),
            "outcome": observation.outcome,
            "seconds": round(observation.seconds, 3),
            "ended_at": self._clock.now().isoformat(),
        }
        with self._lock:
            self._calls.setdefault(node, deque(maxlen=_MAX_CALLS_PER_NODE)).append(call)
            self._calls.move_to_end(node)
            if len(self._calls) > _MAX_NODES:
                self._calls.popitem(last=False)
