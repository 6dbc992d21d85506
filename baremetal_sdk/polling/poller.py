"""The poller: it polls each node once per interval, and keeps unreachable BMCs from delaying the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from baremetal_interfaces import BareMetalError, BMCUnreachable, DeadlineExceeded
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.failures import log_failure
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.logs import get_logger
from baremetal_sdk.polling.schedule import Schedule
from baremetal_sdk.polling.work_queue import WorkQueue
from baremetal_sdk.polling.workers import WorkerPool
from baremetal_sdk.store.records.query import Row

LOG = get_logger(__name__)
UNREACHABLE_ERRORS = (BMCUnreachable, DeadlineExceeded)
"""Errors of a poll that mean that the BMC did not answer."""
UNREACHABLE_SHARE = 1 / 8
"""Share of the workers for nodes whose BMC did not answer last time. Each of these holds its worker until a timeout."""


@dataclass(frozen=True, slots=True)
class PollResult:
    """The outcome of a poll of one node."""

    is_unreachable: bool | None = False
    """Whether the BMC did not answer. None: not known, so the node stays in its queue."""
    retry_in_s: float | None = None
    """Seconds until the next poll. None: one interval."""
    error: BareMetalError | None = None
    """The error of the poll, if it failed."""


class Poller:
    """A poller that calls *poll* for each node once per interval, with separate queues for reachable and unreachable BMCs.

    *name* is for log lines. *read_rows* returns current rows for due nodes, and leaves out nodes that must not be polled.
    *poll* returns the result for one node; its errors are logged. *on_worker_end* is called when a worker ends. *interval*
    is in seconds. Thread-safe, except that
    :meth:`relist` and :meth:`start_workers` are called by one thread at a time.
    """

    def __init__(
        self,
        name: str,
        lane: Lane,
        clock: Clock,
        *,
        interval: float,
        read_rows: Callable[[Sequence[str]], list[Row]],
        poll: Callable[[Row], PollResult],
        on_worker_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._clock = clock
        self._poll = poll
        self._reachable = WorkQueue(Schedule(interval, clock), read_rows)
        self._unreachable = WorkQueue(Schedule(interval, clock), read_rows)
        self._queues = (self._reachable, self._unreachable)
        self._workers = WorkerPool(name, lane, self._poll_and_reschedule, on_worker_end)
        self._listed_at: float | None = None
        self.listing_seconds = 0.0
        """Seconds that the last listing of nodes took."""

    @property
    def interval(self) -> float:
        """Seconds between two polls of a node."""
        return self._reachable.schedule.interval

    @interval.setter
    def interval(self, seconds: float) -> None:
        for queue in self._queues:
            queue.schedule.interval = seconds

    @property
    def nodes(self) -> int:
        """Number of scheduled nodes."""
        return sum(len(queue.schedule) for queue in self._queues)

    @property
    def unreachable_nodes(self) -> int:
        """Number of scheduled nodes whose BMC did not answer the last poll."""
        return len(self._unreachable.schedule)

    @property
    def due_nodes(self) -> int:
        """Number of nodes that are due now."""
        return sum(queue.backlog for queue in self._queues)

    @property
    def lag(self) -> float:
        """Seconds for which the longest overdue node with a reachable BMC has been due."""
        return self._reachable.schedule.overdue()

    def relist(self, list_nodes: Callable[[], None], *, min_interval: float) -> None:
        """Call *list_nodes*, which calls :meth:`keep`, unless the last listing began less than *min_interval* seconds ago.

        An error of *list_nodes* passes to the caller, and the next call lists the nodes again.
        """
        now, previous = self._clock.monotonic(), self._listed_at
        if previous is not None and now - previous < min_interval:
            return
        # Set before the listing: expire_listing() may be called while the listing runs, and must not be lost.
        self._listed_at = now
        try:
            list_nodes()
        except BaseException:
            self._listed_at = previous
            raise
        self.listing_seconds = self._clock.monotonic() - now

    def expire_listing(self) -> None:
        """Make the next :meth:`relist` list the nodes, however recent the last listing is."""
        self._listed_at = None

    def keep(self, nodes: set[str]) -> None:
        """Schedule exactly these nodes. Known nodes stay in their queue, and new nodes count as reachable."""
        # New nodes start in the queue of reachable BMCs; a first failed poll moves them.
        unreachable = {node for node in nodes if self._unreachable.schedule.has(node)}
        self._unreachable.keep(unreachable)
        self._reachable.keep(nodes - unreachable)

    def hasten(self, node: str, seconds: float) -> None:
        """Make *node* due in so many *seconds*, if it is not due earlier. Do nothing for a node that is not scheduled."""
        for queue in self._queues:
            if queue.schedule.has(node):
                queue.schedule.hasten(node, seconds)

    def start_workers(self, seconds: float, *, max_reachable: int, max_unreachable: int) -> None:
        """Start as many workers as can poll the due nodes within so many seconds, up to the maximum of each queue."""
        self._workers.start(self._reachable, seconds, max_reachable)
        self._workers.start(self._unreachable, seconds, max_unreachable)

    def stop(self) -> None:
        """Let each worker end after its current poll, and return at once."""
        self._workers.stop()

    def _poll_and_reschedule(self, row: Row) -> None:
        result = PollResult()
        try:
            result = self._poll(row)
        except Exception as exc:
            log_failure(LOG, exc, "node %s: %s failed", row.uuid, self._name)
        finally:
            # In any case: a node that is not rescheduled is never polled again.
            self._reschedule(row.uuid, result)

    def _reschedule(self, node: str, result: PollResult) -> None:
        """Move a polled node to the queue for reachable or unreachable BMCs, by its result, and schedule its next poll there."""
        is_unreachable = result.is_unreachable
        if is_unreachable is None:
            is_unreachable = self._unreachable.schedule.has(node)
        queue, other = (self._unreachable, self._reachable) if is_unreachable else (self._reachable, self._unreachable)
        # A node that is in neither schedule was dropped during its poll, and stays dropped.
        if other.schedule.has(node):
            other.schedule.drop(node)
            # hasten() adds the node to its new schedule; again() alone would ignore an unknown node.
            queue.schedule.hasten(node, self.interval if result.retry_in_s is None else result.retry_in_s)
        queue.schedule.again(node, result.retry_in_s)
