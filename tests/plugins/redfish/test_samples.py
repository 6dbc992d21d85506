"""The plugin's results at services built from sushy's sample responses."""

from __future__ import annotations

from testtools import TestCase

from baremetal_interfaces import InvalidInput
from tests.plugins.redfish.samples import CASES, TABLE, SampleService, sushy_version, table

RECORDED_WITH = "5.14"
"""Version of sushy whose samples the documentation's table shows."""


class TestSamples(TestCase):
    def test_documented_table_is_current(self) -> None:
        """The table of the documentation equals the results, and the plugin sends only reads."""
        if not sushy_version().startswith(RECORDED_WITH):
            self.skipTest(f"the samples of sushy {sushy_version()} are others than those of {RECORDED_WITH}")
        self.assertEqual(TABLE.read_text(encoding="utf-8"), table())

    def test_facts_of_the_sample_machine(self) -> None:
        """Hand-checked facts: of two sockets one is empty, and volumes count instead of the drives below them."""
        with SampleService(CASES[0]) as service:
            task = service.task()
            found = task.call("inspect", "inspect")
            self.assertEqual({"cpus": 16, "memory_mb": 98304, "local_gb": 100, "cpu_arch": "x86_64"}, found.properties)
            self.assertEqual(["12:44:6a:3b:04:11"], [port.address for port in found.ports])
            sensors = task.call("management", "get_sensors_data")
            temperature = sensors["Temperature"]["CPU Temp"]
            self.assertEqual(62, temperature["reading_celsius"])
            self.assertEqual(95, temperature["upper_threshold_fatal"])
            settings = {setting.name: setting.value for setting in task.call("bios", "get_settings")}
            self.assertEqual("MaxPerf", settings["PowerProfile"])
            self.assertEqual("0", settings["ProcCoreDisable"])
            versions = {part.component: part.current_version for part in task.call("firmware", "get_components")}
            self.assertEqual({"bios": "P79 v1.45 (12/06/2017)", "bmc": "1.00"}, versions)

    def test_vendor_registry_limits_settings(self) -> None:
        """Hundreds of settings are checked against their vendor's registry before a request is sent."""
        case = next(case for case in CASES if case.name == "bios_zt.json")
        with SampleService(case) as service:
            task = service.task()
            settings = {setting.name: setting for setting in task.call("bios", "get_settings")}
            self.assertIn(settings["TCG023"].value, settings["TCG023"].allowable_values)
            wrong = [{"name": "TCG023", "value": "neither"}, {"name": "ACPI002", "value": "maybe"}]
            refused = self.assertRaises(InvalidInput, task.call, "bios", "apply_configuration", wrong)
            self.assertEqual(["settings/0/TCG023", "settings/1/ACPI002"], [problem.field for problem in refused.problems])
            self.assertEqual([], service.refused)
