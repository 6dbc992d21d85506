"""Signals of a process, as orders to a conductor that runs in it."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum


class Order(Enum):
    """What a signal, or a call, asks of a conductor that runs."""

    STOP = "stop"
    RELOAD = "reload"
    ENDED = "ended"


class Orders:
    """The orders that were given. To give one is safe in a signal handler."""

    def __init__(self) -> None:
        self._given: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._stops = 0
        self.starting = False
        """Whether nobody takes orders yet: a second order to stop interrupts the start then."""

    def give(self, order: Order) -> None:
        """Give an order."""
        self._given.put(order)

    def take(self) -> Order:
        """Wait for the next order."""
        return self._given.get()

    def hear(self, order: Order) -> None:
        """Take a signal's order. Raises ``KeyboardInterrupt`` in a start that was told to stop before, and goes on."""
        self.give(order)
        self._stops += order is Order.STOP
        if self.starting and self._stops > 1:
            raise KeyboardInterrupt("a second signal during the start")


@contextmanager
def heard(orders: Orders) -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP become orders, for as long as this lasts."""
    meanings = {signal.SIGTERM: Order.STOP, signal.SIGINT: Order.STOP, signal.SIGHUP: Order.RELOAD}
    before = {number: signal.signal(number, lambda *_, order=order: orders.hear(order)) for number, order in meanings.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
