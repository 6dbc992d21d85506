"""Schedule of a simulated machine: future actions, which run when the machine is accessed after their due time."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[float], None]
"""Function that takes the clock time in seconds at which the action was due."""


class Schedule:
    """The future actions of one simulated machine, in the order of their due times.

    Not thread-safe: the machine's lock guards it.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, Action]] = []
        self._last_number = 0

    def add(self, at: float, tag: str, action: Action) -> None:
        """Schedule *action* for the clock time *at* in seconds. *tag* is the name by which :meth:`drop` removes the action."""
        # The number keeps the order of actions with the same time, and keeps heapq from comparing functions.
        self._last_number += 1
        heapq.heappush(self._heap, (at, self._last_number, tag, action))

    def drop(self, tag: str) -> None:
        """Remove all actions with *tag* without running them."""
        self._heap = [entry for entry in self._heap if entry[2] != tag]
        heapq.heapify(self._heap)

    def run(self, now: float) -> None:
        """Run and remove the actions that are due at the clock time *now*, in order. An action may schedule further actions."""
        while self._heap and self._heap[0][0] <= now:
            at, _, _, action = heapq.heappop(self._heap)
            action(at)

    def __bool__(self) -> bool:
        return bool(self._heap)
