"""Sensor collection: it reads the sensors of each node once per interval, and publishes the readings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from baremetal_interfaces import BareMetalError, Kind, NotFound, SensorReport
from baremetal_sdk import states
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.config.sensor_data import SensorDataConfig
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.observability.telemetry import Telemetry, Work
from baremetal_sdk.polling.poller import UNREACHABLE_ERRORS, UNREACHABLE_SHARE, Poller, PollResult
from baremetal_sdk.sensors.latest import LatestReadings
from baremetal_sdk.sensors.message import Notifier, Sensors, build_conductor_message, build_node_message
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery, Row
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = get_logger(__name__)
_HORIZON_SHARE = 0.1
"""Share of the interval within which due nodes are read."""
_STORE_RETRY_S = 5.0
"""Seconds until the next reading of a node for which the store was away."""
_MAX_LISTING_INTERVAL_S = 60.0
"""Seconds after which new and deleted nodes are noticed at the latest."""
_UNMANAGED_STATES = frozenset({states.ENROLL, states.VERIFYING, states.ADOPTFAIL})
"""States of nodes whose BMC has not been verified yet."""
_FIELDS = ("uuid", "name", "instance_uuid", "driver", "maintenance", "provision_state")


class SensorCollection:
    """Regular reading of each node's sensors, without a lease, and publication of the readings.

    *notifier* gets a notification for each node that was read, and :meth:`readings` offers the numbers as metrics.
    Unreachable BMCs do not delay the others. A BMC whose driver reads no sensors is not asked.
    """

    def __init__(
        self,
        store: Store,
        tasks: TaskManager,
        lane: Lane,
        clock: Clock,
        config: SensorDataConfig,
        *,
        host: str,
        notifier: Notifier | None = None,
        is_mine: Callable[[Row], bool] = lambda node: True,
        telemetry: Telemetry | None = None,
    ) -> None:
        """Create the collection. *host* names the conductor in notifications. *is_mine* selects the nodes of this conductor."""
        self._store = store
        self._tasks = tasks
        self._clock = clock
        self._config = config
        self._host = host
        self._notifier = notifier
        self._is_mine = is_mine
        self._telemetry = telemetry or Telemetry()
        self._latest = LatestReadings(config.metrics_series)
        # Nodes whose last reading failed.
        self._failing: set[str] = set()
        self.poller = Poller(
            "sensor collection", lane, clock, interval=config.interval, read_rows=self._read_rows, poll=self._poll
        )
        """Schedule, queues and workers of sensor collection."""

    def readings(self) -> Iterable[Reading]:
        """Return the latest sensor values of all nodes as metrics. Return none if sensor data is disabled."""
        return self._latest.readings() if self._config.send_sensor_data else ()

    def tick(self) -> None:
        """List the nodes if that is due, and start workers for due nodes. Do nothing if ``send_sensor_data`` is false."""
        if not self._config.send_sensor_data:
            return
        interval, workers = self._config.interval, self._config.workers
        self.poller.relist(self._list_nodes, min_interval=min(interval, _MAX_LISTING_INTERVAL_S))
        max_unreachable = max(1, int(workers * UNREACHABLE_SHARE))
        self.poller.start_workers(
            interval * _HORIZON_SHARE,
            max_reachable=max(1, workers - max_unreachable),
            max_unreachable=max_unreachable,
        )

    def send_conductor_metrics(self, readings: Iterable[Reading]) -> None:
        """Send a notification with *readings*, the metrics of the conductor itself. A failure to send is only logged."""
        self._notify(*build_conductor_message(self._host, readings, self._clock.now()))

    def reload(self, config: SensorDataConfig) -> None:
        """Apply a changed configuration.

        The next tick lists the nodes again. A changed interval applies from the next reading of each node on.
        """
        self._config, self._latest.max_series = config, config.metrics_series
        self.poller.interval = config.interval
        self.poller.expire_listing()

    def stop(self) -> None:
        """Let each worker end after its current reading, and return at once."""
        self.poller.stop()

    def _list_nodes(self) -> None:
        rows = self._store.nodes(NodeQuery(fields=(*_FIELDS, "conductor_group"))) if self._config.enable_for_nodes else ()
        own_nodes = {row.uuid for row in rows if self._may_read(row) and self._is_mine(row)}
        self._latest.keep(own_nodes)
        self._failing &= own_nodes
        self.poller.keep(own_nodes)

    def _read_rows(self, nodes: Sequence[str]) -> list[Row]:
        """Return the current rows of those *nodes* whose sensors may be read."""
        rows = self._store.nodes(NodeQuery(where={"uuid": tuple(nodes)}, fields=_FIELDS))
        return [row for row in rows if self._may_read(row)]

    def _may_read(self, row: Row) -> bool:
        if row.maintenance or row.provision_state in _UNMANAGED_STATES:
            return False
        return self._config.enable_for_undeployed_nodes or row.provision_state == states.ACTIVE

    def _poll(self, row: Row) -> PollResult:
        """Read the sensors of a due node, keep the readings for the metrics, and send them as a notification."""
        try:
            task = self._tasks.read_only(row.uuid)
            if not isinstance(task.driver.management, SensorReport):
                return PollResult()
            readings = self._read_sensors(task)
        except NotFound:
            # The node was deleted meanwhile.
            return PollResult()
        except StoreUnavailable as exc:
            # The BMC was not asked, so this is no failure of the node.
            return PollResult(is_unreachable=None, retry_in_s=min(_STORE_RETRY_S, self.poller.interval), error=exc)
        except BareMetalError as exc:
            self._record_failure(row, exc)
            return PollResult(is_unreachable=isinstance(exc, UNREACHABLE_ERRORS), error=exc)
        self._failing.discard(row.uuid)
        sensors: Sensors = {kind: named for kind, named in readings.items() if self._config.includes(kind) and named}
        self._latest.put(row, sensors)
        if sensors:
            self._notify(*build_node_message(row, sensors, self._clock.now()))
        return PollResult()

    def _read_sensors(self, task: NodeTask) -> Sensors:
        # A reading that takes longer than the interval would delay the next one.
        timeout = min(self._config.wait_timeout, self._config.interval)
        with self._telemetry.begin(Work.SENSOR_READING, node=task.record.uuid):
            readings: Sensors = task.call(Kind.MANAGEMENT, "get_sensors_data", timeout=timeout)
            return readings

    def _record_failure(self, row: Row, error: BareMetalError) -> None:
        """Drop the node's readings, and log the error: as a warning once, and at DEBUG while the failure lasts."""
        # Old readings would look like current ones in the metrics.
        self._latest.drop(row.uuid)
        level = logging.DEBUG if row.uuid in self._failing else logging.WARNING
        LOG.log(level, "node %s: its sensors could not be read: %s", row.uuid, error)
        self._failing.add(row.uuid)

    def _notify(self, kind: str, message: dict[str, object]) -> None:
        if self._notifier is None:
            return
        try:
            self._notifier.info({}, kind, message)
        except Exception as exc:
            # Only the type of the error: its text may contain the URL of the message bus, with a password.
            LOG.warning("a notification of type %s could not be sent (%s)", kind, type(exc).__name__)
