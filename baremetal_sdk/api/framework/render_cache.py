"""Records as rendered JSON, kept for as long as they do not change: what most readers ask for was asked for before.

What is kept of a record is found by its selection (the fields, at one microversion) and the links' base, and shown only while the
store, which is asked each time, still has the revision that it was made of. Visibility is the store's answer, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from baremetal_sdk.api.framework import json_body
from baremetal_sdk.api.framework.views import FieldSelection, RenderContext

_MOST_BYTES = 32 * 1024 * 1024
"""Bytes of JSON that are kept."""
_OVERHEAD = 400
"""Bytes that keeping a fragment takes beside its own."""
_Key = tuple[FieldSelection, str, str]


class _Kept(NamedTuple):
    state: tuple[Any, ...]
    """What it was made of: the revision, and what changes without one."""
    fragment: orjson.Fragment
    size: int


class RenderCache:
    """RenderedField records, the oldest of which make room. It is safe to use from many threads."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._kept: dict[_Key, _Kept] = {}
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._bytes

    def record(self, context: RenderContext, selection: FieldSelection, seen: Any, read: Callable[[], Any]) -> orjson.Fragment:
        """Return a record as JSON.

        *seen* has its ``uuid``, ``revision`` and :attr:`FieldSelection.volatile` columns; *read* returns the whole record.
        """
        kept = self._kept.get((selection, context.base, seen.uuid))
        if kept is not None and kept.state == selection.state_of_record(context, seen):
            return kept.fragment
        record = read()
        return self._keep(
            context, selection, record.uuid, selection.state_of_record(context, record), selection.record(context, record)
        )

    def page(
        self,
        context: RenderContext,
        selection: FieldSelection,
        seen: Sequence[Mapping[str, Any]],
        read: Callable[[tuple[str, ...]], Iterable[Mapping[str, Any]]],
    ) -> list[orjson.Fragment]:
        """The records of a page as JSON, in the order of *seen*, without what is gone. *read* gives those with certain UUIDs."""
        found: dict[str, orjson.Fragment] = {}
        missing: list[str] = []
        for row in seen:
            uuid = row["uuid"]
            kept = self._kept.get((selection, context.base, uuid))
            if kept is not None and kept.state == selection.state_of_row(context, row):
                found[uuid] = kept.fragment
            else:
                missing.append(uuid)
        for row in read(tuple(missing)) if missing else ():
            found[row["uuid"]] = self._keep(
                context, selection, row["uuid"], selection.state_of_row(context, row), selection.row(context, row)
            )
        return [found[row["uuid"]] for row in seen if row["uuid"] in found]

    def _keep(
        self, context: RenderContext, selection: FieldSelection, uuid: str, state: tuple[Any, ...], shown: Mapping[str, Any]
    ) -> orjson.Fragment:
        content = json_body.dump(shown)
        kept = _Kept(state, orjson.Fragment(content), len(content) + _OVERHEAD)
        with self._lock:
            self._forget((selection, context.base, uuid))
            self._kept[selection, context.base, uuid] = kept
            self._bytes += kept.size
            while self._bytes > self._most:
                self._forget(next(iter(self._kept)))
        return kept.fragment

    def _forget(self, key: _Key) -> None:
        before = self._kept.pop(key, None)
        if before is not None:
            self._bytes -= before.size
