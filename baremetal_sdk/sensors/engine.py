"""Reading sensors on the engine of power sync: each node on a schedule of its own, and what is away by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from baremetal_interfaces import BareMetalError, Kind, NotFound, SensorReport
from baremetal_sdk import states
from baremetal_sdk.clock import Clock
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.config.sensor_data import SensorDataConfig
from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.observability.telemetry import Telemetry, Work
from baremetal_sdk.polling.live_and_away import AWAY, AWAY_SHARE, LiveAndAwayQueues
from baremetal_sdk.polling.workers import WorkerPool
from baremetal_sdk.sensors.latest import Latest
from baremetal_sdk.sensors.message import Notifier, Sensors, of_conductor, of_node
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery, Row
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = logging.getLogger(__name__)
_HORIZON_SHARE = 0.1
"""What is due is to be read in that share of the interval."""
_LIST_EVERY = 60.0
"""Seconds after which nodes that came or went are seen at the latest."""
_UNKNOWN = frozenset({states.ENROLL, states.VERIFYING, states.ADOPTFAIL})
"""States of nodes whose BMC nobody has got to know."""
_READ = ("uuid", "name", "instance_uuid", "driver", "maintenance", "provision_state")


class SensorCollection(LiveAndAwayQueues):
    """Reads the sensors of each node once in an interval, without a lease, and tells what they say.

    *notifier* gets a message for each node that was read; the numbers are there to be scraped, too. A BMC that is away
    holds up no other one, and one whose driver reads no sensors costs nothing but a look.
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
        self._store = store
        self._tasks = tasks
        self._clock = clock
        self._config = config
        self._host = host
        self._notifier = notifier
        self._is_mine = is_mine
        self._telemetry = telemetry or Telemetry()
        self._latest = Latest(config.metrics_series)
        super().__init__(config.interval, clock, self._look)
        self._shift = WorkerPool("reading of sensors", lane, self._take)
        self._failing: set[str] = set()
        self._listed_at: float | None = None

    def readings(self) -> Iterable[Reading]:
        """The numbers of the last readings."""
        return self._latest.readings() if self._config.send_sensor_data else ()

    def tick(self) -> None:
        """Have as many workers as what is due asks for; the nodes that there are, are listed now and then."""
        if not self._config.send_sensor_data:
            return
        now = self._clock.monotonic()
        if self._listed_at is None or now - self._listed_at >= min(self._config.interval, _LIST_EVERY):
            self._listed_at = now
            self._list()
        away = max(1, int(self._config.workers * AWAY_SHARE))
        for line, most in ((self._live, max(1, self._config.workers - away)), (self._away, away)):
            self._shift.staff(line, self._config.interval * _HORIZON_SHARE, most)

    def send_conductor_metrics(self, readings: Iterable[Reading]) -> None:
        """Send the figures of the conductor itself."""
        self._tell(*of_conductor(self._host, readings, self._clock.now()))

    def reload(self, config: SensorDataConfig) -> None:
        """Take over what has changed: whose sensors are read from the next listing on, and how often from the next reading on."""
        self._config, self._latest.most, self._listed_at = config, config.metrics_series, None
        self._live.schedule.interval = self._away.schedule.interval = config.interval

    def stop(self) -> None:
        """Let workers end with what they do now."""
        self._shift.stop()

    def _list(self) -> None:
        rows = self._store.nodes(NodeQuery(fields=(*_READ, "conductor_group"))) if self._config.enable_for_nodes else ()
        ours = {row.uuid for row in rows if self._may_read(row) and self._is_mine(row)}
        self._latest.keep(ours)
        self._failing &= ours
        self._keep(ours)

    def _look(self, nodes: Sequence[str]) -> list[Row]:
        """Those of *nodes* whose sensors are to be read, as they are now."""
        return [row for row in self._store.nodes(NodeQuery(where={"uuid": tuple(nodes)}, fields=_READ)) if self._may_read(row)]

    def _may_read(self, row: Row) -> bool:
        if row.maintenance or row.provision_state in _UNKNOWN:
            return False
        return self._config.enable_for_undeployed_nodes or row.provision_state == states.ACTIVE

    def _take(self, row: Row) -> None:
        """Read one node of a line, and say in which line it is due again."""
        line = self._live
        try:
            line = self._away if isinstance(self._read(row), AWAY) else self._live
        except Exception:
            LOG.exception("node %s: its sensors could not be read", row.uuid)
        finally:
            self._due_again(row.uuid, line, self._config.interval)

    def _read(self, row: Row) -> BareMetalError | None:
        """Read one node and tell what it says; gives back why it could not be read."""
        try:
            task = self._tasks.read_only(row.uuid)
            if not isinstance(task.driver.management, SensorReport):
                return None
            found = self._call(task)
        except NotFound:
            return None
        except BareMetalError as exc:
            self._failed(row, exc)
            return exc
        self._failing.discard(row.uuid)
        sensors: Sensors = {kind: named for kind, named in found.items() if self._config.includes(kind) and named}
        self._latest.put(row, sensors)
        if sensors:
            self._tell(*of_node(row, sensors, self._clock.now()))
        return None

    def _call(self, task: NodeTask) -> Sensors:
        limit = min(self._config.wait_timeout, self._config.interval)
        with self._telemetry.begin(Work.SENSOR_READING, node=task.record.uuid):
            found: Sensors = task.call(Kind.MANAGEMENT, "get_sensors_data", timeout=limit)
            return found

    def _failed(self, row: Row, error: BareMetalError) -> None:
        """Forget what the sensors said, and say why: once, and not at each reading."""
        self._latest.drop(row.uuid)
        level = logging.DEBUG if row.uuid in self._failing else logging.WARNING
        LOG.log(level, "node %s: its sensors could not be read: %s", row.uuid, error)
        self._failing.add(row.uuid)

    def _tell(self, kind: str, message: dict[str, object]) -> None:
        if self._notifier is None:
            return
        try:
            self._notifier.info({}, kind, message)
        except Exception as exc:
            # It may quote the URL of a bus, and that has a password in it.
            LOG.warning("a notification of type %s could not be sent (%s)", kind, type(exc).__name__)
