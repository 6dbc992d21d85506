"""Conversion of process signals (SIGTERM, SIGINT, SIGHUP) into commands to the running conductor."""

from __future__ import annotations

import math
import queue
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from baremetal_sdk.conductor.process_exit import HURRY, UNFINISHED, end_process_now

STOP_MARGIN_S = 5.0
"""Seconds after the timeout of a stop at which the process ends although the stop has not returned."""
SECOND_SIGNAL_GRACE_S = 0.3
"""Seconds after a second stop signal for which the process may still end by itself."""
_START_POLL_S = 0.5


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
def receive_signals(
    commands: CommandQueue, stop_timeout: Callable[[], float] | None = None, *, reloads: bool = True
) -> Iterator[None]:
    """Send a command for each SIGTERM and SIGINT (STOP) and SIGHUP (RELOAD) within the block. Call it in the main thread.

    Without *reloads*, SIGHUP keeps its meaning.

    A thread makes sure that the block ends, whatever blocks the main thread: the process ends ``stop_timeout()`` seconds and a
    margin after the first stop signal, and half a second after the second one. The previous signal handlers are restored after
    the block.
    """
    meanings = {signal.SIGTERM: Command.STOP, signal.SIGINT: Command.STOP}
    if reloads:
        meanings[signal.SIGHUP] = Command.RELOAD
    HURRY.clear()
    with _watch_stop_signals(commands, stop_timeout):
        previous = {
            number: signal.signal(number, lambda *_, command=command: commands.handle_signal(command))
            for number, command in meanings.items()
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


@contextmanager
def _watch_stop_signals(commands: CommandQueue, stop_timeout: Callable[[], float] | None) -> Iterator[None]:
    # Python calls signal handlers in the main thread, which a write to a stalled log can block for ever. The interpreter writes
    # the number of each signal to this socket at once, in whatever state the main thread is.
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    watchdog = threading.Thread(target=_Watchdog(reader, commands, stop_timeout).run, name="signal-watchdog", daemon=True)
    watchdog.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        writer.close()
        watchdog.join()
        reader.close()


class _Watchdog:
    """Reader of signal numbers that ends the process if the main thread does not react to stop signals in time."""

    def __init__(self, reader: socket.socket, commands: CommandQueue, stop_timeout: Callable[[], float] | None) -> None:
        self._reader = reader
        self._commands = commands
        self._stop_timeout = stop_timeout
        self._last: int = signal.SIGTERM
        self._deadline = math.inf
        self._received = 0

    def run(self) -> None:
        """Watch until the other end of the socket is closed."""
        while True:
            # A signal during the start takes effect after it, so the time counts from the end of the start.
            waiting_for_start = self._received == 1 and math.isinf(self._deadline)
            if waiting_for_start and not self._commands.is_starting and self._stop_timeout is not None:
                self._deadline = time.monotonic() + self._stop_timeout() + STOP_MARGIN_S
            remaining = self._deadline - time.monotonic()
            if remaining <= 0:
                end_process_now(*self._verdict())
            timeout = min(remaining, _START_POLL_S if waiting_for_start else threading.TIMEOUT_MAX)
            if not select.select([self._reader], [], [], None if math.isinf(timeout) else min(timeout, 3600.0))[0]:
                continue
            numbers = self._reader.recv(64)
            if not numbers:
                return
            for number in numbers:
                self._handle(number)

    def _handle(self, number: int) -> None:
        if number not in (signal.SIGTERM, signal.SIGINT):
            return
        self._received += 1
        self._last = number
        if self._received == 2:
            HURRY.set()
            self._deadline = time.monotonic() + SECOND_SIGNAL_GRACE_S

    def _verdict(self) -> tuple[int, str]:
        if self._received > 1:
            return 128 + self._last, "second stop signal: running tasks are left behind"
        return UNFINISHED, "the stop did not end in time"
