"""Declarations of all metrics: name, meaning and labels. The collector and the documentation use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baremetal_sdk.observability.telemetry import Work

OWNER = "conductor"
"""First label of each metric: the name of the conductor, ``[DEFAULT] host``."""

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of histogram buckets for work that a client waits for, in seconds."""
DATABASE = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Upper bounds of histogram buckets for database transactions, in seconds."""
BMC = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of histogram buckets for requests to BMCs, in seconds."""
LONG = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0)
"""Upper bounds of histogram buckets for background work, in seconds."""


@dataclass(frozen=True)
class Metric:
    """One metric. *name* has none of the suffixes that Prometheus adds: ``_total``, ``_bucket``, ``_sum`` and ``_count``."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    """Labels, without :data:`OWNER`."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, in seconds."""

    @property
    def series(self) -> tuple[str, ...]:
        """Names of the metric's time series in queries."""
        if self.type == "histogram":
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "sum", "count"))
        return (f"{self.name}_total",) if self.type == "counter" else (self.name,)


@dataclass(frozen=True)
class WorkMetrics:
    """Metrics of one kind of work: its number by labels and outcome, its duration, and the number in progress."""

    total: Metric
    duration: Metric
    in_progress: Metric | None = None


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"baremetal_{name}", "counter", meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"baremetal_{name}", "gauge", meaning, labels)


def _histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(f"baremetal_{name}", "histogram", meaning, labels, buckets)


WORK_METRICS = {
    Work.REQUEST: WorkMetrics(
        _counter("http_requests", "Finished requests, by the path of their route.", "method", "route", "code"),
        _histogram("http_request_duration_seconds", "Time from a request to its response.", "method", "route", buckets=SHORT),
        _gauge("http_requests_in_progress", "Requests in progress."),
    ),
    Work.TASK: WorkMetrics(
        _counter("tasks", "Finished tasks on nodes, by outcome.", "purpose", "outcome"),
        _histogram("task_duration_seconds", "Time for which a task held its node.", "purpose", buckets=LONG),
        _gauge("tasks_in_progress", "Tasks in progress."),
    ),
    Work.STEP: WorkMetrics(
        _counter("steps", "Executed steps of runs, and polls of waiting steps.", "phase", "interface", "step", "outcome"),
        _histogram(
            "step_duration_seconds",
            "Time for which a step or poll occupied a worker.",
            "phase",
            "interface",
            "step",
            buckets=LONG,
        ),
    ),
    Work.BMC_CALL: WorkMetrics(
        _counter("bmc_calls", "Driver calls that used a session of a BMC.", "interface", "method", "outcome"),
        _histogram(
            "bmc_call_duration_seconds",
            "Duration of a driver call that used a session of a BMC.",
            "interface",
            "method",
            buckets=BMC,
        ),
        _gauge("bmc_calls_in_progress", "Driver calls in progress."),
    ),
    Work.LOGIN: WorkMetrics(
        _counter("bmc_logins", "Logins at BMCs.", "outcome"),
        _histogram("bmc_login_duration_seconds", "Duration of a login.", buckets=BMC),
    ),
    Work.POWER_OBSERVATION: WorkMetrics(
        _counter("power_sync_observations", "Scheduled reads of the power state of nodes.", "outcome"),
        _histogram("power_sync_delay_seconds", "Time from when a scheduled read was due until it ended.", buckets=LONG),
    ),
    Work.SENSOR_READING: WorkMetrics(
        _counter("sensor_collections", "Readings of all sensors of a node.", "outcome"),
        _histogram("sensor_collection_duration_seconds", "Duration of a reading of all sensors of a node.", buckets=LONG),
    ),
    Work.RPC_CALL: WorkMetrics(
        _counter("rpc_calls", "RPC calls, by the side that counts them (client or server).", "side", "method", "outcome"),
        _histogram("rpc_call_duration_seconds", "Duration of an RPC call.", "side", "method", buckets=SHORT),
    ),
    Work.TRANSACTION: WorkMetrics(
        _counter("database_transactions", "Database transactions.", "kind", "outcome"),
        _histogram(
            "database_transaction_duration_seconds",
            "Duration of a transaction, including the wait for a connection.",
            "kind",
            buckets=DATABASE,
        ),
    ),
}

