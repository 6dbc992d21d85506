"""Metrics of a running conductor that are read at each scrape: pool, leases, BMC sessions, and the lag of polling."""

from __future__ import annotations

from collections.abc import Iterable

from baremetal_sdk.conductor.components import Components
from baremetal_sdk.observability.metrics import declarations as are
from baremetal_sdk.observability.metrics.collector import Reading, read_pool


def conductor_readings(components: Components) -> Iterable[Reading]:
    """Generate the current values of the metrics of *components*, for a scrape."""
    yield from read_pool(components.pool)
    leases = components.leases.list_held()
    oldest = min((lease.since for lease in leases), default=None)
    age = 0.0 if oldest is None else (components.clock.now() - oldest).total_seconds()
    yield are.LEASES_HELD, (), len(leases)
    yield are.LEASE_AGE, (), max(0.0, age)
    yield are.LEASE_CONFLICTS, (), components.leases.conflict_count
    yield are.LEASES_LOST, (), components.leases.lost_count
    yield are.BMC_SESSIONS, (), components.bmc.open_sessions
    yield are.BMCS_BACKED_OFF, (), components.bmc.unreachable_bmcs
    yield are.POWER_SYNC_NODES, (), components.power_sync.poller.nodes
    yield are.POWER_SYNC_LAG, (), components.power_sync.poller.lag
    yield are.SENSOR_NODES, (), components.sensors.poller.nodes
    yield are.SENSOR_LAG, (), components.sensors.poller.lag
