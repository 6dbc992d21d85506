"""What an engine has two lines for: a BMC that is away holds up no other one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from baremetal_interfaces import BMCUnreachable, DeadlineExceeded
from baremetal_sdk.clock import Clock
from baremetal_sdk.polling.schedule import Schedule
from baremetal_sdk.polling.work_queue import WorkQueue
from baremetal_sdk.store.records.query import Row

AWAY = (BMCUnreachable, DeadlineExceeded)
"""What a read of a BMC fails with that is away."""
AWAY_SHARE = 1 / 8
"""The share of the workers that nodes may have whose BMC did not answer last time: each of them holds one for long."""


class LiveAndAwayQueues:
    """Nodes whose BMC answers, and those whose BMC does not, each in a line of its own."""

    def __init__(self, interval: float, clock: Clock, look: Callable[[Sequence[str]], list[Row]]) -> None:
        self._live = WorkQueue(Schedule(interval, clock), 1.0 - AWAY_SHARE, look)
        self._away = WorkQueue(Schedule(interval, clock), AWAY_SHARE, look)

    @property
    def nodes(self) -> int:
        """How many nodes are on the schedule."""
        return len(self._live.schedule) + len(self._away.schedule)

    @property
    def unreachable_nodes(self) -> int:
        """How many of them did not answer last time."""
        return len(self._away.schedule)

    @property
    def lag(self) -> float:
        """Seconds for which the node is overdue that is overdue longest, of those whose BMC answers."""
        return self._live.schedule.overdue()

    def _keep(self, nodes: set[str]) -> None:
        """Have these nodes on the schedule, each in the line that it is in; new ones are taken to answer."""
        self._away.keep(node for node in nodes if self._away.schedule.has(node))
        self._live.keep(node for node in nodes if not self._away.schedule.has(node))

    def _due_again(self, node: str, line: WorkQueue, seconds: float, again: float | None = None) -> None:
        """Have a node that was read due again in *line*, within so many *seconds* where it was in the other one."""
        other = self._live if line is self._away else self._away
        if other.schedule.has(node):
            other.schedule.drop(node)
            line.schedule.hasten(node, seconds)
        line.schedule.again(node, again)
