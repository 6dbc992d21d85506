"""Which conductor is asked. That is a hint, and never authority: the node's lease is that."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from baremetal_sdk.clock import Clock
from baremetal_sdk.cluster.hash_ring import HashRing, LivenessSource, choose_conductor
from baremetal_sdk.errors import ConductorUnreachable
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import ConductorRecord
from baremetal_sdk.store.records.query import NodeQuery

_PLACES = 4096
"""Nodes whose driver and group are remembered, where conductors differ in those."""


class Router(Protocol):
    """Chooses the conductor for a call."""

    def choose(self, method: str, arguments: Mapping[str, Any], *, fresh: bool = False) -> ConductorRecord:
        """The conductor to ask; with *fresh* after a new look at who there is. Raises ``ConductorUnreachable``."""

    def report_failure(self, conductor: ConductorRecord, *, silent: bool = False) -> None:
        """Ask others before this one until it gives a sign of life; where it was *silent*, do not ask it at all."""


class _Place(NamedTuple):
    """What a conductor has to offer; None where it does not matter."""

    driver: str | None
    group: str | None


_ANYWHERE = _Place(None, None)


class LiveConductorRouter:
    """Asks a conductor that lives, of the node's group and with its driver; one and the same for a node, as long as it lives.

    *heartbeat* is the interval of the conductors' signs of life, in seconds.
    """

    def __init__(self, store: Store, clock: Clock, heartbeat: float, *, liveness_source: LivenessSource | None = None) -> None:
        self._store = store
        self._ring = HashRing(lambda: store, clock, lambda: heartbeat, liveness_source=liveness_source)
        self._lost = _Lost()
        self._retry_after = heartbeat
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def choose(self, method: str, arguments: Mapping[str, Any], *, fresh: bool = False) -> ConductorRecord:
        """The one that the node is choose_conductor placed on; for a call that is about no node, one that can do it."""
        alive = self._ring.list_live(fresh=fresh)
        if not alive:
            raise ConductorUnreachable("no conductor is alive: start one with this database", retry_after=self._retry_after)
        node = arguments.get("node")
        place = self._place(node, arguments, alive, fresh) if _differ(alive) else _ANYWHERE
        able = [
            one
            for one in alive
            if place.group in (None, one.conductor_group) and (place.driver is None or place.driver in one.drivers)
        ] or ([] if place.group else alive)
        found = choose_conductor(node or method, [one for one in able if not self._lost.is_doubtful(one)] or able)
        if found is None:
            raise ConductorUnreachable(
                f"no conductor of group {place.group!r} with driver {place.driver!r} is alive", retry_after=self._retry_after
            )
        if not self._lost.is_silent(found):
            return found
        if not fresh:
            return self.choose(method, arguments, fresh=True)
        raise ConductorUnreachable(
            f"conductor {found.hostname} was lost in the middle of a call and has given no sign of life since: it was not asked",
            retry_after=self._retry_after,
        )

    def report_failure(self, conductor: ConductorRecord, *, silent: bool = False) -> None:
        """Ask others before this one until it gives a sign of life; where it was *silent*, do not ask it at all."""
        self._lost.note(conductor, silent)

    def _place(self, node: Any, arguments: Mapping[str, Any], alive: Sequence[ConductorRecord], fresh: bool) -> _Place:
        if isinstance(node, str):
            return self._place_of(node, fresh)
        values = arguments.get("values")
        given = values if isinstance(values, Mapping) else arguments
        driver, group = given.get("driver"), given.get("conductor_group")
        return _Place(driver if isinstance(driver, str) else None, group if isinstance(group, str) and group else None)

    def _place_of(self, node: str, fresh: bool) -> _Place:
        with self._lock:
            known = self._places.get(node)
        if known is not None and not fresh:
            return known
        rows = self._store.nodes(NodeQuery(where={"uuid": node}, fields=("driver", "conductor_group")))
        place = _Place(rows[0].driver, rows[0].conductor_group) if rows else _ANYWHERE
        with self._lock:
            self._places[node] = place
            while len(self._places) > _PLACES:
                self._places.popitem(last=False)
        return place


class _Lost:
    """Conductors that a call was lost with, each by its last sign of life: the next one clears it."""

    def __init__(self) -> None:
        self._noted: dict[str, tuple[ConductorRecord, bool]] = {}

    def note(self, conductor: ConductorRecord, silent: bool) -> None:
        """Remember one, in the place of what its name was remembered for before."""
        self._noted[conductor.hostname] = (conductor, silent)

    def is_doubtful(self, conductor: ConductorRecord) -> bool:
        """Whether there was no sign of life since."""
        before, _ = self._noted.get(conductor.hostname, (None, False))
        return before is not None and _sign(before) == _sign(conductor)

    def is_silent(self, conductor: ConductorRecord) -> bool:
        """Whether it is not worth a message."""
        return self.is_doubtful(conductor) and self._noted[conductor.hostname][1]


def _sign(conductor: ConductorRecord) -> tuple[str, object]:
    return conductor.incarnation, conductor.heartbeat_at


def _differ(conductors: Sequence[ConductorRecord]) -> bool:
    """Whether it matters what a node is, to choose among these."""
    first = conductors[0]
    return any(
        one.conductor_group != first.conductor_group or set(one.drivers) != set(first.drivers) for one in conductors
    ) or bool(first.conductor_group)
