"""The future actions of a machine. No thread runs them: each access to the machine first runs the actions that are due."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[float], None]
"""Function that is called with the time in seconds at which the action was due."""


class Schedule:
    """Actions in the order of their due times. Not thread-safe: the machine's lock guards it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, Action]] = []
        self._last_number = 0

    def add(self, at: float, tag: str, action: Action) -> None:
        """Schedule *action* for the time *at* in seconds. :meth:`drop` removes it by its *tag*."""
        # The number keeps the order of actions with the same time, and keeps heapq from comparing functions.
        self._last_number += 1
        heapq.heappush(self._heap, (at, self._last_number, tag, action))

    def drop(self, tag: str) -> None:
        """Remove all actions with *tag*."""
        self._heap = [entry for entry in self._heap if entry[2] != tag]
        heapq.heapify(self._heap)

    def run(self, now: float) -> None:
        """Run the actions that are due at *now*, in the order of their due times. An action may schedule further ones."""
        while self._heap and self._heap[0][0] <= now:
            at, _, _, action = heapq.heappop(self._heap)
            action(at)

    def __bool__(self) -> bool:
        return bool(self._heap)
