"""Samples of what services answer, as sushy's own tests have them."""

from __future__ import annotations

from testtools import TestCase

from baremetal_interfaces import InvalidInput
from tests.redfish.samples import CASES, TABLE, SampleService, sushy_version, table

RECORDED_WITH = "5.14"
"""The table in the documentation is of this version's samples."""


class TestSamples(TestCase):
    def test_the_table_in_the_documentation_is_what_comes_out(self) -> None:
        """Inspection, power, boot, BIOS, sensors and firmware of each sample, without one request that is not a read."""
        if not sushy_version().startswith(RECORDED_WITH):
            self.skipTest(f"the samples of sushy {sushy_version()} are others than those of {RECORDED_WITH}")
        self.assertEqual(TABLE.read_text(encoding="utf-8"), table())

    def test_a_machine_comes_out_as_it_is(self) -> None:
        """Read by hand from the sample: one of two sockets is empty, and volumes count, not the drives below them."""
        with SampleService(CASES[0]) as service:
            task = service.task()
            found = task.call("inspect", "inspect")
            self.assertEqual({"cpus": 16, "memory_mb": 98304, "local_gb": 100, "cpu_arch": "x86_64"}, found.properties)
            self.assertEqual(["12:44:6a:3b:04:11"], [port.address for port in found.ports])
            sensors = task.call("management", "get_sensors_data")
            temperature = sensors["Temperature"]["CPU Temp"]
            self.assertEqual((62, 95), (temperature["reading_celsius"], temperature["upper_threshold_fatal"]))
            settings = {one.name: one.value for one in task.call("bios", "get_settings")}
            self.assertEqual(("MaxPerf", "0"), (settings["PowerProfile"], settings["ProcCoreDisable"]))
            versions = {one.component: one.current_version for one in task.call("firmware", "get_components")}
            self.assertEqual({"bios": "P79 v1.45 (12/06/2017)", "bmc": "1.00"}, versions)

    def test_bounds_and_values_of_a_makers_registry_are_kept(self) -> None:
        """Hundreds of settings with a registry of their own are checked before anything is sent."""
        case = next(one for one in CASES if one.name == "bios_zt.json")
        with SampleService(case) as service:
            task = service.task()
            settings = {one.name: one for one in task.call("bios", "get_settings")}
            self.assertIn(settings["TCG023"].value, settings["TCG023"].allowable_values)
            wrong = [{"name": "TCG023", "value": "neither"}, {"name": "ACPI002", "value": "maybe"}]
            refused = self.assertRaises(InvalidInput, task.call, "bios", "apply_configuration", wrong)
            self.assertEqual(["settings/0/TCG023", "settings/1/ACPI002"], [one.field for one in refused.problems])
            self.assertEqual([], service.refused)
