"""Sensors and health of machines with several chassis, and with older and newer resources."""

from __future__ import annotations

from typing import Any

from testtools import TestCase

from baremetal_interfaces import Health
from tests.fixtures.scripted_redfish import CHASSIS, SYSTEM, Documents, ScriptedRedfish, build_documents, collection, link

BOARD, OTHER = "/redfish/v1/Chassis/Board", "/redfish/v1/Systems/2"


def add_sensors(documents: Documents, chassis: str, *sensors: dict[str, Any]) -> None:
    """Give *chassis* a collection of sensors, and add the chassis to the service."""
    paths = [f"{chassis}/Sensors/{number}" for number in range(len(sensors))]
    documents.setdefault(chassis, {"@odata.id": chassis, "Id": chassis.rpartition("/")[2]})["Sensors"] = link(
        f"{chassis}/Sensors"
    )
    documents[f"{chassis}/Sensors"] = collection(*paths)
    documents |= {path: {"@odata.id": path, **sensor} for path, sensor in zip(paths, sensors, strict=True)}
    members = documents["/redfish/v1/Chassis"]["Members"]
    if link(chassis) not in members:
        members.append(link(chassis))


def build_temperature(name: str, celsius: float | None) -> dict[str, Any]:
    """Return a sensor of a temperature."""
    return {"Id": name, "Name": name, "ReadingType": "Temperature", "Reading": celsius, "ReadingUnits": "Cel"}


