"""A line of nodes whose power is read in turn, and what is read of them from the store just before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from baremetal_sdk.polling.schedule import Schedule
from baremetal_sdk.polling.worker_limit import WorkerLimit
from baremetal_sdk.store.records.query import Row

_BATCH = 256
"""As many nodes are read from the store at a time, at most."""
_FEWEST = 16
_LOW = 1 / 4
"""With so much of a batch left the next one is read, by one worker: the others have what to do meanwhile."""
_SLOWER = 0.1
"""How soon it is believed that a machine has become slower."""


class WorkQueue:
    """Hands out nodes that are due, each as the store has it now: one query serves many of them."""

    def __init__(self, schedule: Schedule, share: float, look: Callable[[Sequence[str]], Sequence[Row]]) -> None:
        self.schedule = schedule
        self.share = share
        """How much of the lane its workers may take."""
        self.crew = WorkerLimit()
        self._look = look
        self._ready: deque[Row] = deque()
        self._refilling = threading.Lock()
        self._undisturbed: dict[str, float] = {}

    @property
    def backlog(self) -> int:
        """Nodes that are due."""
        return self.schedule.backlog() + len(self._ready)

    def next(self) -> Row | None:
        """A node that is due; None where there is none."""
        while True:
            if len(self._ready) < _LOW * self._batch and self._refilling.acquire(blocking=False):
                try:
                    self._refill()
                finally:
                    self._refilling.release()
            try:
                return self._ready.popleft()
            except IndexError:
                pass
            with self._refilling:
                if not self._ready and not self._refill():
                    return None

    def undisturbed(self, node: str, seconds: float) -> float:
        """How long a look at this node takes where nothing else keeps it waiting here, now that one took so many seconds."""
        before = self._undisturbed.get(node, seconds)
        found = self._undisturbed[node] = seconds if seconds < before else before + _SLOWER * (seconds - before)
        return found

    def keep(self, nodes: Iterable[str]) -> None:
        """Have exactly these *nodes*."""
        self.schedule.keep(nodes)
        for gone in [node for node in list(self._undisturbed) if not self.schedule.has(node)]:
            del self._undisturbed[gone]

    @property
    def _batch(self) -> int:
        """As many as few workers take soon: what is known of a node is not to be old when its turn comes."""
        return max(_FEWEST, min(_BATCH, 2 * self.crew.size))

    def _refill(self) -> bool:
        keys = self.schedule.take_due(self._batch)
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
