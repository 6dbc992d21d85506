"""Threads of ``metald bench`` that act as concurrent clients until all jobs are done or the run is interrupted."""

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
    """Error raised when a signal has interrupted the benchmark run."""


class ClientThreads:
    """A group of *clients* threads that run jobs and add results to *recording*. Setting *stop* interrupts the run."""

    def __init__(self, clients: int, recording: Recording, stop: threading.Event) -> None:
        self.clients = clients
        self.stop = stop
        self._recording = recording

    def run(self, operation: str, jobs: Iterable[T], work: Callable[[T], object], *, timed: bool = True) -> None:
        """Call *work* with each of *jobs* on the client threads, and return when all jobs are done.

        With *timed*, the duration of each successful call becomes a sample of *operation*, and the whole duration becomes
        its busy time. A job that raises :class:`APIError` is recorded as a failure of *operation*, and the other jobs
        continue. Any other error ends the run and is raised. Raises :class:`BenchInterrupted` after an interruption.
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
