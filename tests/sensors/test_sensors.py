"""Sensor data: whose sensors are read when, what is told of them, and what a dead BMC costs the others."""

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


class Told:
    """A notifier that keeps what it is told; it can be out of order."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.broken = False

    def info(self, ctxt: dict[str, Any], event_type: str, payload: dict[str, Any]) -> None:
        """Take a notification."""
        if self.broken:
            raise ConnectionError("rabbit://user:canary@host is away")
        self.messages.append((event_type, payload))

    def of(self, node: str) -> list[dict[str, Any]]:
        """What was told of one node."""
        return [payload for _, payload in self.messages if payload.get("node_uuid") == node]


class SensorsCase(MachinesCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.told = Told()
        self.registry = CollectorRegistry()

    def collecting(self, **options: Any) -> Conductor:
        """Start a conductor that reads sensors each minute of its clock, when it is told to look what is due."""
        given = {"send_sensor_data": True, "interval": 60.0, "enable_for_undeployed_nodes": True, **options}
        config = ConductorConfig(host="test", conductor=quick_options(), sensor_data=SensorDataConfig(**given))
        context = running_conductor(config, clock=self.clock, notifier=self.told, metrics=self.registry)
        conductor = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return conductor

    def managed(self, conductor: Conductor, name: str, **values: Any) -> str:
        node = self.enrol(conductor, name, management_interface="fake-bmc", **values)
        provision(conductor, node.uuid, "manage")
        return node.uuid

    def see_nodes(self, conductor: Conductor) -> None:
        """Have the nodes that there are now on the schedule, whenever they were listed last."""
        conductor.components.sensors.reload(conductor.config.sensor_data)
        conductor.components.sensors.tick()

    def turn(self, conductor: Conductor, seconds: float = 70.0) -> None:
        """Let so much time go by, and what is due be read."""
        self.see_nodes(conductor)
        self.clock.turn(seconds)
        conductor.components.sensors.tick()
        settle(conductor)

    def series(self, name: str) -> dict[Any, float]:
        """Sensor or outcome -> value."""
        samples = [sample for family in self.registry.collect() for sample in family.samples if sample.name == name]
        return {s.labels.get("sensor") or s.labels.get("outcome"): s.value for s in samples}


class TestTelling(SensorsCase):
    def test_each_reading_is_a_notification_in_the_shape_of_ironics(self) -> None:
        """Its type names the hardware type; node, instance, time and the sensors by type stand in it."""
        conductor = self.collecting()
        node = self.managed(conductor, "m1")
        self.turn(conductor)
        ((kind, message),) = self.told.messages
        self.assertEqual("hardware.fake-hardware.metrics", kind)
        self.assertEqual(
            ("hardware.fake-hardware.metrics.update", node, "m1", None),
            tuple(message[key] for key in ("event_type", "node_uuid", "node_name", "instance_uuid")),
        )
        self.assertRegex(message["timestamp"], r"^2030-01-01T00:01:10")
        self.assertEqual({"Temperature", "Fan"}, set(message["payload"]))
        self.assertEqual(22.0, message["payload"]["Temperature"]["CPU 1"]["reading"])

    def test_numbers_are_shown_to_prometheus(self) -> None:
        """By node, type, sensor and unit; how the readings went is counted."""
        conductor = self.collecting()
        self.managed(conductor, "m1")
        self.turn(conductor)
        self.assertEqual({"CPU 1": 22.0, "Fan 1": 0.0}, self.series("baremetal_sensor_reading"))
        self.assertEqual({"succeeded": 1.0}, self.series("baremetal_sensor_collections_total"))
        self.assertEqual([1.0], list(self.series("baremetal_sensor_nodes").values()))

    def test_no_more_series_than_may(self) -> None:
        """What is beyond them is counted, and is in the notification all the same."""
        conductor = self.collecting(metrics_series=1)
        node = self.managed(conductor, "m1")
        self.turn(conductor)
        self.assertEqual(1, len(self.series("baremetal_sensor_reading")))
        self.assertEqual([1.0], list(self.series("baremetal_sensors_left_out").values()))
        self.assertEqual(2, len(self.told.of(node)[0]["payload"]))

    def test_only_types_that_are_wanted_are_told(self) -> None:
        """In any case of letters."""
        conductor = self.collecting(data_types=("fan",))
        node = self.managed(conductor, "m1")
        self.turn(conductor)
        self.assertEqual({"Fan"}, set(self.told.of(node)[0]["payload"]))
        self.assertEqual({"Fan 1"}, set(self.series("baremetal_sensor_reading")))

    def test_a_bus_that_is_away_costs_no_reading(self) -> None:
        """It is logged without what the library says of it: that may hold a password."""
        conductor = self.collecting()
        node = self.managed(conductor, "m1")
        self.told.broken = True
        with self.assertLogs("baremetal_sdk.sensors", "WARNING") as logged:
            self.turn(conductor)
        self.assertNotIn("canary", "".join(logged.output))
        self.assertEqual(22.0, self.series("baremetal_sensor_reading")["CPU 1"])
        self.told.broken = False
        self.turn(conductor)
        self.assertEqual(1, len(self.told.of(node)))

    def test_the_conductors_own_figures_are_a_notification(self) -> None:
        """Where that is wanted: gauges have a value, counters a count."""
        config = SensorDataConfig(send_sensor_data=True, interval=1.0, enable_for_nodes=False)
        heard = threading.Event()
        self.told.info = lambda ctxt, kind, payload: (self.told.messages.append((kind, payload)), heard.set())  # type: ignore[method-assign]
        made = ConductorConfig(host="test", conductor=quick_options(), sensor_data=config)
        with running_conductor(made, notifier=self.told):
            self.assertTrue(heard.wait(10.0))
        kind, message = self.told.messages[0]
        self.assertEqual(("ironic.metrics", "test"), (kind, message["hostname"]))
        self.assertEqual({"type": "gauge", "value": 0}, message["payload"]["baremetal_leases_held"])


class TestWhoIsRead(SensorsCase):
    def test_nothing_is_read_unless_it_is_asked_for(self) -> None:
        """By default no BMC is asked."""
        conductor = self.collecting(send_sensor_data=False)
        self.managed(conductor, "m1")
        self.turn(conductor)
        self.assertEqual(([], 0), (self.told.messages, conductor.components.sensors.poller.nodes))

    def test_only_deployed_nodes_are_read_by_default(self) -> None:
        """Others are where that is wanted; nodes in maintenance and nodes that nobody has managed never are."""
        conductor = self.collecting(enable_for_undeployed_nodes=False)
        managed, active, kept_out = (self.managed(conductor, name) for name in ("m1", "m2", "m3"))
        for node in (active, kept_out):
            provision(conductor, node, "provide", "active")
        conductor.rpc.call("update_node", node=kept_out, changes={"maintenance": True})
        unknown = self.enrol(conductor, "m4", management_interface="fake-bmc").uuid
        self.turn(conductor)
        self.assertEqual({active}, {payload["node_uuid"] for _, payload in self.told.messages})
        config = conductor.config.sensor_data
        everybody = dataclasses.replace(config, enable_for_undeployed_nodes=True)
        conductor.reload(dataclasses.replace(conductor.config, sensor_data=everybody))
        self.turn(conductor, 140.0)
        self.assertEqual({active, managed}, {payload["node_uuid"] for _, payload in self.told.messages})
        self.assertEqual([], self.told.of(unknown))

    def test_a_node_that_goes_is_shown_no_more(self) -> None:
        """Figures of machines that are gone would look like those of machines that live."""
        conductor = self.collecting()
        node = self.managed(conductor, "m1")
        self.turn(conductor)
        conductor.rpc.call("update_node", node=node, changes={"maintenance": True})
        self.turn(conductor)
        self.assertEqual({}, self.series("baremetal_sensor_reading"))

    def test_a_driver_without_sensors_is_passed_over(self) -> None:
        """That is no failure, and nothing is asked of its BMC."""
        conductor = self.collecting()
        node = self.enrol(conductor, "m1", management_interface="noop")
        provision(conductor, node.uuid, "manage")
        self.turn(conductor)
        self.assertEqual([], self.told.messages)
        self.assertEqual({}, self.series("baremetal_sensor_collections_total"))


class TestTrouble(SensorsCase):
    def test_a_dead_bmc_is_in_a_line_of_its_own_and_said_once(self) -> None:
        """Live ones are read in their interval; the dead one's old figures are gone, until it answers."""
        conductor = self.collecting(workers=2)
        dead = self.managed(conductor, "m1", faults={"get_sensors": {"effect": "drop", "times": 2}})
        live = self.managed(conductor, "m2")
        with self.assertLogs("baremetal_sdk.sensors", "WARNING") as logged:
            for _ in range(2):
                self.turn(conductor)
        self.assertEqual(1, len([line for line in logged.output if "could not be read" in line]))
        sensors = conductor.components.sensors
        self.assertEqual((1, 2, 0), (sensors.poller.unreachable_nodes, len(self.told.of(live)), len(self.told.of(dead))))
        self.turn(conductor)
        self.assertEqual((0, 1), (sensors.poller.unreachable_nodes, len(self.told.of(dead))))

    def test_credentials_that_are_refused_are_not_tried_by_readings_of_sensors(self) -> None:
        """Two logins at most, however often the sensors are due; new credentials are used at once."""
        conductor = self.collecting()
        node = self.managed(conductor, "m1", faults={"login": {"effect": "auth", "nth": 2, "times": 2}})
        info = {**conductor.store.node(node).driver_info, "fake_username": "admin", "fake_password": "wrong"}
        conductor.rpc.call("update_node", node=node, changes={"driver_info": info})
        for _ in range(5):
            self.turn(conductor)
        self.assertEqual((2, []), (self.rack.counters("m1").refused_logins, self.told.of(node)))
        conductor.rpc.call("update_node", node=node, changes={"driver_info": {**info, "fake_password": "right"}})
        self.turn(conductor)
        self.assertEqual((2, 1), (self.rack.counters("m1").refused_logins, len(self.told.of(node))))

    def test_a_bmc_that_serves_somebody_else_is_read_afterwards(self) -> None:
        """The reading waits for its turn, as everybody does."""
        conductor = self.collecting()
        node = self.managed(conductor, "m1")
        self.see_nodes(conductor)
        with conductor.components.tasks.read_only(node).session(FakeConnector):
            self.clock.turn(70)
            conductor.components.sensors.tick()
            self.assertEqual([], self.told.messages)
        settle(conductor)
        self.assertEqual(1, len(self.told.of(node)))


class TestNumbers(TestCase):
    def test_the_parse_number_a_reading_is_found_in_whatever_shape_a_driver_gives_it(self) -> None:
        """Redfish names the unit in the field or beside it, IPMI in the text; what is no number is none."""
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
