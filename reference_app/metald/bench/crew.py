"""Clients that work at a time, until the work is done or somebody asks for the end."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from metald.bench.recording import Recording
from metald.client import APIError

T = TypeVar("T")


class Interrupted(Exception):
    """Somebody asked for the end."""


class Crew:
    """*clients* threads. What a job raises as :class:`APIError` is a failure of its operation, and the others go on."""

    def __init__(self, clients: int, recording: Recording, stop: threading.Event) -> None:
        self.clients = clients
        self.stop = stop
        self._recording = recording

    def run(self, operation: str, jobs: Iterable[T], work: Callable[[T], object], *, timed: bool = True) -> None:
        """Do *work* with each of *jobs*; with *timed* each is a sample of *operation*. Raises :class:`Interrupted`."""
        waiting = deque(jobs)
        broken: list[BaseException] = []

        def client() -> None:
            while not self.stop.is_set() and not broken:
                try:
                    job = waiting.popleft()
                except IndexError:
                    return
                begin = time.perf_counter()
                try:
                    work(job)
                except APIError as exc:
                    self._recording.failed(operation, str(exc))
                except Interrupted:
                    return
                except BaseException as exc:
                    broken.append(exc)
                else:
                    if timed:
                        self._recording.add(operation, time.perf_counter() - begin)

        begin = time.perf_counter()
        threads = [threading.Thread(target=client, daemon=True) for _ in range(min(self.clients, len(waiting)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if timed:
            self._recording.spent(operation, time.perf_counter() - begin)
        if broken:
            raise broken[0]
        if self.stop.is_set():
            raise Interrupted
