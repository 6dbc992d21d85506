"""Threads that act as concurrent clients, until all jobs are done or the run is interrupted."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from metald.bench.recording import Recording
from metald.client import APIError

T = TypeVar("T")


class BenchInterrupted(Exception):
    """A signal interrupted the run."""


class ClientThreads:
    """A group of *clients* threads.

    An :class:`APIError` of a job counts as a failure of its operation, and the other jobs continue. *stop* interrupts the run.
    """

    def __init__(self, clients: int, recording: Recording, stop: threading.Event) -> None:
        self.clients = clients
        self.stop = stop
        self._recording = recording

    def run(self, operation: str, jobs: Iterable[T], work: Callable[[T], object], *, timed: bool = True) -> None:
        """Call *work* with each of *jobs*. With *timed*, record each call as a sample of *operation*.

        Raises :class:`BenchInterrupted` after an interruption, and any other error than :class:`APIError` that a job raised.
        """
        queue = deque(jobs)
        unexpected: list[BaseException] = []

        def run_client() -> None:
            while not self.stop.is_set() and not unexpected:
                try:
                    job = queue.popleft()
                except IndexError:
                    return
                begin = time.perf_counter()
                try:
                    work(job)
                except APIError as exc:
                    self._recording.add_failure(operation, str(exc))
                except BenchInterrupted:
                    return
                except BaseException as exc:
                    unexpected.append(exc)
                else:
                    if timed:
                        self._recording.add(operation, time.perf_counter() - begin)

        begin = time.perf_counter()
        threads = [threading.Thread(target=run_client, daemon=True) for _ in range(min(self.clients, len(queue)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if timed:
            self._recording.add_busy_time(operation, time.perf_counter() - begin)
        if unexpected:
            raise unexpected[0]
        if self.stop.is_set():
            raise BenchInterrupted
