"""The engine: what is due is read by workers that live as long as something is due."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_interfaces import (
    BareMetalError,
    BMCBusy,
    Deadline,
    Kind,
    NotFound,
)
from baremetal_sdk.bmc import SlotTaken
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.observability.telemetry import Telemetry, Work, classify_outcome
from baremetal_sdk.polling.live_and_away import AWAY, LiveAndAwayQueues
from baremetal_sdk.polling.work_queue import WorkQueue
from baremetal_sdk.polling.workers import WorkerPool
from baremetal_sdk.power_sync.observations import LOOKED_AT, ObservationTracker, may_look
from baremetal_sdk.power_sync.write_batch import WriteBatch
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery, Row
from baremetal_sdk.tasks.history import History
from baremetal_sdk.tasks.power_reader import PowerReader
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = logging.getLogger(__name__)
_UNSCHEDULED = 60.0
"""Seconds between two observations where power sync is off and somebody asks for it all the same."""
_HORIZON, _HORIZON_SHARE = 1.0, 0.1
"""What is due is to be read in so many seconds, or in that share of the interval; a tick comes at least as often."""
_TAKEN_RETRY = 2.0
"""Seconds until a BMC is tried again that served somebody else."""
_SHORTEST_LIMIT, _LONGEST_LIMIT = 5.0, 15.0
"""Seconds that one read may take: the interval, but neither less nor more than these."""
_INTERVALS_UNSEEN = 3
"""As many intervals may go by without an observation, however short the time is after which power is unknown."""
_AT_ONCE = 256
_LISTING_APART = 20
"""The nodes that there are, are listed as rarely as makes up for what that takes, where the interval is shorter."""
_AFTER_TASK = 10.0
"""Seconds after the end of a task in which its node is looked at: what does not last is seen soon."""


class PowerSync(LiveAndAwayQueues):
    """Samples each node's power on a schedule of its own, without a lease.

    It writes only what changed, and only if nobody took or changed the node meanwhile. It never waits in line for a BMC
    that serves somebody else, and a BMC that is away holds up no other one.
    """

    def __init__(
        self,
        store: Store,
        tasks: TaskManager,
        lane: Lane,
        clock: Clock,
        history: History,
        *,
        interval: float,
        max_retries: int,
        unknown_after: float = 0.0,
        is_mine: Callable[[Row], bool] = lambda node: True,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._lane = lane
        self._clock = clock
        self._is_mine = is_mine
        self._telemetry = telemetry or Telemetry()
        self._interval = interval if interval > 0 else _UNSCHEDULED
        self.unknown_after = unknown_after
        """Seconds without an observation after which power is not known any more; 0: it stays as it was seen."""
        super().__init__(self._interval, clock, self._look)
        self._knowledge = ObservationTracker(clock, max_retries)
        self._ledger = WriteBatch(store, history, self._knowledge.written)
        self._listed_at: float | None = None
        self._listing_took = 0.0
        self._shift = WorkerPool("power sync", lane, self._take, self._ledger.write)

    @property
    def due_nodes(self) -> int:
        """How many nodes are due now."""
        return self._live.backlog + self._away.backlog

    @property
    def answers(self) -> int:
        """How many observations were answered so far."""
        return self._knowledge.answered

    def tick(self) -> None:
        """Have as many workers as what is due asks for; the nodes that there are, are listed once in an interval."""
        now = self._clock.monotonic()
        if self._listed_at is None or now - self._listed_at >= max(self._interval, _LISTING_APART * self._listing_took):
            self._list()
            self._listed_at, self._listing_took = now, self._clock.monotonic() - now
        self._ledger.write()
        for line in (self._live, self._away):
            self._staff(line)

    def reload(self, options: ConductorOptions) -> None:
        """Take over what has changed: the interval from the next observation on, how many may fail, when power is unknown."""
        self._knowledge.max_retries = options.power_state_sync_max_retries
        self.unknown_after = options.power_unknown_after
        interval = options.sync_power_state_interval
        if interval > 0:
            self._interval = self._live.schedule.interval = self._away.schedule.interval = interval

    def hasten(self, node: str, seconds: float = _AFTER_TASK) -> None:
        """Have a node that is on the schedule observed in so many seconds, or before."""
        for line in (self._live, self._away):
            if line.schedule.has(node):
                line.schedule.hasten(node, seconds)

    def observe(self, node: str) -> BareMetalError | None:
        """Observe one node now, unless somebody works on it or its state says that power is not ours to look at.

        Gives back why it could not be observed.
        """
        error = None
        for row in self._look([node]):
            _, _, error = self._observe(row, wait=True)
        self._ledger.write()
        return error

    def stop(self) -> None:
        """Let workers end with what they do now; write what they saw."""
        self._shift.stop()
        self._ledger.write()

    def _list(self) -> None:
        rows = self._store.nodes(NodeQuery(fields=("uuid", "driver", "conductor_group")))
        ours = {row.uuid for row in rows if self._is_mine(row)}
        self._knowledge.keep(ours)
        self._keep(ours)
        self._forget_what_is_old()

    def _forget_what_is_old(self) -> None:
        """Say of power that nobody has observed for too long that it is not known."""
        if self.unknown_after <= 0:
            return
        unseen = self._knowledge.unseen(max(self.unknown_after, _INTERVALS_UNSEEN * self._interval))
        for at in range(0, len(unseen), _AT_ONCE):
            rows = self._store.nodes(NodeQuery(where={"uuid": tuple(unseen[at : at + _AT_ONCE])}, fields=LOOKED_AT))
            for row in rows:
                self._note(row, self._knowledge.aged(row))

    def _staff(self, line: WorkQueue) -> None:
        most = max(1, int(line.share * min(self._lane.limits.cap, self._lane.pool.max_workers)))
        self._shift.staff(line, min(_HORIZON, self._interval * _HORIZON_SHARE), most)

    def _take(self, row: Row) -> None:
        """Observe one node of a line, and say in which line it is due again, and when."""
        line, again = self._live, None
        try:
            with self._telemetry.begin(Work.POWER_OBSERVATION, node=row.uuid) as one:
                line, again, error = self._observe(row)
                one.outcome = one.outcome if error is None else classify_outcome(error)
        except Exception:
            LOG.exception("node %s: its power could not be observed", row.uuid)
        finally:
            self._due_again(row.uuid, line, self._interval if again is None else again, again)

    def _observe(self, row: Row, *, wait: bool = False) -> tuple[WorkQueue, float | None, BareMetalError | None]:
        """See what the power of a node is.

        Gives back the line that it belongs to, in how many seconds it is due where that is special, and what went wrong.
        """
        try:
            sampler = self._sampler(row)
            if sampler is not None and sampler.retry_delay and not wait:
                return self._away, sampler.retry_delay, None
            limit = Deadline.after(min(_LONGEST_LIMIT, max(_SHORTEST_LIMIT, self._interval)), self._clock.monotonic)
            seen = sampler.read(limit, wait=wait) if sampler is not None else None
            if seen is None:
                seen = self._tasks.read_only(row.uuid).call(Kind.POWER, "get_power_state")
        except SlotTaken as exc:
            return self._line_of(row), _TAKEN_RETRY, exc
        except NotFound:
            return self._live, None, None
        except BMCBusy as exc:
            # It answered, and says when to come back; that all come back at that moment would not help it.
            pause = exc.retry_after if exc.retry_after is not None else _TAKEN_RETRY
            return self._line_of(row), min(pause * random.uniform(1.0, 1.5), self._interval), exc
        except BareMetalError as exc:
            self._note(row, self._knowledge.failed(row, exc))
            return (self._away if isinstance(exc, AWAY) else self._live), None, exc
        self._note(row, self._knowledge.seen(row, seen) | self._knowledge.health(row, self._tasks))
        return self._live, None, None

    def _line_of(self, row: Row) -> WorkQueue:
        return self._away if self._away.schedule.has(row.uuid) else self._live

    def _note(self, row: Row, changes: dict[str, Any]) -> None:
        if changes:
            self._ledger.add(row, changes)

    def _sampler(self, row: Row) -> PowerReader | None:
        """The lean read of a node, as it was worked out when the node was last changed."""
        known = self._knowledge.of(row.uuid)
        if known.revision == row.revision and known.sampler is not None and known.sampler.is_current():
            return known.sampler
        task = self._tasks.read_only(row.uuid)
        sampler = task.power_reader()
        if sampler is not None and task.record.revision == row.revision:
            known.revision, known.sampler = row.revision, sampler
        return sampler

    def _look(self, nodes: Sequence[str]) -> list[Row]:
        """Those of *nodes* whose power may be looked at, as they are now."""
        rows = self._store.nodes(NodeQuery(where={"uuid": tuple(nodes)}, fields=LOOKED_AT))
        return [row for row in rows if may_look(row, self._clock)]
