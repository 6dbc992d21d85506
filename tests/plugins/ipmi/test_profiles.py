"""Profiles of the test service: their data, the conformance kit, and the life of a machine at each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from fixtures import TempDir
from testtools import TestCase

from baremetal_fake import Account
from baremetal_fake.ipmi import AccessOptions, IPMIOptions, IPMIService, load_profile, profile_names
from baremetal_interfaces import BootDevice, LocalTask, PowerState, UnexpectedAnswer
from baremetal_interfaces.conformance import RULES, HardwareTypeConformance
from baremetal_ipmi import IPMIConnector, IPMIHardware, IPMIManagement, IPMIPower, IPMIVendor
from tests.plugins.ipmi.service_case import INTERFACES

MIN_DEVIATIONS = 5


def serve(test: TestCase, profile: str) -> IPMIService:
    """Return a running service with one BMC that has *profile*."""
    IPMIConnector.traits.clear()
    base = IPMIOptions(AccessOptions(Account("root", "correct horse")))
    service = IPMIService(1, options=load_profile(profile).build_options(base))
    service.start()
    test.addCleanup(service.stop)
    return service


class TestData(TestCase):
    def test_each_deviation_has_a_source_and_an_effect(self) -> None:
        """A profile has at least five deviations. Each names the report, and changes the options."""
        for name in profile_names():
            profile = load_profile(name)
            self.assertGreaterEqual(len(profile.deviations), MIN_DEVIATIONS, name)
            for deviation in profile.deviations:
                self.assertRegex(deviation.source, r"^https://", f"{name}: {deviation.option}")
                alone = replace(profile, deviations=(deviation,))
                self.assertNotEqual(IPMIOptions(), alone.build_options(), f"{name}: {deviation.option}")

    def test_profile_of_a_plugin_author(self) -> None:
        """The path of a TOML file is a profile, and errors name the file and the mistake."""
        path = Path(self.useFixture(TempDir()).path) / "mine.toml"
        deviation = '[[deviations]]\noption = "{}"\nvalue = 8\ntext = "x"\nsource = "https://example.org"\n'
        path.write_text(deviation.format("sensor_read_bytes"))
        self.assertEqual(8, load_profile(path).build_options().sensor_read_bytes)
        path.write_text(deviation.format("colour"))
        self.assertIn("'colour'", str(self.assertRaises(ValueError, load_profile, path)))
        path.write_text('[[deviations]]\noption = "uefi"\n')
        self.assertIn("mine.toml", str(self.assertRaises(ValueError, load_profile, path)))
        self.assertIn("supermicro", str(self.assertRaises(ValueError, load_profile, "unknown")))


class TestLife(TestCase):
    def test_life_of_a_machine(self) -> None:
        """Power, boot device, sensors, event log and reset work with each profile."""
        for name in profile_names():
            service = serve(self, name)
            interfaces = {"power": IPMIPower(), "management": IPMIManagement(), "vendor": IPMIVendor()}
            task = LocalTask(interfaces, service.driver_info(), timeout=60.0, poll_interval=0.02)
            task.call("management", "set_boot_device", BootDevice.PXE, True)
            self.assertEqual(BootDevice.PXE, task.call("management", "get_boot_device").device, name)
            task.power.set(PowerState.ON)
            task.power.set(PowerState.REBOOT)
            sensors = task.call("management", "get_sensors_data")
            found = sum(len(readings) for readings in sensors.values())
            self.assertEqual(len(service.options.sensors), found, name)
            events = task.call("vendor", "get_event_log")["events"]
            self.assertEqual(2, len(events), name)
            task.call("vendor", "clear_event_log")
            self.assertEqual([], task.call("vendor", "get_event_log")["events"], name)
            self.assertIsNone(task.call("vendor", "bmc_reset", warm=False), name)
            task = LocalTask(interfaces, service.driver_info(), timeout=60.0, poll_interval=0.02)
            task.power.set(PowerState.OFF)
            self.assertEqual(PowerState.OFF, task.power.get(), name)

    def test_reading_with_states_is_converted(self) -> None:
        """A fan with states and a reading in percent has a value, and its states are no exceeded thresholds."""
        service = serve(self, "hpe-ilo")
        task = LocalTask({"management": IPMIManagement()}, service.driver_info(), timeout=60.0)
        fan = task.call("management", "get_sensors_data")["Fan"]["Fan 1 (0x21)"]
        self.assertEqual("19.992 percent", fan["Sensor Reading"])
        self.assertEqual("ok", fan["Status"])

    def test_refused_warm_reset_is_an_error(self) -> None:
        """OpenBMC refuses the warm reset."""
        service = serve(self, "openbmc")
        task = LocalTask({"vendor": IPMIVendor()}, service.driver_info(), timeout=60.0)
        self.assertRaises(UnexpectedAnswer, task.call, "vendor", "bmc_reset")


class ProfileConformance(HardwareTypeConformance):
    """All rules of the kit at a BMC with *profile*."""

    profile: ClassVar[str]
    rules = ()
    hardware_type = IPMIHardware
    interfaces = INTERFACES

    def setUp(self) -> None:
        super().setUp()
        self.driver_info = serve(self, self.profile).driver_info()


class TestDell(ProfileConformance):
    profile = "dell-idrac"
    rules = RULES


class TestHPE(ProfileConformance):
    profile = "hpe-ilo"
    rules = RULES


class TestOpenBMC(ProfileConformance):
    profile = "openbmc"
    rules = RULES


class TestSupermicro(ProfileConformance):
    profile = "supermicro"
    rules = RULES


class TestCoverage(TestCase):
    def test_each_profile_runs_the_kit(self) -> None:
        """A new profile needs a class with the kit."""
        tested = {case.profile for case in ProfileConformance.__subclasses__()}
        self.assertEqual(set(profile_names()), tested)
