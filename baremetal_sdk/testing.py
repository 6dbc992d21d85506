"""For the tests of host applications and plugins: a clock that is turned by hand, and a conductor in one line."""

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
    """A clock that stands still until it is turned. It is safe to use from many threads."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._lock = threading.Lock()
        self._start = start
        self._elapsed = 0.0

    def monotonic(self) -> float:
        """Seconds that it was turned by."""
        with self._lock:
            return self._elapsed

    def now(self) -> datetime:
        """The date and time that it shows."""
        with self._lock:
            return self._start + timedelta(seconds=self._elapsed)

    def turn(self, seconds: float) -> None:
        """Turn it forward."""
        if seconds < 0:
            raise ValueError("a clock is not turned back")
        with self._lock:
            self._elapsed += seconds


@contextmanager
def running_conductor(config: ConductorConfig | None = None, **handed_in: Any) -> Iterator[Conductor]:
    """A conductor that runs, by default in memory, without power sync and with short limits; it is stopped at the end.

    *handed_in* goes to :class:`~baremetal_sdk.conductor.conductor.Conductor`.
    """
    conductor = Conductor(config or ConductorConfig(host="test", conductor=_OPTIONS), **handed_in)
    conductor.start()
    try:
        yield conductor
    finally:
        conductor.stop(5.0)


def quick_options(**changes: Any) -> ConductorOptions:
    """The options of :func:`running_conductor`, with *changes*."""
    return dataclasses.replace(_OPTIONS, **changes)


def settle(conductor: Conductor, timeout: float = 30.0) -> None:
    """Wait until no worker is busy and no work is queued; ``TimeoutError`` when that takes more than *timeout* seconds."""
    if not conductor.pool.drain(timeout):
        raise TimeoutError(
            f"the conductor still works after {timeout:g} s: {[task.record.uuid for task in conductor.assembly.tasks.live()]}"
        )


def wait_for(conductor: Conductor, node: str, provision_state: str, timeout: float = 30.0) -> NodeRecord:
    """Wait until a task has brought the node to *provision_state* and ended."""
    reached = threading.Event()
    end = conductor.follow(
        lambda record: reached.set() if (record.uuid, record.provision_state) == (node, provision_state) else None
    )
    try:
        now = conductor.store.node(node)
        if now.provision_state != provision_state and not reached.wait(timeout):
            raise TimeoutError(f"node {node} is {conductor.store.node(node).provision_state!r} and not {provision_state!r}")
    finally:
        end()
    settle(conductor, timeout)
    return conductor.store.node(node)


def provision(conductor: Conductor, node: str, *verbs: str) -> NodeRecord:
    """Take a node through *verbs*, one after the other, and give it back as it is then."""
    for verb in verbs:
        conductor.rpc.call("change_provision_state", node=node, verb=verb)
        settle(conductor)
    return conductor.store.node(node)
