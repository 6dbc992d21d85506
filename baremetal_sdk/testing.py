"""Test helpers for host applications and plugins: a manual clock, and a running conductor in one line."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from baremetal_sdk.conductor.conductor import Conductor
from baremetal_sdk.config import ConductorConfig, ConductorOptions
from baremetal_sdk.store.records.node import NodeRecord

_OPTIONS = ConductorOptions(
    sync_power_state_interval=0.0, power_state_change_timeout=5.0, graceful_shutdown_timeout=5.0, workers_pool_size=20
)


class ManualClock:
    """A clock that only :meth:`turn` advances. Thread-safe."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._lock = threading.Lock()
        self._start = start
        self._elapsed = 0.0

    def monotonic(self) -> float:
        """Return the seconds by which the clock was advanced."""
        with self._lock:
            return self._elapsed

    def now(self) -> datetime:
        """Return the date and time: the start plus the advanced seconds."""
        with self._lock:
            return self._start + timedelta(seconds=self._elapsed)

    def turn(self, seconds: float) -> None:
        """Advance the clock by *seconds*. Raise ``ValueError`` for a negative number."""
        if seconds < 0:
            raise ValueError(f"seconds: {seconds:g} is negative; the clock only advances")
        with self._lock:
            self._elapsed += seconds


@contextmanager
def running_conductor(config: ConductorConfig | None = None, **overrides: Any) -> Iterator[Conductor]:
    """Yield a running conductor and stop it after the block. Defaults: a store in memory, short timeouts, no power sync.

    *overrides* are keyword arguments of :class:`~baremetal_sdk.conductor.conductor.Conductor`.
    """
    conductor = Conductor(config or ConductorConfig(host="test", conductor=_OPTIONS), **overrides)
    conductor.start()
    try:
        yield conductor
    finally:
        conductor.stop(5.0)


def quick_options(**changes: Any) -> ConductorOptions:
    """Return the default ``[conductor]`` options of :func:`running_conductor`, with *changes* to single options."""
    return dataclasses.replace(_OPTIONS, **changes)


def settle(conductor: Conductor, timeout: float = 30.0) -> None:
    """Wait until no worker is busy and no work is queued. Raise ``TimeoutError`` after *timeout* seconds."""
    if not conductor.pool.drain(timeout):
        nodes = [task.record.uuid for task in conductor.components.tasks.live()]
        raise TimeoutError(f"the conductor is still busy after {timeout:g} s, with tasks on the nodes {nodes}")


def wait_for(conductor: Conductor, node: str, provision_state: str, timeout: float = 30.0) -> NodeRecord:
    """Wait until the node is in *provision_state* and all work has ended, then return it; ``TimeoutError`` after *timeout* s."""
    reached = threading.Event()

    def compare(record: NodeRecord) -> None:
        if record.uuid == node and record.provision_state == provision_state:
            reached.set()

    unsubscribe = conductor.subscribe(compare)
    try:
        state = conductor.store.node(node).provision_state
        if state != provision_state and not reached.wait(timeout):
            state = conductor.store.node(node).provision_state
            raise TimeoutError(f"node {node} did not reach {provision_state!r} within {timeout:g} s; it is {state!r}")
    finally:
        unsubscribe()
    settle(conductor, timeout)
    return conductor.store.node(node)


def provision(conductor: Conductor, node: str, *verbs: str) -> NodeRecord:
    """Send provisioning *verbs* for a node, wait after each until the conductor is idle, and return the node."""
    for verb in verbs:
        conductor.rpc.call("change_provision_state", node=node, verb=verb)
        settle(conductor)
    return conductor.store.node(node)