POOL_THREADS = _gauge("pool_threads", "Threads, including idle ones.", "pool")
POOL_IDLE_THREADS = _gauge("pool_idle_threads", "Idle threads.", "pool")
POOL_THREADS_MAX = _gauge("pool_threads_max", "Maximum number of threads.", "pool")
LANE_BUSY = _gauge("lane_busy", "Jobs that are running.", "pool", "lane")
LANE_QUEUED = _gauge("lane_queued", "Jobs that wait for a worker.", "pool", "lane")
LANE_TASKS = _counter("lane_tasks", "Finished jobs, by outcome.", "pool", "lane", "outcome")
LANE_RUN = _counter("lane_run_seconds", "Total time for which jobs ran.", "pool", "lane")
LANE_WAIT = _counter("lane_wait_seconds", "Total time for which jobs waited for a worker.", "pool", "lane")
LEASES_HELD = _gauge("leases_held", "Leases that the conductor holds.")
LEASE_AGE = _gauge("lease_oldest_age_seconds", "Age of the oldest lease.")
LEASE_CONFLICTS = _counter("lease_conflicts", "Attempts to acquire a lease that failed because the node was locked.")
LEASES_LOST = _counter("leases_lost", "Leases that were lost while their task was running.")
BMC_SESSIONS = _gauge("bmc_sessions", "Open sessions with BMCs.")
BMCS_BACKED_OFF = _gauge("bmcs_backed_off", "Unreachable BMCs that currently get no requests (back-off).")
POWER_SYNC_NODES = _gauge("power_sync_nodes", "Nodes that power sync reads.")
POWER_SYNC_LAG = _gauge("power_sync_lag_seconds", "Delay of the most overdue power read.")
SENSOR_NODES = _gauge("sensor_nodes", "Nodes with scheduled sensor readings.")
SENSOR_LAG = _gauge("sensor_lag_seconds", "Delay of the most overdue sensor reading.")
SENSOR_READING = _gauge(
    "sensor_reading", "Last value of a sensor, in its own unit.", "node", "node_name", "sensor_type", "sensor", "unit"
)
SENSORS_LEFT_OUT = _gauge("sensors_left_out", "Sensors without a time series, because of the limit metrics_series.")
DATABASE_CONNECTIONS = _gauge("database_connections", "Connections to the database.", "state")
HTTP_CONNECTIONS = _gauge("http_connections", "Open connections of HTTP clients.")
LOG_RECORDS_DROPPED = _counter("log_records_dropped", "Log records that were dropped (kind: audit or other).", "kind")
NODES = _gauge("nodes", "Nodes of all conductors, by provision state. Each process reports the same number.", "provision_state")
EVENT_STREAMS = _gauge("event_streams", "Open event streams.")
EVENT_STREAMS_ENDED = _counter("event_streams_ended", "Closed event streams, by reason.", "reason")
EVENT_STREAMS_REFUSED = _counter("event_streams_refused", "Event streams that were rejected because of the limit max_streams.")
EVENTS_SENT = _counter("events_sent", "Events that were sent, counted once for each stream.")

METRICS: tuple[Metric, ...] = (
    *(metric for work in WORK_METRICS.values() for metric in (work.total, work.duration, work.in_progress) if metric is not None),
    POOL_THREADS, POOL_IDLE_THREADS, POOL_THREADS_MAX, LANE_BUSY, LANE_QUEUED, LANE_TASKS, LANE_RUN, LANE_WAIT,
    LEASES_HELD, LEASE_AGE, LEASE_CONFLICTS, LEASES_LOST, BMC_SESSIONS, BMCS_BACKED_OFF, POWER_SYNC_NODES, POWER_SYNC_LAG,
    SENSOR_NODES, SENSOR_LAG, SENSOR_READING, SENSORS_LEFT_OUT,
    DATABASE_CONNECTIONS, HTTP_CONNECTIONS, NODES, EVENT_STREAMS, EVENT_STREAMS_ENDED, EVENT_STREAMS_REFUSED, EVENTS_SENT,
    LOG_RECORDS_DROPPED,
)  # fmt: skip
