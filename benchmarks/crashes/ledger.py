"""Record of the writes that an API acknowledged, and of the state that each of them leaves."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

State = Mapping[str, Any] | None
"""The written field ``extra`` of a record, or None if the record does not exist."""


class Key(NamedTuple):
    """A record: the name of its collection, such as ``ports``, and its UUID."""

    collection: str
    uuid: str


@dataclass
class _Entry:
    acknowledged: State
    unanswered: tuple[State, ...] = ()
    """The state after a write without a response, which may have been executed or not. Empty without such a write."""


class Ledger:
    """The acknowledged state of each record. Thread-safe. Only one thread at a time writes one record."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[Key, _Entry] = {}
        self.acknowledged: Counter[str] = Counter()
        """Number of acknowledged writes by kind."""

    def begin(self, key: Key, state: State) -> None:
        """Record that a write is sent that leaves the record in *state*."""
        with self._lock:
            self._entries.setdefault(key, _Entry(None)).unanswered = (state,)

    def acknowledge(self, key: Key, kind: str) -> None:
        """Record that the write that was begun is acknowledged. *kind* is its name in the figures."""
        with self._lock:
            entry = self._entries[key]
            (entry.acknowledged,) = entry.unanswered
            entry.unanswered = ()
            self.acknowledged[kind] += 1

    def reject(self, key: Key) -> None:
        """Record that the write that was begun was rejected without effect."""
        with self._lock:
            self._entries[key].unanswered = ()

    def compare(self, collection: str, seen: Mapping[str, State]) -> list[str]:
        """Compare the records of a collection that the API shows, by UUID, with the acknowledged writes. Return the differences.

        A record whose last write was not answered may have its state before or after this write. From now on the state that
        was seen counts.
        """
        wrong = []
        with self._lock:
            for key, entry in self._entries.items():
                if key.collection != collection:
                    continue
                state = seen.get(key.uuid)
                if state != entry.acknowledged and state not in entry.unanswered:
                    expected = _describe(entry.acknowledged)
                    wrong.append(f"{collection} {key.uuid}: acknowledged {expected}, found {_describe(state)}")
                entry.acknowledged, entry.unanswered = state, ()
            known = {key.uuid for key in self._entries if key.collection == collection}
        return wrong + [f"{collection} {uuid}: exists, but was never written" for uuid in seen if uuid not in known]

    def exists(self, key: Key) -> bool:
        """Return True if the record exists for certain."""
        with self._lock:
            entry = self._entries.get(key)
            return entry is not None and entry.acknowledged is not None and not entry.unanswered


def _describe(state: State) -> str:
    return "no record" if state is None else f"sequence {state.get('sequence')}"
