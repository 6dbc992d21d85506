"""Conversion of process signals (SIGTERM, SIGINT, SIGHUP) into commands to the running conductor."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum


class Command(Enum):
    """A command to the main loop of a running conductor."""

    STOP = "stop"
    RELOAD = "reload"
    STOPPED = "stopped"
    """The conductor has stopped. :meth:`Conductor.stop` sends it to end the main loop."""


class CommandQueue:
    """Commands in the order in which they were sent.

    ``SimpleQueue`` is reentrant, so a signal handler may send a command while the main thread waits for one.
    """

    def __init__(self) -> None:
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._stop_signals = 0
        self.is_starting = False
        """True while the conductor starts and no thread receives commands. A second stop signal then interrupts the start."""

    def send(self, command: Command) -> None:
        """Append *command* to the queue. Signal handlers and all threads may call this method."""
        self._commands.put(command)

    def receive(self) -> Command:
        """Wait for the next command and return it."""
        return self._commands.get()

    def handle_signal(self, command: Command) -> None:
        """Queue *command* for a received signal. Raise ``KeyboardInterrupt`` at a second stop signal during the start."""
        self.send(command)
        if command is Command.STOP:
            self._stop_signals += 1
        if self.is_starting and self._stop_signals > 1:
            raise KeyboardInterrupt("the start was interrupted by a second stop signal")


@contextmanager
def receive_signals(commands: CommandQueue) -> Iterator[None]:
    """Send a command for each SIGTERM and SIGINT (STOP) and SIGHUP (RELOAD) within the block. Call it in the main thread.

    The previous signal handlers are restored after the block.
    """
    meanings = {signal.SIGTERM: Command.STOP, signal.SIGINT: Command.STOP, signal.SIGHUP: Command.RELOAD}
    previous = {
        number: signal.signal(number, lambda *_, command=command: commands.handle_signal(command))
        for number, command in meanings.items()
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
