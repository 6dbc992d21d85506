"""Recorder of the history of nodes: entries about changes of state, power, steps and maintenance, and about errors.

Entries are collected in memory where nodes are changed, and stored in batches by a periodic job. A conductor that dies loses
the entries of the last fraction of a second.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from baremetal_interfaces import BareMetalError, InvalidInput
from baremetal_interfaces.json_comparison import is_same
from baremetal_sdk.clock import Clock
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.context import RequestContext, current_request
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import NodeHistoryRecord
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import NodeQuery, Query

LOG = get_logger(__name__)

INFO, ERROR = "INFO", "ERROR"
_MAX_PENDING = 10_000
"""Maximum number of entries that wait in memory for the next flush. While it is reached, new entries are dropped."""
_BATCH_SIZE = 500
"""Maximum number of entries that one write to the store contains."""
_STEP_FIELDS = ("clean_step", "deploy_step", "service_step")


class History:
    """Collector that turns changes of nodes into history entries and stores them in batches. Thread-safe."""

    def __init__(self, store: Store, conductor: str, clock: Clock, options: Callable[[], ConductorOptions]) -> None:
        self._store = store
        self._conductor = conductor
        self._clock = clock
        self._options = options
        self._lock = threading.Lock()
        # Held during a flush, so that two of them do not store the same entries twice.
        self._flushing = threading.Lock()
        self._pending: list[NodeHistoryRecord] = []
        self._is_failing = False

    def record_change(self, before: NodeRecord, after: NodeRecord, purpose: str | None = None) -> None:
        """Keep history entries for the differences of two versions of a node until the next :meth:`flush`.

        Each entry names the user of the current request, and *purpose*, which is that of the lease under which the node was
        changed. Do nothing if the option ``node_history`` is off.
        """
        if not self._options().node_history:
            return
        entries = list(self._entries(before, after, current_request.get(), purpose))
        if entries:
            with self._lock:
                capacity = max(0, _MAX_PENDING - len(self._pending))
                self._pending.extend(entries[:capacity])

    def flush(self) -> None:
        """Store the entries that wait in memory. If a write fails, log the error and keep the entries for the next flush."""
        with self._flushing:
            size = _BATCH_SIZE
            while batch := self._pending[:size]:
                try:
                    self._store.append_records(NodeHistoryRecord, batch)
                except InvalidInput as exc:
                    if len(batch) > 1:
                        # One entry is invalid. It must not keep the others from being stored.
                        size = 1
                        continue
                    LOG.error("an entry of the node history is left out, because it cannot be stored: %s", exc)
                except BareMetalError as exc:
                    # One line per outage: the flush runs twice a second.
                    level = logging.DEBUG if self._is_failing else logging.ERROR
                    self._is_failing = True
                    LOG.log(level, "%d entries of the node history could not be stored; retrying later: %s", len(batch), exc)
                    return
                self._is_failing = False
                # Removed only after the write, and by position: new entries are only appended meanwhile.
                with self._lock:
                    del self._pending[: len(batch)]

    def prune(self) -> int:
        """Delete the oldest entries of each node that has more than ``node_history_max_entries``; 0 disables this.

        Entries younger than ``node_history_minimum_days`` remain. Return the number of deleted entries.
        """
        options = self._options()
        if options.node_history_max_entries == 0:
            return 0
        cutoff = self._clock.now() - timedelta(days=options.node_history_minimum_days)
        rows = self._store.nodes(NodeQuery(fields=("uuid",)))
        return sum(self._prune_node(row.uuid, options.node_history_max_entries, cutoff) for row in rows)

    def _prune_node(self, node: str, max_entries: int, cutoff: datetime) -> int:
        # The oldest one of the newest max_entries is the limit: one small read in place of a count of all entries.
        newest_first = Query(
            where={"node_uuid": node}, fields=("uuid", "created_at"), limit=max_entries, sort_key="created_at", sort_dir="desc"
        )
        kept = self._store.records(NodeHistoryRecord, newest_first)
        if len(kept) < max_entries:
            return 0
        oldest_kept: datetime = kept[-1].created_at
        created_before = min(oldest_kept, cutoff)
        return self._store.purge_records(NodeHistoryRecord, {"node_uuid": node}, created_before=created_before)

    def _entries(
        self, before: NodeRecord, after: NodeRecord, request: RequestContext | None, purpose: str | None
    ) -> Iterator[NodeHistoryRecord]:
        for event_type, severity, event in _events(before, after):
            entered = before.provision_updated_at
            duration = None
            if event_type == "provisioning" and entered is not None:
                duration = max(0, int((self._clock.now() - entered).total_seconds()))
            yield NodeHistoryRecord(
                uuid=str(uuid.uuid4()),
                node_uuid=after.uuid,
                conductor=self._conductor,
                event_type=event_type,
                severity=severity,
                event=f"{event} ({purpose})" if purpose else event,
                user=request.user if request else None,
                project=request.project if request else None,
                state=after.provision_state,
                target_provision_state=after.target_provision_state,
                duration_seconds=duration,
                created_at=self._clock.now(),
            )


def _events(before: NodeRecord, after: NodeRecord) -> Iterator[tuple[str, str, str]]:
    """Yield event type, severity and text of each difference of two versions of a node that the history records."""
    has_new_error = after.last_error is not None and after.last_error != before.last_error
    if before.provision_state != after.provision_state:
        text = f"provision state '{before.provision_state}' -> '{after.provision_state}'"
        if has_new_error:
            yield "provisioning", ERROR, f"{text}: {after.last_error}"
        else:
            yield "provisioning", INFO, text
    elif has_new_error:
        yield "error", ERROR, str(after.last_error)
    if before.power_state != after.power_state:
        source = f", seen by {after.power_source}" if after.power_source else ""
        yield "power", INFO, f"power '{before.power_state or 'unknown'}' -> '{after.power_state or 'unknown'}'{source}"
    for field in _STEP_FIELDS:
        step = getattr(after, field)
        if step and not is_same(step, getattr(before, field)):
            yield "step", INFO, f"{field.replace('_', ' ')} {step['interface']}.{step['step']} began"
    if before.maintenance != after.maintenance:
        text = "maintenance began" if after.maintenance else "maintenance ended"
        if after.maintenance and after.maintenance_reason:
            text += f": {after.maintenance_reason}"
        yield "maintenance", INFO, text
