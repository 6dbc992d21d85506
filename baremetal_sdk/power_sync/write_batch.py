"""A batch of changes to nodes, written together, and only to nodes that have not changed since they were read."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord, NodeUpdate
from baremetal_sdk.store.records.query import Row
from baremetal_sdk.tasks.history import History

LOG = get_logger(__name__)
_MAX_BATCH = 500
"""Maximum number of nodes in one write."""


class WriteBatch:
    """Pending changes to nodes, which :meth:`write` stores together. Thread-safe.

    Written changes are also recorded in *history*. *on_written* is called for each written node
    with its row before the write and its record after it.
    """

    def __init__(self, store: Store, history: History, on_written: Callable[[Row, NodeRecord], None]) -> None:
        self._store = store
        self._history = history
        self._on_written = on_written
        self._lock = YieldingLock()
        self._pending: list[tuple[Row, Mapping[str, Any]]] = []

    def add(self, row: Row, changes: Mapping[str, Any]) -> None:
        """Add *changes* of a node to the batch. :meth:`write` drops them if the node has changed since *row* was read."""
        with self._lock:
            self._pending.append((row, changes))

    def write(self) -> None:
        """Write the pending changes, and skip nodes that have changed since they were read.

        An error of the store is logged unless the store is away, which it logs itself. The changes of the failed write are
        dropped: the next observations repeat them.
        """
        while self._pending:
            # Only the exchange is under the lock; a write to a slow database must not stop the workers that observe.
            with self._lock:
                batch, self._pending = self._pending[:_MAX_BATCH], self._pending[_MAX_BATCH:]
            # The revision makes each write conditional: a node that a task has changed meanwhile keeps the task's values.
            updates = [NodeUpdate(row.uuid, row.revision, changes) for row, changes in batch]
            try:
                records = self._store.update_nodes(updates)
            except BareMetalError as exc:
                level = logging.DEBUG if isinstance(exc, StoreUnavailable) else logging.ERROR
                LOG.log(level, "the power states of %d nodes were not stored and will be observed again: %s", len(batch), exc)
                return
            for (row, changes), after in zip(batch, records, strict=True):
                if after is not None:
                    before = {name: row[name] for name in changes if name in row}
                    self._on_written(row, after)
                    self._history.record_change(dataclasses.replace(after, **before), after)
