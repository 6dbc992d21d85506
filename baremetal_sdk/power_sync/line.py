"""A line of nodes whose power is read in turn, and what is read of them from the store just before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from baremetal_sdk.power_sync.crew import Crew
from baremetal_sdk.schedule import Schedule
from baremetal_sdk.store.query import Row

_BATCH = 256
"""As many nodes are read from the store at a time."""


class Line:
    """Hands out nodes that are due, each as the store has it now: one query serves many of them."""

    def __init__(self, schedule: Schedule, share: float, look: Callable[[Sequence[str]], Sequence[Row]]) -> None:
        self.schedule = schedule
        self.share = share
        """How much of the lane its workers may take."""
        self.crew = Crew()
        self._look = look
        self._ready: deque[Row] = deque()
        self._refilling = threading.Lock()

    @property
    def backlog(self) -> int:
        """Nodes that are due."""
        return self.schedule.backlog() + len(self._ready)

    def next(self) -> Row | None:
        """A node that is due; None where there is none."""
        while True:
            try:
                return self._ready.popleft()
            except IndexError:
                pass
            with self._refilling:
                if not self._ready and not self._refill():
                    return None

    def _refill(self) -> bool:
        keys = self.schedule.take_due(_BATCH)
        if not keys:
            return False
        try:
            rows = self._look(keys)
        except BaseException:
            for key in keys:
                self.schedule.again(key)
            raise
        self._ready.extend(rows)
        for key in set(keys) - {row.uuid for row in rows}:
            self.schedule.again(key)
        return True