class TestSensors(TestCase):
    def read(self, documents: Documents) -> dict[str, dict[str, Any]]:
        with ScriptedRedfish(documents) as service:
            found: dict[str, dict[str, Any]] = service.task(redfish_system_id=SYSTEM).call("management", "get_sensors_data")
        return found

    def test_all_chassis_of_the_only_machine(self) -> None:
        """The sensors of all chassis are read if the service has one system, although it links to one chassis only."""
        documents = build_documents()
        add_sensors(documents, CHASSIS, build_temperature("inlet", 20))
        add_sensors(documents, BOARD, build_temperature("gpu", 70))
        self.assertEqual({"inlet", "gpu"}, set(self.read(documents)["Temperature"]))

    def test_chassis_of_a_baseboard(self) -> None:
        """A system that cannot be reset is a part of the machine whose system can, and so are its chassis."""
        documents = build_documents()
        documents["/redfish/v1/Systems"] = collection(SYSTEM, OTHER)
        documents[OTHER] = {"@odata.id": OTHER, "Id": "2"}
        add_sensors(documents, BOARD, build_temperature("gpu", 70))
        documents[BOARD]["Links"] = {"ComputerSystems": [link(OTHER)]}
        self.assertEqual({"gpu"}, set(self.read(documents)["Temperature"]))

    def test_chassis_of_another_machine(self) -> None:
        """With two systems that can be reset, a machine has the chassis with links to its system, and what these contain."""
        documents = build_documents()
        documents["/redfish/v1/Systems"] = collection(SYSTEM, OTHER)
        documents[OTHER] = {**documents[SYSTEM], "@odata.id": OTHER, "Id": "2", "Links": {}}
        add_sensors(documents, CHASSIS, build_temperature("mine", 20))
        for name, links in (
            ("linked", {"ComputerSystems": [link(SYSTEM)]}),
            ("inner", {}),
            ("other", {"ComputerSystems": [link(OTHER)]}),
            ("unlinked", {}),
        ):
            path = f"/redfish/v1/Chassis/{name}"
            add_sensors(documents, path, build_temperature(name, 30))
            documents[path]["Links"] = links
        documents[CHASSIS]["Links"] = {"Contains": [link("/redfish/v1/Chassis/inner"), link("/redfish/v1/Chassis/other")]}
        self.assertEqual({"mine", "linked", "inner"}, set(self.read(documents)["Temperature"]))

    def test_sensor_in_both_forms_is_returned_once(self) -> None:
        """The collection of sensors adds those that Thermal lacks."""
        documents = build_documents()
        documents[CHASSIS]["Thermal"] = link(f"{CHASSIS}/Thermal")
        documents[f"{CHASSIS}/Thermal"] = {"Temperatures": [{"MemberId": "0", "Name": "inlet", "ReadingCelsius": 20}]}
        add_sensors(documents, CHASSIS, build_temperature("inlet", 20), build_temperature("outlet", 30))
        found = self.read(documents)["Temperature"]
        self.assertEqual({"inlet": 20, "outlet": 30}, {name: sensor["reading_celsius"] for name, sensor in found.items()})

    def test_thresholds_of_newer_sensors(self) -> None:
        """The thresholds of a sensor have the names of those of Thermal."""
        documents = build_documents()
        limits = {"UpperCritical": {"Reading": 90.0}, "LowerFatal": {"Reading": 1}}
        add_sensors(documents, CHASSIS, {**build_temperature("cpu", 50), "Thresholds": limits})
        found = self.read(documents)["Temperature"]["cpu"]
        self.assertEqual((90.0, 1), (found["upper_threshold_critical"], found["lower_threshold_fatal"]))

    def test_metrics_that_no_sensor_has(self) -> None:
        """Environment metrics add readings, except for copies of sensors and for settings."""
        documents = build_documents()
        add_sensors(documents, CHASSIS, build_temperature("inlet", 20))
        documents[CHASSIS]["EnvironmentMetrics"] = link(f"{CHASSIS}/EnvironmentMetrics")
        documents[f"{CHASSIS}/EnvironmentMetrics"] = {
            "@odata.id": f"{CHASSIS}/EnvironmentMetrics",
            "TemperatureCelsius": {"Reading": 20, "DataSourceUri": f"{CHASSIS}/Sensors/0"},
            "PowerWatts": {"Reading": 500},
            "PowerLimitWatts": {"SetPoint": 900},
            "FanSpeedsPercent": [{"Reading": 40, "DeviceName": "Fan 1"}, {"Reading": 41, "DeviceName": "Fan 2"}],
        }
        found = self.read(documents)
        self.assertEqual({"Temperature", "Power", "Fan"}, set(found))
        self.assertEqual({"1 PowerWatts": 500}, {name: sensor["reading"] for name, sensor in found["Power"].items()})
        self.assertEqual({"Fan 1": 40, "Fan 2": 41}, {name: sensor["reading"] for name, sensor in found["Fan"].items()})

    def test_device_that_is_not_installed(self) -> None:
        """A sensor of a missing device has its state, and no health that would raise an alarm."""
        documents = build_documents()
        absent = {**build_temperature("port", None), "Status": {"State": "Absent", "Health": "Critical"}}
        add_sensors(documents, CHASSIS, absent)
        self.assertEqual(
            {"port": {"identity": "port", "state": "Absent", "reading_units": "Cel"}}, self.read(documents)["Temperature"]
        )

    def test_sensors_are_read_in_one_request_where_possible(self) -> None:
        """A service that can include members in a collection is asked to, and its sensors are not read one by one."""
        documents = build_documents()
        documents["/redfish/v1"]["ProtocolFeaturesSupported"] = {"ExpandQuery": {"NoLinks": True}}
        add_sensors(documents, CHASSIS, build_temperature("inlet", 20))
        documents[f"{CHASSIS}/Sensors"] = {"Members": [documents.pop(f"{CHASSIS}/Sensors/0")]}
        with ScriptedRedfish(documents) as service:
            found = service.task().call("management", "get_sensors_data")
            self.assertEqual({"inlet"}, set(found["Temperature"]))
            self.assertNotIn(f"{CHASSIS}/Sensors/0", service.reads)


class TestHealth(TestCase):
    def read(self, documents: Documents) -> Health | None:
        with ScriptedRedfish(documents) as service:
            found: Health | None = service.task().call("management", "get_node_health")
        return found

    def test_rollup_of_the_system(self) -> None:
        """The worse of the system's health and its rollup is the health of the machine; its parts are not asked."""
        for status, expected in (
            ({"HealthRollup": "Warning", "Health": "OK"}, Health.WARNING),
            ({"HealthRollup": "OK", "Health": "Critical"}, Health.CRITICAL),
            ({"HealthRollup": "OK"}, Health.OK),
        ):
            documents = build_documents(Status=status)
            documents[CHASSIS]["Status"] = {"Health": "Critical"}
            self.assertEqual(expected, self.read(documents))

    def test_system_without_a_rollup(self) -> None:
        """Without a rollup the worst health of the system, its summaries and its chassis counts."""
        documents = build_documents(Status={"Health": "OK"}, MemorySummary={"Status": {"HealthRollup": "Warning"}})
        self.assertEqual(Health.WARNING, self.read(documents))
        documents[CHASSIS]["Status"] = {"HealthRollup": "Critical"}
        self.assertEqual(Health.CRITICAL, self.read(documents))
        self.assertIsNone(self.read(build_documents(Status={"State": "Enabled"})))
