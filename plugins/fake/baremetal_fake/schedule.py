"""What is to happen at a machine later. Nothing runs in the meantime: who looks at the machine lets it happen first."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[float], None]
"""What happens; it is handed the time at which it was due."""


class Schedule:
    """Due times and actions, in order. Not thread-safe: its machine's lock guards it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, Action]] = []
        self._number = 0

    def add(self, at: float, tag: str, action: Action) -> None:
        """Let *action* happen at the time *at*; *tag* says what :meth:`drop` takes it back by."""
        self._number += 1
        heapq.heappush(self._heap, (at, self._number, tag, action))

    def drop(self, tag: str) -> None:
        """Take back everything under *tag*."""
        self._heap = [entry for entry in self._heap if entry[2] != tag]
        heapq.heapify(self._heap)

    def run(self, now: float) -> None:
        """Let everything happen that is due, in the order of the due times."""
        while self._heap and self._heap[0][0] <= now:
            at, _, _, action = heapq.heappop(self._heap)
            action(at)

    def __bool__(self) -> bool:
        return bool(self._heap)
