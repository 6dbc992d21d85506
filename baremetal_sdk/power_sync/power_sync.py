"""Power sync: it observes the power state of each node once per interval, and stores changes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_interfaces import BareMetalError, BMCBusy, Deadline, Kind, NotFound, PowerState
from baremetal_sdk.bmc import SlotTaken
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.observability.telemetry import Telemetry, Work, classify_outcome
from baremetal_sdk.polling.poller import UNREACHABLE_ERRORS, UNREACHABLE_SHARE, Poller, PollResult
from baremetal_sdk.power_sync.observations import OBSERVED_FIELDS, ObservationTracker, may_observe
from baremetal_sdk.power_sync.write_batch import WriteBatch
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery, Row
from baremetal_sdk.tasks.history import History
from baremetal_sdk.tasks.power_reader import PowerReader
from baremetal_sdk.tasks.task_manager import TaskManager

_DISABLED_INTERVAL_S = 60.0
"""Interval that is assumed while power sync is disabled, for observations that are requested nevertheless."""
_MAX_HORIZON_S, _HORIZON_SHARE = 1.0, 0.1
"""Due nodes are observed within so many seconds, or within this share of the interval if that is shorter."""
_STORE_RETRY_S = 5.0
"""Seconds until the next observation of a node for which the store was away."""
_BUSY_RETRY_S = 2.0
"""Seconds until a BMC that served other requests is tried again."""
_MIN_READ_TIMEOUT_S, _MAX_READ_TIMEOUT_S = 5.0, 15.0
"""Bounds of the timeout of one read, which is otherwise the interval."""
_MIN_STALE_INTERVALS = 3
"""Intervals without an observation after which a power state can become unknown at the earliest."""
_EXPIRY_BATCH = 256
"""Maximum number of stale nodes that one query reads."""
_LISTING_PAUSE_FACTOR = 20
"""Nodes are listed no more often than every 20 times the duration of a listing, even if the interval is shorter."""
_AFTER_TASK_S = 10.0
"""Seconds after a task ends until its node is observed, so that a state that does not last is detected early."""


class PowerSync:
    """Regular observation of each node's power, on its own schedule and without a lease.

    Power sync writes only changes, and only to nodes that no task has taken or changed meanwhile. It never waits for a BMC
    that serves other requests, and unreachable BMCs do not delay the others.
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
        """Create power sync with an *interval* in seconds between two observations of a node (0: disabled).

        After more than *max_retries* failed observations in a row, a node goes into maintenance. After *unknown_after*
        seconds (three intervals or more) without a successful observation, its power state is unknown. *is_mine* selects the
        nodes of this conductor.
        """
        self._store = store
        self._tasks = tasks
        self._lane = lane
        self._clock = clock
        self._is_mine = is_mine
        self._telemetry = telemetry or Telemetry()
        self.unknown_after = unknown_after
        """Seconds without a successful observation after which a power state is unknown; 0: the last known state stays."""
        self._tracker = ObservationTracker(clock, max_retries)
        self._batch = WriteBatch(store, history, self._tracker.record_written)
        self.poller = Poller(
            "power sync",
            lane,
            clock,
            interval=interval if interval > 0 else _DISABLED_INTERVAL_S,
            read_rows=self._read_rows,
            poll=self._poll,
            on_worker_end=self._batch.write,
        )
        """Schedule, queues and workers of power sync."""

    @property
    def answers(self) -> int:
        """Number of observations that BMCs have answered."""
        return self._tracker.answers

    def tick(self) -> None:
        """List the nodes if that is due, write pending changes, and start workers for due nodes. Run it periodically."""
        min_pause = _LISTING_PAUSE_FACTOR * self.poller.listing_seconds
        self.poller.relist(self._list_nodes, min_interval=max(self.poller.interval, min_pause))
        # Workers write when they end; this writes what they have collected so far.
        self._batch.write()
        max_workers = min(self._lane.limits.cap, self._lane.pool.max_workers)
        self.poller.start_workers(
            min(_MAX_HORIZON_S, self.poller.interval * _HORIZON_SHARE),
            max_reachable=max(1, int((1.0 - UNREACHABLE_SHARE) * max_workers)),
            max_unreachable=max(1, int(UNREACHABLE_SHARE * max_workers)),
        )

    def reload(self, options: ConductorOptions) -> None:
        """Apply changed options. A changed interval applies from the next observation of each node on."""
        self._tracker.max_retries = options.power_state_sync_max_retries
        self.unknown_after = options.power_unknown_after
        if options.sync_power_state_interval > 0:
            self.poller.interval = options.sync_power_state_interval

    def hasten(self, node: str, seconds: float = _AFTER_TASK_S) -> None:
        """Observe *node* in so many *seconds*, if it is not due earlier. Do nothing for a node that is not scheduled."""
        self.poller.hasten(node, seconds)

    def observe(self, node: str) -> BareMetalError | None:
        """Observe one node now and store its changes. If the BMC serves other requests, wait until the read times out.

        Do nothing if a task holds the node or its state does not allow observations. Return the error of a failed
        observation, else None.
        """
        error = None
        for row in self._read_rows([node]):
            error = self._observe(row, wait=True).error
        self._batch.write()
        return error

    def stop(self) -> None:
        """Let each worker end after its current observation, and write pending changes."""
        self.poller.stop()
        self._batch.write()

    def _list_nodes(self) -> None:
        rows = self._store.nodes(NodeQuery(fields=("uuid", "driver", "conductor_group")))
        own_nodes = {row.uuid for row in rows if self._is_mine(row)}
        self._tracker.keep(own_nodes)
        self.poller.keep(own_nodes)
        self._expire_stale_states()

    def _expire_stale_states(self) -> None:
        """Mark the power state of each node as unknown that had no successful observation for ``unknown_after`` seconds."""
        if self.unknown_after <= 0:
            return
        # With a long interval a node may be unobserved for longer than unknown_after although nothing is wrong.
        max_age = max(self.unknown_after, _MIN_STALE_INTERVALS * self.poller.interval)
        stale = self._tracker.list_stale(max_age)
        for start in range(0, len(stale), _EXPIRY_BATCH):
            batch = tuple(stale[start : start + _EXPIRY_BATCH])
            for row in self._store.nodes(NodeQuery(where={"uuid": batch}, fields=OBSERVED_FIELDS)):
                self._add_changes(row, self._tracker.expire(row))

    def _poll(self, row: Row) -> PollResult:
        """Observe one due node, and report the observation to telemetry."""
        with self._telemetry.begin(Work.POWER_OBSERVATION, node=row.uuid) as observation:
            result = self._observe(row)
            if result.error is not None:
                observation.outcome = classify_outcome(result.error)
        return result

    def _observe(self, row: Row, *, wait: bool = False) -> PollResult:
        """Read the power state of a node, record the outcome, and return the time of the next poll.

        Without *wait*, a BMC that serves other requests or is backed off gets no request, and the node is polled later. This
        does not count as a failure.
        """
        try:
            reader = self._get_reader(row)
            if reader is not None and not wait:
                retry_delay = reader.retry_delay
                if retry_delay:
                    # No failure: the breaker has counted the attempts that failed, and this is none.
                    return PollResult(is_unreachable=True, retry_in_s=retry_delay)
            state = self._read_power(row, reader, wait=wait)
        except SlotTaken as exc:
            # Not asked: this says nothing about the BMC, and is not counted as a failure.
            return PollResult(is_unreachable=None, retry_in_s=_BUSY_RETRY_S, error=exc)
        except NotFound:
            # The node was deleted meanwhile.
            return PollResult()
        except StoreUnavailable as exc:
            # The BMC was not asked, so this is no failure of the node.
            return PollResult(is_unreachable=None, retry_in_s=min(_STORE_RETRY_S, self.poller.interval), error=exc)
        except BMCBusy as exc:
            # The BMC answered and says when to retry. The random factor keeps all retries from arriving at one moment.
            pause = exc.retry_after if exc.retry_after is not None else _BUSY_RETRY_S
            retry_in_s = min(pause * random.uniform(1.0, 1.5), self.poller.interval)
            return PollResult(is_unreachable=None, retry_in_s=retry_in_s, error=exc)
        except BareMetalError as exc:
            self._add_changes(row, self._tracker.record_failure(row, exc))
            return PollResult(is_unreachable=isinstance(exc, UNREACHABLE_ERRORS), error=exc)
        self._add_changes(row, self._tracker.record_success(row, state) | self._tracker.check_health(row, self._tasks))
        return PollResult()

    def _read_power(self, row: Row, reader: PowerReader | None, *, wait: bool) -> PowerState:
        """Read the power state with *reader*, or with ``get_power_state`` if it is None or returns None."""
        timeout = min(_MAX_READ_TIMEOUT_S, max(_MIN_READ_TIMEOUT_S, self.poller.interval))
        deadline = Deadline.after(timeout, self._clock.monotonic)
        state = reader.read(deadline, wait=wait) if reader is not None else None
        if state is None:
            state = self._tasks.read_only(row.uuid).call(Kind.POWER, "get_power_state")
        return state

    def _add_changes(self, row: Row, changes: dict[str, Any]) -> None:
        if changes:
            self._batch.add(row, changes)

    def _get_reader(self, row: Row) -> PowerReader | None:
        """Return the node's power reader, or None if its driver has none.

        The reader is cached until the node's revision or its secrets change, because preparing it costs more than reading.
        """
        observation = self._tracker.get(row.uuid)
        reader = observation.reader
        if observation.revision == row.revision and reader is not None and reader.is_current():
            return reader
        task = self._tasks.read_only(row.uuid)
        reader = task.power_reader()
        # Cached only if the task has read the same revision: the node may have changed since the row was read.
        if reader is not None and task.record.revision == row.revision:
            observation.revision, observation.reader = row.revision, reader
        return reader

    def _read_rows(self, nodes: Sequence[str]) -> list[Row]:
        """Return the current rows of those *nodes* whose power may be observed."""
        rows = self._store.nodes(NodeQuery(where={"uuid": tuple(nodes)}, fields=OBSERVED_FIELDS))
        return [row for row in rows if may_observe(row, self._clock)]
