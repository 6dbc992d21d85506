"""Sensor collection: which nodes are read when, what is published, and how failures are handled."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from testtools import TestCase

from baremetal_fake.connector import FakeConnector
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.config.sensor_data import SensorDataConfig
from baremetal_sdk.sensors.latest import parse_number
from baremetal_sdk.testing import ManualClock, provision, quick_options, running_conductor, settle
from tests.fixtures.machines import MachinesCase


class RecordingNotifier:
    """A notifier that records its notifications, and fails on request."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.is_broken = False

    def info(self, ctxt: dict[str, Any], event_type: str, payload: dict[str, Any]) -> None:
        """Record a notification."""
        if self.is_broken:
            raise ConnectionError("rabbit://user:canary@host is away")
        self.messages.append((event_type, payload))

    def messages_of(self, node: str) -> list[dict[str, Any]]:
        """Return the notifications about one node."""
        return [payload for _, payload in self.messages if payload.get("node_uuid") == node]


class SensorsCase(MachinesCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.notifier = RecordingNotifier()
        self.registry = CollectorRegistry()

    def start_conductor(self, **options: Any) -> Conductor:
        """Start a conductor that reads sensors once a minute of its manual clock, when a test ticks."""
        given = {"send_sensor_data": True, "interval": 60.0, "enable_for_undeployed_nodes": True, **options}
        config = ConductorConfig(host="test", conductor=quick_options(), sensor_data=SensorDataConfig(**given))
        context = running_conductor(config, clock=self.clock, notifier=self.notifier, metrics=self.registry)
        conductor = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return conductor

    def managed(self, conductor: Conductor, name: str, **values: Any) -> str:
        node = self.enroll(conductor, name, management_interface="fake-bmc", **values)
        provision(conductor, node.uuid, "manage")
        return node.uuid

    def list_nodes(self, conductor: Conductor) -> None:
        """Let sensor collection list the nodes now."""
        conductor.components.sensors.reload(conductor.config.sensor_data)
        conductor.components.sensors.tick()

    def advance(self, conductor: Conductor, seconds: float = 70.0) -> None:
        """Advance the clock and read the sensors that are due."""
        self.list_nodes(conductor)
        self.clock.turn(seconds)
        conductor.components.sensors.tick()
        settle(conductor)

    def series(self, name: str) -> dict[Any, float]:
        """Return the samples of a metric by sensor or outcome."""
        samples = [sample for family in self.registry.collect() for sample in family.samples if sample.name == name]
        return {s.labels.get("sensor") or s.labels.get("outcome"): s.value for s in samples}


class TestPublishing(SensorsCase):
    def test_each_reading_is_a_notification_like_ironics(self) -> None:
        """The event type names the hardware type; the message has node, instance, time, and the sensors by type."""
        conductor = self.start_conductor()
        node = self.managed(conductor, "m1")
        self.advance(conductor)
        ((kind, message),) = self.notifier.messages
        self.assertEqual("hardware.fake-hardware.metrics", kind)
        self.assertEqual(
            ("hardware.fake-hardware.metrics.update", node, "m1", None),
            tuple(message[key] for key in ("event_type", "node_uuid", "node_name", "instance_uuid")),
        )
        self.assertRegex(message["timestamp"], r"^2030-01-01T00:01:10")
        self.assertEqual({"Temperature", "Fan"}, set(message["payload"]))
        self.assertEqual(22.0, message["payload"]["Temperature"]["CPU 1"]["reading"])

    def test_numbers_are_metrics(self) -> None:
        """Each number is a sample by node, type, sensor and unit, and the outcomes of readings are counted."""
        conductor = self.start_conductor()
        self.managed(conductor, "m1")
        self.advance(conductor)
        self.assertEqual({"CPU 1": 22.0, "Fan 1": 0.0}, self.series("baremetal_sensor_reading"))
        self.assertEqual({"succeeded": 1.0}, self.series("baremetal_sensor_collections_total"))
        self.assertEqual([1.0], list(self.series("baremetal_sensor_nodes").values()))

    def test_the_number_of_series_is_limited(self) -> None:
        """Sensors beyond the limit are counted, and are still part of the notification."""
        conductor = self.start_conductor(metrics_series=1)
        node = self.managed(conductor, "m1")
        self.advance(conductor)
        self.assertEqual(1, len(self.series("baremetal_sensor_reading")))
        self.assertEqual([1.0], list(self.series("baremetal_sensors_left_out").values()))
        self.assertEqual(2, len(self.notifier.messages_of(node)[0]["payload"]))

    def test_only_selected_sensor_types_are_published(self) -> None:
        """The selection of sensor types ignores case."""
        conductor = self.start_conductor(data_types=("fan",))
        node = self.managed(conductor, "m1")
        self.advance(conductor)
        self.assertEqual({"Fan"}, set(self.notifier.messages_of(node)[0]["payload"]))
        self.assertEqual({"Fan 1"}, set(self.series("baremetal_sensor_reading")))

    def test_a_failing_notifier_loses_no_reading(self) -> None:
        """The failure is logged without the text of the error, which may contain a password."""
        conductor = self.start_conductor()
        node = self.managed(conductor, "m1")
        self.notifier.is_broken = True
        with self.assertLogs("baremetal_sdk.sensors", "WARNING") as logged:
            self.advance(conductor)
        self.assertNotIn("canary", "".join(logged.output))
        self.assertEqual(22.0, self.series("baremetal_sensor_reading")["CPU 1"])
        self.notifier.is_broken = False
        self.advance(conductor)
        self.assertEqual(1, len(self.notifier.messages_of(node)))

    def test_the_conductors_metrics_are_a_notification(self) -> None:
        """If enabled, the conductor publishes its own metrics: gauges have a value, counters a count."""
        config = SensorDataConfig(send_sensor_data=True, interval=1.0, enable_for_nodes=False)
        received = threading.Event()
        self.notifier.info = lambda ctxt, kind, payload: (self.notifier.messages.append((kind, payload)), received.set())  # type: ignore[method-assign]
        conductor_config = ConductorConfig(host="test", conductor=quick_options(), sensor_data=config)
        with running_conductor(conductor_config, notifier=self.notifier):
            self.assertTrue(received.wait(10.0))
        kind, message = self.notifier.messages[0]
        self.assertEqual(("ironic.metrics", "test"), (kind, message["hostname"]))
        self.assertEqual({"type": "gauge", "value": 0}, message["payload"]["baremetal_leases_held"])


class TestSelection(SensorsCase):
    def test_nothing_is_read_by_default(self) -> None:
        """Without the option no BMC is asked."""
        conductor = self.start_conductor(send_sensor_data=False)
        self.managed(conductor, "m1")
        self.advance(conductor)
        self.assertEqual(([], 0), (self.notifier.messages, conductor.components.sensors.poller.nodes))

    def test_only_deployed_nodes_are_read_by_default(self) -> None:
        """Other managed nodes are read on request; nodes in maintenance and unmanaged nodes are never read."""
        conductor = self.start_conductor(enable_for_undeployed_nodes=False)
        managed, active, kept_out = (self.managed(conductor, name) for name in ("m1", "m2", "m3"))
        for node in (active, kept_out):
            provision(conductor, node, "provide", "active")
        conductor.rpc.call("update_node", node=kept_out, changes={"maintenance": True})
        unknown = self.enroll(conductor, "m4", management_interface="fake-bmc").uuid
        self.advance(conductor)
        self.assertEqual({active}, {payload["node_uuid"] for _, payload in self.notifier.messages})
        config = conductor.config.sensor_data
        everybody = dataclasses.replace(config, enable_for_undeployed_nodes=True)
        conductor.reload(dataclasses.replace(conductor.config, sensor_data=everybody))
        self.advance(conductor, 140.0)
        self.assertEqual({active, managed}, {payload["node_uuid"] for _, payload in self.notifier.messages})
        self.assertEqual([], self.notifier.messages_of(unknown))

    def test_a_node_that_is_no_longer_read_has_no_metrics(self) -> None:
        """The metrics of a node that is not read any more are dropped, because they would look current."""
        conductor = self.start_conductor()
        node = self.managed(conductor, "m1")
        self.advance(conductor)
        conductor.rpc.call("update_node", node=node, changes={"maintenance": True})
        self.advance(conductor)
        self.assertEqual({}, self.series("baremetal_sensor_reading"))

    def test_a_driver_without_sensors_is_skipped(self) -> None:
        """A driver without sensors causes neither a failure nor a request."""
        conductor = self.start_conductor()
        node = self.enroll(conductor, "m1", management_interface="noop")
        provision(conductor, node.uuid, "manage")
        self.advance(conductor)
        self.assertEqual([], self.notifier.messages)
        self.assertEqual({}, self.series("baremetal_sensor_collections_total"))


class TestFailures(SensorsCase):
    def test_an_unreachable_bmc_delays_no_other_and_is_logged_once(self) -> None:
        """Reachable BMCs are read in their interval; an unreachable one has no metrics until it answers."""
        conductor = self.start_conductor(workers=2)
        dead = self.managed(conductor, "m1", faults={"get_sensors": {"effect": "drop", "times": 2}})
        live = self.managed(conductor, "m2")
        with self.assertLogs("baremetal_sdk.sensors", "WARNING") as logged:
            for _ in range(2):
                self.advance(conductor)
        self.assertEqual(1, len([line for line in logged.output if "could not be read" in line]))
        sensors = conductor.components.sensors
        self.assertEqual(1, sensors.poller.unreachable_nodes)
        self.assertEqual(2, len(self.notifier.messages_of(live)))
        self.assertEqual(0, len(self.notifier.messages_of(dead)))
        self.advance(conductor)
        self.assertEqual(0, sensors.poller.unreachable_nodes)
        self.assertEqual(1, len(self.notifier.messages_of(dead)))

    def test_refused_credentials_are_not_tried_again(self) -> None:
        """Refused credentials lead to two logins, however often sensors are due; new credentials apply at once."""
        conductor = self.start_conductor()
        node = self.managed(conductor, "m1", faults={"login": {"effect": "auth", "nth": 2, "times": 2}})
        info = {**conductor.store.node(node).driver_info, "fake_username": "admin", "fake_password": "wrong"}
        conductor.rpc.call("update_node", node=node, changes={"driver_info": info})
        for _ in range(5):
            self.advance(conductor)
        self.assertEqual((2, []), (self.rack.counters("m1").refused_logins, self.notifier.messages_of(node)))
        conductor.rpc.call("update_node", node=node, changes={"driver_info": {**info, "fake_password": "right"}})
        self.advance(conductor)
        self.assertEqual((2, 1), (self.rack.counters("m1").refused_logins, len(self.notifier.messages_of(node))))

    def test_a_reading_waits_for_a_busy_bmc(self) -> None:
        """A reading waits for its request slot."""
        conductor = self.start_conductor()
        node = self.managed(conductor, "m1")
        self.list_nodes(conductor)
        with conductor.components.tasks.read_only(node).session(FakeConnector):
            self.clock.turn(70)
            conductor.components.sensors.tick()
            self.assertEqual([], self.notifier.messages)
        settle(conductor)
        self.assertEqual(1, len(self.notifier.messages_of(node)))


class TestNumbers(TestCase):
    def test_the_parse_number_a_reading_is_found_in_whatever_shape_a_driver_gives_it(self) -> None:
        """Redfish names the unit in or beside the field, IPMI in the text. A reading without a number has None."""
        cases: list[tuple[Mapping[str, Any], float | None, str]] = [
            ({"reading_celsius": 21}, 21.0, "Cel"),
            ({"reading": 8400, "reading_units": "RPM"}, 8400.0, "RPM"),
            ({"last_power_output_watts": 240, "line_input_voltage": 230}, 240.0, "W"),
            ({"Sensor Reading": "35 degrees C"}, 35.0, "degrees C"),
            ({"Sensor Reading": "No Reading"}, None, "Reading"),
            ({"reading": True}, None, ""),
            ({"reading": "nan"}, None, ""),
            ({"health": "OK"}, None, ""),
        ]
        for reading, number, unit in cases:
            self.assertEqual((number, unit), parse_number(reading), reading)
