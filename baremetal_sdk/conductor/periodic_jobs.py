"""The periodic jobs of a conductor: one row for each, with its lane and its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from baremetal_sdk.conductor.components import Components
from baremetal_sdk.conductor.readings import conductor_readings
from baremetal_sdk.config import ConductorConfig

MAX_RECOVERY_INTERVAL_S = 10.0


@dataclass(frozen=True, kw_only=True)
class PeriodicJob:
    """Declaration of a job that each conductor runs repeatedly on a lane of its pool."""

    name: str
    """Name in logs and metrics."""
    lane: str
    interval: Callable[[ConductorConfig], float]
    """Seconds between two runs under a configuration. Zero or less: the job does not run."""
    function: Callable[[Components], Any]
    backs_off: bool = True
    """False for a sign of life, which keeps its interval after failures."""


def _recovery_interval(config: ConductorConfig) -> float:
    """Return an interval at which nodes of a dead conductor are recovered well within the duration of a lease."""
    return min(config.conductor.lease_duration / 10, MAX_RECOVERY_INTERVAL_S)


def _power_sync_interval(config: ConductorConfig) -> float:
    return min(config.conductor.sync_power_state_interval / 10, 1.0)


def _sensor_interval(config: ConductorConfig) -> float:
    sensors = config.sensor_data
    return min(sensors.interval / 10, 1.0) if sensors.send_sensor_data else 0.0


def _conductor_metrics_interval(config: ConductorConfig) -> float:
    sensors = config.sensor_data
    return sensors.interval if sensors.send_sensor_data and sensors.enable_for_conductor else 0.0


PERIODIC_JOBS = (
    # The heartbeat lane is never shared with other work: a busy conductor must not lose its leases or look dead.
    PeriodicJob(
        name="lease renewal",
        lane="heartbeat",
        interval=lambda config: config.conductor.lease_duration / 3,
        function=lambda parts: parts.tasks.renew(),
        backs_off=False,
    ),
    PeriodicJob(
        name="heartbeat",
        lane="heartbeat",
        interval=lambda config: config.conductor.heartbeat_interval,
        function=lambda parts: parts.membership.heartbeat(),
        backs_off=False,
    ),
    PeriodicJob(
        name="recovery of nodes",
        lane="periodic",
        interval=_recovery_interval,
        function=lambda parts: parts.recovery.sweep(),
    ),
    PeriodicJob(
        name="recovery of power",
        lane="periodic",
        interval=_recovery_interval,
        function=lambda parts: parts.recovery.sweep_power(),
    ),
    PeriodicJob(
        name="allocations of dead conductors",
        lane="periodic",
        interval=_recovery_interval,
        function=lambda parts: parts.allocations.sweep(),
    ),
    PeriodicJob(
        name="closing of idle sessions",
        lane="periodic",
        interval=lambda config: 60.0,
        function=lambda parts: parts.bmc.close_idle(),
    ),
    PeriodicJob(
        name="power sync",
        lane="periodic",
        interval=_power_sync_interval,
        function=lambda parts: parts.power_sync.tick(),
    ),
    PeriodicJob(
        name="sensor collection",
        lane="periodic",
        interval=_sensor_interval,
        function=lambda parts: parts.sensors.tick(),
    ),
    PeriodicJob(
        name="notification of conductor metrics",
        lane="periodic",
        interval=_conductor_metrics_interval,
        function=lambda parts: parts.sensors.send_conductor_metrics(conductor_readings(parts)),
    ),
    PeriodicJob(
        name="writing of node history",
        lane="periodic",
        interval=lambda config: 0.5,
        function=lambda parts: parts.history.flush(),
    ),
    PeriodicJob(
        name="pruning of node history",
        lane="periodic",
        interval=lambda config: config.conductor.node_history_cleanup_interval,
        function=lambda parts: parts.history.prune(),
    ),
    PeriodicJob(
        name="pruning of expired records",
        lane="periodic",
        interval=lambda config: 60.0,
        function=lambda parts: parts.pruner.run(),
    ),
)

SIGNS_OF_LIFE = frozenset(job.name for job in PERIODIC_JOBS if not job.backs_off)
"""Names of the jobs that keep their interval after failures, because other processes take their absence for a death."""
