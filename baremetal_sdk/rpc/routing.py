"""Choice of the conductor for an RPC call. A wrong choice is harmless, because only the node's lease gives authority."""

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

_MAX_CACHED_NODES = 4096
"""Number of nodes whose driver and group are cached. The cache is used only if conductors differ in them."""


class Router(Protocol):
    """Chooser of the conductor for a call."""

    def choose(self, method: str, arguments: Mapping[str, Any], *, fresh: bool = False) -> ConductorRecord:
        """Return the conductor for a call of *method*. Raises ``ConductorUnreachable`` if no conductor can be used.

        With *fresh*, bypass the cache of conductors.
        """

    def report_failure(self, conductor: ConductorRecord, *, silent: bool = False) -> None:
        """Prefer other conductors for later calls until this one sends a heartbeat.

        *silent* means that it stopped responding during a call. Then it is not chosen at all until the heartbeat.
        """


class _Requirements(NamedTuple):
    """Properties that a conductor must have. None means that the property does not matter."""

    driver: str | None
    group: str | None


_NO_REQUIREMENTS = _Requirements(None, None)


class LiveConductorRouter:
    """Router to a live conductor that has the group and the driver of the node.

    The choice for a node changes only when conductors join, leave or fail. *heartbeat* is the interval of heartbeats in
    seconds. Thread-safe.
    """

    def __init__(self, store: Store, clock: Clock, heartbeat: float, *, liveness_source: LivenessSource | None = None) -> None:
        self._store = store
        self._ring = HashRing(lambda: store, clock, lambda: heartbeat, liveness_source=liveness_source)
        self._failures = _FailureLog()
        self._retry_after = heartbeat
        self._lock = threading.Lock()
        self._requirements: OrderedDict[str, _Requirements] = OrderedDict()

    def choose(self, method: str, arguments: Mapping[str, Any], *, fresh: bool = False) -> ConductorRecord:
        """Return the live conductor that the node is assigned to, or for a call without a node one that can execute it.

        With *fresh*, the caches of conductors and nodes are bypassed. Raises ``ConductorUnreachable`` if no conductor fits, or
        if the chosen one was silent.
        """
        live = self._ring.list_live(fresh=fresh)
        if not live:
            raise ConductorUnreachable("no conductor is alive: start one with this database", retry_after=self._retry_after)
        node = arguments.get("node")
        # If all conductors are alike, any of them fits, and the read of the node is saved.
        needed = self._find_requirements(node, arguments, fresh=fresh) if _differ(live) else _NO_REQUIREMENTS
        capable = [
            conductor
            for conductor in live
            if needed.group in (None, conductor.conductor_group) and (needed.driver is None or needed.driver in conductor.drivers)
        ]
        if not capable and not needed.group:
            # Without the driver, any conductor can at least say so in an error for the client.
            capable = list(live)
        # A call was recently lost with a doubtful conductor. It is used only if there is no other, because its heartbeat may
        # merely be late.
        reliable = [conductor for conductor in capable if not self._failures.is_doubtful(conductor)]
        chosen = choose_conductor(node or method, reliable or capable)
        if chosen is None:
            raise ConductorUnreachable(
                f"no live conductor of group {needed.group!r} has the driver {needed.driver!r}; start one",
                retry_after=self._retry_after,
            )
        if not self._failures.is_silent(chosen):
            return chosen
        # The cached record may be older than a heartbeat that clears the failure.
        if not fresh:
            return self.choose(method, arguments, fresh=True)
        raise ConductorUnreachable(
            f"conductor {chosen.hostname} stopped responding during an earlier call and has sent no heartbeat since; "
            "this call was not sent",
            retry_after=self._retry_after,
        )

    def report_failure(self, conductor: ConductorRecord, *, silent: bool = False) -> None:
        """Prefer other conductors for later calls until this one sends a heartbeat.

        *silent* means that it stopped responding during a call. Then calls to it raise ``ConductorUnreachable`` until the
        heartbeat.
        """
        self._failures.add(conductor, silent=silent)

    def _find_requirements(self, node: Any, arguments: Mapping[str, Any], *, fresh: bool) -> _Requirements:
        if isinstance(node, str):
            return self._node_requirements(node, fresh=fresh)
        # A new node is created by a conductor that has its driver, because the conductor validates driver_info.
        values = arguments.get("values")
        given = values if isinstance(values, Mapping) else arguments
        driver, group = given.get("driver"), given.get("conductor_group")
        return _Requirements(driver if isinstance(driver, str) else None, group if isinstance(group, str) and group else None)

    def _node_requirements(self, node: str, *, fresh: bool) -> _Requirements:
        with self._lock:
            cached = self._requirements.get(node)
        if cached is not None and not fresh:
            return cached
        rows = self._store.nodes(NodeQuery(where={"uuid": node}, fields=("driver", "conductor_group")))
        needed = _Requirements(rows[0].driver, rows[0].conductor_group) if rows else _NO_REQUIREMENTS
        with self._lock:
            self._requirements[node] = needed
            while len(self._requirements) > _MAX_CACHED_NODES:
                self._requirements.popitem(last=False)
        return needed


class _FailureLog:
    """Log of the last lost call of each conductor. Its next heartbeat, or another incarnation, clears the entry."""

    def __init__(self) -> None:
        self._failed: dict[str, tuple[ConductorRecord, bool]] = {}

    def add(self, conductor: ConductorRecord, *, silent: bool) -> None:
        """Record that a call to this conductor was lost, in place of an earlier record."""
        self._failed[conductor.hostname] = (conductor, silent)

    def is_doubtful(self, conductor: ConductorRecord) -> bool:
        """Return whether a call to the conductor was lost and it has sent no heartbeat since."""
        failed, _ = self._failed.get(conductor.hostname, (None, False))
        return failed is not None and _last_heartbeat(failed) == _last_heartbeat(conductor)

    def is_silent(self, conductor: ConductorRecord) -> bool:
        """Return whether a call to the conductor was lost because it stopped responding, and it has sent no heartbeat since.

        A further message would only wait for its timeout.
        """
        return self.is_doubtful(conductor) and self._failed[conductor.hostname][1]


def _last_heartbeat(conductor: ConductorRecord) -> tuple[str, object]:
    return conductor.incarnation, conductor.heartbeat_at


def _differ(conductors: Sequence[ConductorRecord]) -> bool:
    """Return whether a choice among *conductors* depends on the node's group and driver.

    It does if the conductors differ in group or drivers, or if all of them serve the same named group.
    """
    first = conductors[0]
    return bool(first.conductor_group) or any(
        conductor.conductor_group != first.conductor_group or set(conductor.drivers) != set(first.drivers)
        for conductor in conductors
    )
