"""Every metric that there is: name, meaning and labels. What is collected and what is documented is made from these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baremetal_sdk.observability.telemetry import Work

OWNER = "conductor"
"""The first label of each: the name of the conductor, ``[DEFAULT] host``."""

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds, in seconds, for what a client waits for."""
DATABASE = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
BMC = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LONG = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0)
"""For what goes on in the background."""


@dataclass(frozen=True)
class Metric:
    """One metric. *name* is without the ``_total``, ``_bucket``, ``_sum`` and ``_count`` that Prometheus puts behind it."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    """Its labels beside :data:`OWNER`."""
    buckets: tuple[float, ...] = ()
    """The upper bounds of a histogram's buckets, in seconds."""

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query uses."""
        if self.type == "histogram":
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "sum", "count"))
        return (f"{self.name}_total",) if self.type == "counter" else (self.name,)


@dataclass(frozen=True)
class WorkMetrics:
    """How one kind of work is counted: how often, by labels and outcome, how long it took, and how much goes on."""

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
        _counter("http_requests", "Requests that were answered, by the path of their route.", "method", "route", "code"),
        _histogram("http_request_duration_seconds", "Time from a request to its answer.", "method", "route", buckets=SHORT),
        _gauge("http_requests_in_progress", "Requests that are worked on."),
    ),
    Work.TASK: WorkMetrics(
        _counter("tasks", "Tasks on nodes, by how they ended.", "purpose", "outcome"),
        _histogram("task_duration_seconds", "Time for which a task had its node.", "purpose", buckets=LONG),
        _gauge("tasks_in_progress", "Tasks that have a node."),
    ),
    Work.STEP: WorkMetrics(
        _counter("steps", "Steps of runs, and looks at steps that wait.", "phase", "interface", "step", "outcome"),
        _histogram("step_duration_seconds", "Time of a step in a worker.", "phase", "interface", "step", buckets=LONG),
    ),
    Work.BMC_CALL: WorkMetrics(
        _counter("bmc_calls", "Calls of drivers that spoke to a BMC.", "interface", "method", "outcome"),
        _histogram("bmc_call_duration_seconds", "Time of such a call.", "interface", "method", buckets=BMC),
        _gauge("bmc_calls_in_progress", "Calls of drivers that go on."),
    ),
    Work.LOGIN: WorkMetrics(
        _counter("bmc_logins", "Logins at BMCs.", "outcome"),
        _histogram("bmc_login_duration_seconds", "Time of a login.", buckets=BMC),
    ),
    Work.POWER_OBSERVATION: WorkMetrics(
        _counter("power_sync_observations", "Looks at a node's power that nobody asked for.", "outcome"),
        _histogram("power_sync_delay_seconds", "Time from when a look was due until it had ended.", buckets=LONG),
    ),
    Work.SENSOR_READING: WorkMetrics(
        _counter("sensor_collections", "Readings of all sensors of a node.", "outcome"),
        _histogram("sensor_collection_duration_seconds", "Time of such a reading.", buckets=LONG),
    ),
    Work.RPC_CALL: WorkMetrics(
        _counter("rpc_calls", "Calls of conductors, by the side that counts.", "side", "method", "outcome"),
        _histogram("rpc_call_duration_seconds", "Time of a call.", "side", "method", buckets=SHORT),
    ),
    Work.TRANSACTION: WorkMetrics(
        _counter("database_transactions", "Uses of the database.", "kind", "outcome"),
        _histogram(
            "database_transaction_duration_seconds", "Time of a use, with the wait for a connection.", "kind", buckets=DATABASE
        ),
    ),
}

POOL_THREADS = _gauge("pool_threads", "Threads that live, idle ones included.", "pool")
POOL_IDLE_THREADS = _gauge("pool_idle_threads", "Threads that wait for work.", "pool")
POOL_THREADS_MAX = _gauge("pool_threads_max", "Threads that there may be.", "pool")
LANE_BUSY = _gauge("lane_busy", "Work that runs.", "pool", "lane")
LANE_QUEUED = _gauge("lane_queued", "Work that waits for a worker.", "pool", "lane")
LANE_TASKS = _counter("lane_tasks", "Work by how it ended.", "pool", "lane", "outcome")
LANE_RUN = _counter("lane_run_seconds", "Time that work ran.", "pool", "lane")
LANE_WAIT = _counter("lane_wait_seconds", "Time that work waited for a worker.", "pool", "lane")
LEASES_HELD = _gauge("leases_held", "Nodes that the conductor holds.")
LEASE_AGE = _gauge("lease_oldest_age_seconds", "Time for which the node is held that is held longest.")
LEASE_CONFLICTS = _counter("lease_conflicts", "Leases that were not had, because somebody else held the node.")
LEASES_LOST = _counter("leases_lost", "Leases that were lost while their task still lived.")
BMC_SESSIONS = _gauge("bmc_sessions", "Sessions that are open at BMCs.")
BMCS_BACKED_OFF = _gauge("bmcs_backed_off", "BMCs that did not answer and are left alone for a while.")
POWER_SYNC_NODES = _gauge("power_sync_nodes", "Nodes whose power is observed on a schedule.")
POWER_SYNC_LAG = _gauge("power_sync_lag_seconds", "Time for which the node is overdue that is overdue longest.")
SENSOR_NODES = _gauge("sensor_nodes", "Nodes whose sensors are read on a schedule.")
SENSOR_LAG = _gauge("sensor_lag_seconds", "Time for which the node is overdue whose sensors are overdue longest.")
SENSOR_READING = _gauge(
    "sensor_reading", "What a sensor said last, in its own unit.", "node", "node_name", "sensor_type", "sensor", "unit"
)
SENSORS_LEFT_OUT = _gauge("sensors_left_out", "Sensors that are not shown, because there are more than metrics_series.")
DATABASE_CONNECTIONS = _gauge("database_connections", "Connections to the database.", "state")
HTTP_CONNECTIONS = _gauge("http_connections", "Connections of clients that are open.")
NODES = _gauge("nodes", "Nodes of all conductors; each process tells it.", "provision_state")
EVENT_STREAMS = _gauge("event_streams", "Streams of events that are open.")
EVENT_STREAMS_ENDED = _counter("event_streams_ended", "Streams of events by why they ended.", "reason")
EVENT_STREAMS_REFUSED = _counter("event_streams_refused", "Streams of events for which there was no room.")
EVENTS_SENT = _counter("events_sent", "Events that were sent, once for each stream.")

METRICS: tuple[Metric, ...] = (
    *(metric for work in WORK_METRICS.values() for metric in (work.total, work.duration, work.in_progress) if metric is not None),
    POOL_THREADS, POOL_IDLE_THREADS, POOL_THREADS_MAX, LANE_BUSY, LANE_QUEUED, LANE_TASKS, LANE_RUN, LANE_WAIT,
    LEASES_HELD, LEASE_AGE, LEASE_CONFLICTS, LEASES_LOST, BMC_SESSIONS, BMCS_BACKED_OFF, POWER_SYNC_NODES, POWER_SYNC_LAG,
    SENSOR_NODES, SENSOR_LAG, SENSOR_READING, SENSORS_LEFT_OUT,
    DATABASE_CONNECTIONS, HTTP_CONNECTIONS, NODES, EVENT_STREAMS, EVENT_STREAMS_ENDED, EVENT_STREAMS_REFUSED, EVENTS_SENT,
)  # fmt: skip
