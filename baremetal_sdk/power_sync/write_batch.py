"""What was seen, written many nodes at a time: only what is news, and only to nodes that nobody took or changed meanwhile."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk.concurrency.locks import YieldingLock
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord, NodeUpdate
from baremetal_sdk.store.records.query import Row
from baremetal_sdk.tasks.history import History

LOG = logging.getLogger(__name__)
_AT_ONCE = 500


class WriteBatch:
    """Collects changes, and writes them when it is told to. *written* hears of each node, as it was and as it is then."""

    def __init__(self, store: Store, history: History, written: Callable[[Row, NodeRecord], None]) -> None:
        self._store = store
        self._history = history
        self._written = written
        self._lock = YieldingLock()
        self._waiting: list[tuple[Row, Mapping[str, Any]]] = []

    def add(self, row: Row, changes: Mapping[str, Any]) -> None:
        """Take note of *changes* to a node that was as in *row*."""
        with self._lock:
            self._waiting.append((row, changes))

    def write(self) -> None:
        """Write what was collected. What cannot be written is seen again at the next turn."""
        while self._waiting:
            with self._lock:
                batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
            try:
                written = self._store.update_nodes([NodeUpdate(row.uuid, row.revision, changes) for row, changes in batch])
            except BareMetalError as exc:
                LOG.error("the power of %d nodes could not be stored and will be seen again: %s", len(batch), exc)
                return
            for (row, changes), after in zip(batch, written, strict=True):
                if after is not None:
                    before = {name: row[name] for name in changes if name in row}
                    self._written(row, after)
                    self._history.record_change(dataclasses.replace(after, **before), after)
