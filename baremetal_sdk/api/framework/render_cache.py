"""Cache of rendered records. Each read validates its entries against the store, so a client always reads its own writes.

The key of an entry is the field selection at one microversion, the base of its links and the UUID. The caller reads the
current state of a record from the store, which also checks visibility; an entry is used only if its state is the same.
Design record 0012 has the reasons.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from baremetal_sdk.api.framework import json_body
from baremetal_sdk.api.framework.views import FieldSelection, RenderContext

_MAX_BYTES = 32 * 1024 * 1024
"""Maximum size of the cache in bytes. Clients choose the selections, so a number of entries would not bound the memory."""
_ENTRY_OVERHEAD_BYTES = 400
"""Estimated bytes of an entry beyond its JSON text."""
_Key = tuple[FieldSelection, str, str]


class _Entry(NamedTuple):
    state: tuple[Any, ...]
    """The state of the record when the fragment was rendered, see :meth:`FieldSelection.state_of_record`."""
    fragment: orjson.Fragment
    size: int


class RenderCache:
    """Thread-safe cache of records as JSON text, limited to *max_bytes*. It evicts the entries that were rendered first."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: dict[_Key, _Entry] = {}
        self._size = 0

    @property
    def size(self) -> int:
        """The size of all entries in bytes."""
        return self._size

    def record(self, context: RenderContext, selection: FieldSelection, current: Any, read: Callable[[], Any]) -> orjson.Fragment:
        """Return one record as JSON, from the cache or newly rendered.

        *current* has the columns :attr:`FieldSelection.version_columns` of the record, just read from the store. *read*
        returns the whole record and is called only if no entry has the current state.
        """
        # Reads take no lock. A single get() of a dict is atomic, and an entry is immutable.
        entry = self._entries.get((selection, context.base, current.uuid))
        if entry is not None and entry.state == selection.state_of_record(context, current):
            return entry.fragment
        # The entry gets the state of the second read, not of the first: a write may have come between the two.
        record = read()
        state = selection.state_of_record(context, record)
        return self._add(context, selection, record.uuid, state=state, rendered=selection.record(context, record))

    def page(
        self,
        context: RenderContext,
        selection: FieldSelection,
        current: Sequence[Mapping[str, Any]],
        read: Callable[[tuple[str, ...]], Iterable[Mapping[str, Any]]],
    ) -> list[orjson.Fragment]:
        """Return the records of a page as JSON, in the order of *current*.

        *current* has the version columns of the page's rows. *read* returns the whole rows with the given UUIDs; it is
        called once, for all rows without a valid entry. Rows that were deleted in between are left out.
        """
        fragments: dict[str, orjson.Fragment] = {}
        missing: list[str] = []
        for row in current:
            uuid = row["uuid"]
            entry = self._entries.get((selection, context.base, uuid))
            if entry is not None and entry.state == selection.state_of_row(context, row):
                fragments[uuid] = entry.fragment
            else:
                missing.append(uuid)
        if missing:
            for row in read(tuple(missing)):
                state = selection.state_of_row(context, row)
                rendered = selection.row(context, row)
                fragments[row["uuid"]] = self._add(context, selection, row["uuid"], state=state, rendered=rendered)
        return [fragments[row["uuid"]] for row in current if row["uuid"] in fragments]

    def _add(
        self,
        context: RenderContext,
        selection: FieldSelection,
        uuid: str,
        *,
        state: tuple[Any, ...],
        rendered: Mapping[str, Any],
    ) -> orjson.Fragment:
        content = json_body.dump(rendered)
        entry = _Entry(state, orjson.Fragment(content), len(content) + _ENTRY_OVERHEAD_BYTES)
        with self._lock:
            # Removed and added again, so that the order of the dict is the order of rendering.
            self._remove((selection, context.base, uuid))
            self._entries[selection, context.base, uuid] = entry
            self._size += entry.size
            while self._size > self._max_bytes:
                self._remove(next(iter(self._entries)))
        return entry.fragment

    def _remove(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size
