"""Base class of the Redfish and the IPMI test service: it runs an asyncio event loop on a separate thread."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

CALL_TIMEOUT_S = 30.0
"""Maximum seconds that :meth:`BackgroundService.run_on_loop` waits for the result of an action."""


class BackgroundService(ABC):
    """Base of the Redfish and the IPMI test service. It starts and stops the thread that runs the event loop.

    A service is a context manager and can be started again after it was stopped. Any thread may call :meth:`start` and
    :meth:`stop`, but only one thread at a time.
    """

    def __init__(self, thread_name: str) -> None:
        self._thread_name = thread_name
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_requested: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread, and return when every socket listens.

        Raises RuntimeError if the service already runs, and OSError if an address or a port cannot be bound.
        """
        if self._thread is not None:
            raise RuntimeError("cannot start the service: it is already running; stop it first")
        self._prepare()
        listening: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(listening,), name=self._thread_name, daemon=True)
        self._thread.start()
        try:
            listening.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Close all sockets and connections, and wait for the thread to end. Does nothing if the service is not running."""
        thread, self._thread = self._thread, None
        if thread is not None:
            # A thread that failed to listen has no loop any more: there is nothing to wake, only a thread to join.
            if self._loop is not None and self._stop_requested is not None and thread.is_alive():
                self._loop.call_soon_threadsafe(self._stop_requested.set)
            thread.join()
        self._clean_up()

    def run_on_loop(self, action: Callable[[], T]) -> T:
        """Run *action* on the event loop, wait for it, and return its result.

        Only the event loop reads and writes connections and sessions, so they need no lock. While the service is stopped,
        *action* runs on the calling thread. Raises the error of *action*, and TimeoutError after 30 seconds.
        """
        if self._loop is None or self._thread is None:
            return action()

        async def act() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(timeout=CALL_TIMEOUT_S)

    @abstractmethod
    async def _open_sockets(self) -> None:
        """Open all sockets of the service. Runs on the event loop; :meth:`start` raises the error of a failure."""

    @abstractmethod
    def _close_sockets(self) -> None:
        """Close all open sockets and connections of the service.

        Runs on the event loop, also after :meth:`_open_sockets` failed.
        """

    def _prepare(self) -> None:
        """Prepare a start, if the service needs that. Runs on the calling thread, before the service's thread exists."""

    def _clean_up(self) -> None:
        """Clean up after a stop, if the service needs that. Runs on the calling thread, after the service's thread has ended."""

    def _run(self, listening: Future[None]) -> None:
        try:
            asyncio.run(self._serve(listening))
        except BaseException as exc:
            if listening.done():
                raise
            listening.set_exception(exc)

    async def _serve(self, listening: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop_requested = asyncio.Event()
        try:
            await self._open_sockets()
            listening.set_result(None)
            await self._stop_requested.wait()
        finally:
            self._close_sockets()
            self._loop = None
