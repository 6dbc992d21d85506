"""What a conductor holds and has to do, for a scrape of its metrics."""

from __future__ import annotations

from collections.abc import Iterable

from baremetal_sdk.conductor.components import Assembly
from baremetal_sdk.observability.metrics import declarations as are
from baremetal_sdk.observability.metrics.collector import Reading, pool_readings


def conductor_readings(assembly: Assembly) -> Iterable[Reading]:
    """The values of now."""
    yield from pool_readings(assembly.pool)
    leases = assembly.leases.list_held()
    oldest = min((lease.since for lease in leases), default=None)
    age = 0.0 if oldest is None else (assembly.clock.now() - oldest).total_seconds()
    yield are.LEASES_HELD, (), len(leases)
    yield are.LEASE_AGE, (), max(0.0, age)
    yield are.LEASE_CONFLICTS, (), assembly.leases.conflict_count
    yield are.LEASES_LOST, (), assembly.leases.lost_count
    yield are.BMC_SESSIONS, (), assembly.bmc.open_sessions
    yield are.BMCS_BACKED_OFF, (), assembly.bmc.unreachable_bmcs
    yield are.POWER_SYNC_NODES, (), assembly.power_sync.nodes
    yield are.POWER_SYNC_LAG, (), assembly.power_sync.lag
    yield are.SENSOR_NODES, (), assembly.sensors.nodes
    yield are.SENSOR_LAG, (), assembly.sensors.lag
