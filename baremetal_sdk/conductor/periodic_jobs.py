"""What a conductor does again and again by itself: on which lane, and how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baremetal_sdk.conductor.components import Assembly
from baremetal_sdk.conductor.readings import conductor_readings
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.config.sensor_data import SensorDataConfig

_RENEWAL, _HEARTBEAT, _RECOVERY = "lease renewal", "heartbeat", "recovery of nodes"
_ALLOCATIONS, _UPKEEP = "allocations of dead conductors", "deletion of what had its time"
_HISTORY, _OLD_HISTORY = "history of nodes", "deletion of old history"
_POWER_RECOVERY, _IDLE_SESSIONS, _POWER_SYNC = "recovery of power", "closing of idle sessions", "power sync"
_SENSORS, _OWN_FIGURES = "reading of sensors", "sending of the conductor's own figures"


def own_work(assembly: Assembly) -> Mapping[str, tuple[str, Callable[[], Any]]]:
    """Name -> lane and function."""
    return {
        _RENEWAL: ("heartbeat", assembly.tasks.renew),
        _HEARTBEAT: ("heartbeat", assembly.membership.heartbeat),
        _RECOVERY: ("periodic", assembly.recovery.sweep),
        _POWER_RECOVERY: ("periodic", assembly.recovery.sweep_power),
        _ALLOCATIONS: ("periodic", assembly.allocations.sweep),
        _IDLE_SESSIONS: ("periodic", assembly.bmc.close_idle),
        _POWER_SYNC: ("periodic", assembly.power_sync.tick),
        _SENSORS: ("periodic", assembly.sensors.tick),
        _OWN_FIGURES: ("periodic", lambda: assembly.sensors.send_conductor_metrics(conductor_readings(assembly))),
        _HISTORY: ("periodic", assembly.history.flush),
        _OLD_HISTORY: ("periodic", assembly.history.prune),
        _UPKEEP: ("periodic", assembly.upkeep.run),
    }


def own_intervals(config: ConductorConfig) -> Mapping[str, float]:
    """Name -> seconds between two runs; 0 or less: none."""
    options, sensors = config.conductor, config.sensor_data
    # So that what is left behind by a dead conductor has ended within the time of a lease.
    recovery = min(options.lease_duration / 10, 10.0)
    return {
        _RENEWAL: options.lease_duration / 3,
        _HEARTBEAT: options.heartbeat_interval,
        _RECOVERY: recovery,
        _POWER_RECOVERY: recovery,
        _ALLOCATIONS: recovery,
        _IDLE_SESSIONS: 60.0,
        _HISTORY: 0.5,
        _OLD_HISTORY: options.node_history_cleanup_interval,
        _UPKEEP: 60.0,
        _POWER_SYNC: min(options.sync_power_state_interval / 10, 1.0),
        _SENSORS: min(sensors.interval / 10, 1.0) if sensors.send_sensor_data else 0.0,
        _OWN_FIGURES: _own_figures(sensors),
    }


def _own_figures(sensors: SensorDataConfig) -> float:
    return sensors.interval if sensors.send_sensor_data and sensors.enable_for_conductor else 0.0
