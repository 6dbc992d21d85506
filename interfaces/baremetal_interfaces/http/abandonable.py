"""Calls of the operating system that have no timeout, such as name lookups and reads of files on a network file system."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from baremetal_interfaces.deadline import Deadline

T = TypeVar("T")


class AbandonableCalls(Generic[T]):
    """Runs each blocking call in a separate thread. A caller waits until its deadline and then abandons the call. Thread-safe.

    Callers with equal keys share one call, so that a call that hangs occupies one thread however often it is asked for. At most
    *max_threads* calls run at the same time.
    """

    def __init__(self, name: str, max_threads: int) -> None:
        self._name = name
        self._max_threads = max_threads
        self._lock = threading.Lock()
        self._running: dict[Hashable, _Call[T]] = {}

    def run(self, key: Hashable, function: Callable[[], T], deadline: Deadline) -> T:
        """Return the result of *function*, or of a running call with an equal *key*, or raise its exception.

        Raises ``TimeoutError`` if the call has not ended by *deadline*, or if too many other calls are running.
        """
        with self._lock:
            call = self._running.get(key)
            is_new = call is None
            if call is None:
                if len(self._running) >= self._max_threads:
                    raise TimeoutError(f"{len(self._running)} other calls have not ended")
                call = self._running[key] = _Call()
        if is_new:
            self._start(key, call, function)
        if not call.ended.wait(deadline.remaining()):
            raise TimeoutError("the call did not end in time")
        if call.error is not None:
            raise call.error
        return call.results[0]

    def _start(self, key: Hashable, call: _Call[T], function: Callable[[], T]) -> None:
        def run() -> None:
            try:
                call.results.append(function())
            except Exception as exc:
                call.error = exc
            finally:
                self._end(key, call)

        try:
            # A daemon: the end of the process does not wait for a call that hangs.
            threading.Thread(target=run, name=self._name, daemon=True).start()
        except RuntimeError as exc:
            call.error = TimeoutError(f"no thread could be started ({exc})")
            self._end(key, call)

    def _end(self, key: Hashable, call: _Call[T]) -> None:
        with self._lock:
            del self._running[key]
        call.ended.set()


class _Call(Generic[T]):
    """A call that runs in a thread: its result or its error, once it has ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.results: list[T] = []
        self.error: Exception | None = None
