"""A job, which is one task of a pool, and the future that its submitter holds."""

from __future__ import annotations

import contextlib
import contextvars
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, Generic, Protocol, TypeVar

from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
T = TypeVar("T")
_local = threading.local()
"""``job`` is the job that runs on the current thread."""


class JobPool(Protocol):
    """Interface to a pool, with the members that its jobs use."""

    @property
    def closing(self) -> bool:
        """True if the pool accepts no more work."""

    def begin_wait(self, waiter: Job[Any], target: Job[Any], until: float) -> None:
        """Record that a job waits *until* a time on the monotonic clock. Raise ``PoolDeadlock`` if *target* cannot run before."""


class JobOwner(Protocol):
    """Interface to a lane, with the members that its jobs use."""

    @property
    def name(self) -> str:
        """Name of the lane."""

    @property
    def pool(self) -> JobPool:
        """Pool that the lane belongs to."""


OwnerT = TypeVar("OwnerT", bound=JobOwner)


class PoolDeadlock(RuntimeError):
    """A task waits for another task that can never run, because each worker that could run that task waits too."""


class TaskAbandoned(RuntimeError):
    """The pool was closed while the task was running. The pool does not know whether or how the task ended."""


class PoolFuture(Future[T]):
    """The future of a task. It can ask a running task to stop and detects waits that could never end."""

    _job: Job[Any] | None = None

    def result(self, timeout: float | None = None) -> T:
        """Return the task's result, waiting up to *timeout* seconds, by default without a limit. Errors of the task are raised.

        Raises ``PoolDeadlock`` if the caller is a task of the same pool and no worker can run the awaited task within *timeout*.
        """
        # A future that is done needs no wait. Its callbacks may read it on the worker whose job it was.
        with _RegisteredWait(None if self.done() else self._job, timeout):
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the exception that the task raised, or None. Raises ``PoolDeadlock`` as :meth:`result` does."""
        with _RegisteredWait(None if self.done() else self._job, timeout):
            return super().exception(timeout)

    def request_stop(self) -> bool:
        """Cancel the task if it has not begun, or ask it to stop (see :func:`should_stop`).

        Returns whether the request reached the task before its end.
        """
        job = self._job
        if job is not None:
            job.stop_requested = True
        return self.cancel() or not self.done()


class Job(Generic[OwnerT]):
    """A task in a pool: its function, arguments, submitter's context variables and progress.

    ``is_queued``, ``waits_for`` and ``waits_until`` are protected by the pool's lock, except that a job clears its own
    ``waits_for`` when its wait ends.
    """

    __slots__ = (
        "_future", "args", "context", "function", "has_failed", "has_run", "is_queued", "kwargs", "lane", "started",
        "stop_requested", "submitted", "waits_for", "waits_until",
    )  # fmt: skip

    def __init__(self, lane: OwnerT, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.lane, self.function, self.args, self.kwargs = lane, function, args, kwargs
        self._future: PoolFuture[Any] | None = PoolFuture()
        self._future._job = self
        # Copied at the submission: later changes of the submitter's context do not reach the job.
        self.context = contextvars.copy_context()
        self.submitted = time.monotonic()
        self.started = 0.0
        self.is_queued = self.has_run = self.has_failed = self.stop_requested = False
        self.waits_for: Job[OwnerT] | None = None
        self.waits_until = 0.0

    def __str__(self) -> str:
        name = getattr(self.function, "__qualname__", None) or repr(self.function)
        return f"{name} in lane '{self.lane.name}'"

    @property
    def future(self) -> PoolFuture[Any]:
        """The submitter's future. Not available after :meth:`detach`."""
        assert self._future is not None
        return self._future

    @property
    def cancelled(self) -> bool:
        """True if the submitter cancelled the job before it began."""
        return self.future.cancelled()

    def run(self) -> None:
        """Run the function in the submitter's context, unless it was cancelled. All exceptions go to the future."""
        future = self.future
        # From here on the future cannot be cancelled. A job that was cancelled before is not run.
        if not future.set_running_or_notify_cancel():
            return
        self.has_run = True
        _local.job = self
        try:
            result = self.context.run(self.function, *self.args, **self.kwargs)
        except BaseException as exc:
            # SystemExit and KeyboardInterrupt included: a task must never end the worker thread.
            self.has_failed = True
            self._settle(future.set_exception, exc)
        else:
            self._settle(future.set_result, result)
        finally:
            _local.job = None

    def _settle(self, settle: Callable[[Any], None], value: Any) -> None:
        """Set the future's result or exception, which runs its callbacks. Their errors are logged and do not end the thread."""
        try:
            settle(value)
        except InvalidStateError:
            LOG.info("%s ended after its pool had abandoned it", self)
        except BaseException:
            LOG.exception("a callback of the future of %s raised an error", self)

    def cancel(self) -> None:
        """Cancel the future of a job that will not run, and detach the job from it."""
        self.is_queued = False
        future = self.future
        future.cancel()
        # Only this call wakes threads that use concurrent.futures.wait() or as_completed().
        future.set_running_or_notify_cancel()
        self.detach()

    def detach(self) -> None:
        """Remove the references between job and future.

        The two refer to each other. Without this call the arguments of each task would stay in memory until the garbage
        collector runs.
        """
        if self._future is not None:
            self._future._job = None
            self._future = None


def abandon(future: PoolFuture[Any], reason: str) -> None:
    """Cancel a future whose task has not begun; settle others that are still pending with ``TaskAbandoned``."""
    if not future.cancel():
        # The task may end at this moment and settle the future first.
        with contextlib.suppress(InvalidStateError):
            future.set_exception(TaskAbandoned(reason))


class _RegisteredWait:
    """Context manager for a wait of one task for another task of the same pool. The pool checks it for a deadlock."""

    __slots__ = ("_target", "_until", "_waiter")

    def __init__(self, target: Job[Any] | None, timeout: float | None) -> None:
        waiter: Job[Any] | None = getattr(_local, "job", None)
        # Only waits within one pool can block its workers; a thread outside of the pool blocks no worker.
        same_pool = waiter is not None and target is not None and waiter.lane.pool is target.lane.pool
        self._waiter = waiter if same_pool else None
        self._target = target
        self._until = math.inf if timeout is None else time.monotonic() + timeout

    def __enter__(self) -> None:
        if self._waiter is not None and self._target is not None:
            self._target.lane.pool.begin_wait(self._waiter, self._target, self._until)

    def __exit__(self, *_: object) -> None:
        # Without the pool's lock: a stale entry does no harm, because an awaited job that has ended blocks no wait.
        if self._waiter is not None:
            self._waiter.waits_for = None


def should_stop() -> bool:
    """Return whether the calling task should end: it was asked to stop, or its pool is closing.

    Long-running tasks call this function regularly. Outside of tasks it returns False.
    """
    job: Job[Any] | None = getattr(_local, "job", None)
    return job is not None and (job.stop_requested or job.lane.pool.closing)
