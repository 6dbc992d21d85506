"""One task of a pool, and the future that its submitter holds."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from baremetal_sdk.concurrency.pool.lane import Lane

LOG = logging.getLogger(__name__)
T = TypeVar("T")
_local = threading.local()


class PoolDeadlock(RuntimeError):
    """A task waits for one that can never run: every worker that could run it waits in the same way."""


class TaskAbandoned(RuntimeError):
    """The pool was closed while the task ran and did not end: whether it ever ends is not known, nor how."""


class PoolFuture(Future[T]):
    """The future of a task. It can ask a running task to stop, and notices a wait that could never end."""

    _job: Job | None = None

    def result(self, timeout: float | None = None) -> T:
        """The task's result. Raises ``PoolDeadlock`` where it cannot come within *timeout*, because no worker is left for it."""
        with _Waiting(None if self.done() else self._job, timeout):
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the task raised. Raises ``PoolDeadlock`` as :meth:`result` does."""
        with _Waiting(None if self.done() else self._job, timeout):
            return super().exception(timeout)

    def request_stop(self) -> bool:
        """Cancel the task, or ask it to stop when it runs; whether it had not ended yet. See :func:`should_stop`."""
        job = self._job
        if job is not None:
            job.stop = True
        return self.cancel() or not self.done()


class Job:
    """A function, the context it was submitted in, and how far it is."""

    __slots__ = (
        "_future", "args", "context", "failed", "function", "kwargs", "lane", "queued", "ran", "started", "stop",
        "submitted", "waits_for", "waits_until",
    )  # fmt: skip

    def __init__(self, lane: Lane, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.lane, self.function, self.args, self.kwargs = lane, function, args, kwargs
        self._future: PoolFuture[Any] | None = PoolFuture()
        self._future._job = self
        self.context = contextvars.copy_context()
        self.submitted = time.monotonic()
        self.started = 0.0
        self.queued = self.ran = self.failed = self.stop = False
        self.waits_for: Job | None = None
        self.waits_until = 0.0

    def __str__(self) -> str:
        name = getattr(self.function, "__qualname__", None) or repr(self.function)
        return f"{name} in lane '{self.lane.name}'"

    @property
    def future(self) -> PoolFuture[Any]:
        """The submitter's future, until the job is detached from it."""
        assert self._future is not None
        return self._future

    @property
    def cancelled(self) -> bool:
        """Whether the submitter cancelled it before it began."""
        return self.future.cancelled()

    def run(self) -> None:
        """Run in the submitter's context, unless it was cancelled; whatever is raised ends in the future."""
        future = self.future
        if not future.set_running_or_notify_cancel():
            return
        self.ran = True
        _local.job = self
        try:
            result = self.context.run(self.function, *self.args, **self.kwargs)
        except BaseException as exc:
            self.failed = True
            self._settle(future.set_exception, exc)
        else:
            self._settle(future.set_result, result)
        finally:
            _local.job = None

    def _settle(self, settle: Callable[[Any], None], value: Any) -> None:
        """Settle the future. Its callbacks run in that, and one that raises SystemExit must not cost the worker."""
        try:
            settle(value)
        except InvalidStateError:
            LOG.info("%s has ended after its pool had given it up", self)
        except BaseException:
            LOG.exception("a callback of the future of %s ended with an error", self)

    def cancel(self) -> None:
        """Settle a job that will not run."""
        self.queued = False
        future = self.future
        future.cancel()
        future.set_running_or_notify_cancel()
        self.detach()

    def detach(self) -> None:
        """Part the job from its future: the two hold each other, and would wait for the garbage collector."""
        if self._future is not None:
            self._future._job = None
            self._future = None


def abandon(future: PoolFuture[Any], why: str) -> None:
    """Settle the future of a task that runs on, unless it has just ended; one that is just about to begin is cancelled."""
    if not future.cancel():
        with contextlib.suppress(InvalidStateError):
            future.set_exception(TaskAbandoned(why))


class _Waiting:
    """While a task waits for another one of its pool, the pool knows."""

    __slots__ = ("_target", "_until", "_waiter")

    def __init__(self, target: Job | None, timeout: float | None) -> None:
        waiter: Job | None = getattr(_local, "job", None)
        own = waiter is not None and target is not None and waiter.lane.pool is target.lane.pool
        self._waiter = waiter if own else None
        self._target = target
        self._until = math.inf if timeout is None else time.monotonic() + timeout

    def __enter__(self) -> None:
        if self._waiter is not None and self._target is not None:
            self._target.lane.pool.begin_wait(self._waiter, self._target, self._until)

    def __exit__(self, *_: object) -> None:
        if self._waiter is not None:
            self._waiter.waits_for = None


def should_stop() -> bool:
    """Whether the task that calls this should come to an end: it was asked to, or its pool closes. False outside of tasks."""
    job: Job | None = getattr(_local, "job", None)
    return job is not None and (job.stop or job.lane.pool.closing)
