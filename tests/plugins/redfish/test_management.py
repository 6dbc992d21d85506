from __future__ import annotations

from baremetal_fake.faults import FaultPlan
from baremetal_interfaces import (
    BootDevice,
    BootDeviceSetting,
    BootMode,
    Health,
    IndicatorState,
    InvalidInput,
    NotSupported,
    UnexpectedAnswer,
    VirtualMediaDevice,
)
from tests.fixtures.redfish_emulator import EmulatorTestCase, ImageServer
from tests.plugins.redfish.test_connector import ServiceTestCase


class TestEmulated(EmulatorTestCase):
    def test_boot_devices_are_those_of_the_system(self) -> None:
        """The supported boot devices are those that the system lists as allowable."""
        found = self.task().call("management", "get_supported_boot_devices")
        self.assertEqual({BootDevice.PXE, BootDevice.CDROM, BootDevice.DISK, BootDevice.UEFIHTTP}, found)

    def test_boot_device_is_set(self) -> None:
        """A boot device is read back as it was set."""
        task = self.task()
        for device in (BootDevice.PXE, BootDevice.CDROM, BootDevice.DISK):
            task.call("management", "set_boot_device", device, True)
            self.assertEqual(BootDeviceSetting(device, True), task.call("management", "get_boot_device"))

    def test_boot_device_that_is_not_allowed(self) -> None:
        """The error for a device that the system does not allow lists the allowed ones."""
        failure = self.assertRaises(NotSupported, self.task().call, "management", "set_boot_device", BootDevice.BIOS, False)
        self.assertIn("boot_device", str(failure))
        self.assertIn("Cd, Hdd, Pxe", str(failure))

    def test_boot_mode(self) -> None:
        """A boot mode is read back as it was set."""
        task = self.task()
        for mode in (BootMode.BIOS, BootMode.UEFI):
            task.call("management", "set_boot_mode", mode)
            self.assertEqual(mode, task.call("management", "get_boot_mode"))

    def test_secure_boot(self) -> None:
        """Secure boot is read back as it was set."""
        task = self.task()
        for enabled in (True, False):
            task.call("management", "set_secure_boot", enabled)
            self.assertEqual(enabled, task.call("management", "get_secure_boot"))

    def test_health(self) -> None:
        """The health of a system is reported."""
        self.assertEqual(Health.OK, self.task().call("management", "get_node_health"))

    def test_light(self) -> None:
        """The light of a system is listed and switched."""
        task = self.task()
        self.assertEqual(["led"], list(task.call("management", "get_supported_indicators")["system"]))
        for state in (IndicatorState.BLINKING, IndicatorState.OFF, IndicatorState.ON):
            task.call("management", "set_indicator_state", "system", "led", state)
            self.assertEqual(state, task.call("management", "get_indicator_state", "system", "led"))
        self.assertRaises(InvalidInput, task.call, "management", "get_indicator_state", "chassis", "led")
        self.assertRaises(InvalidInput, task.call, "management", "set_indicator_state", "system", "led", IndicatorState.UNKNOWN)

    def test_virtual_media(self) -> None:
        """An attached image replaces the one before, and is gone after a detachment; a second detachment changes nothing."""
        task = self.task()
        with ImageServer() as images:
            for name in ("one.iso", "two.iso"):
                task.call("management", "attach_virtual_media", VirtualMediaDevice.CDROM, f"{images.url}/{name}")
                drives = task.call("management", "get_virtual_media")
                inserted = [drive for drive in drives if drive["inserted"]]
                self.assertEqual([{"media_types": ["cdrom"], "inserted": True, "image": f"{images.url}/{name}"}], inserted)
        for _ in range(2):
            task.call("management", "detach_virtual_media")
            drives = task.call("management", "get_virtual_media")
            self.assertEqual([], [drive for drive in drives if drive["inserted"]])

    def test_url_is_checked(self) -> None:
        """An invalid image URL is refused by the name of the field."""
        task = self.task()
        for url in ("", "file:///etc/passwd", "http://", "no url", 7):
            failure = self.assertRaises(
                InvalidInput, task.call, "management", "attach_virtual_media", VirtualMediaDevice.CDROM, url
            )
            self.assertIn("image_url", str(failure))


class TestPoorSystem(EmulatorTestCase):
    features = "minimum"

    def test_missing_features(self) -> None:
        """Features that a system lacks are reported as not supported."""
        task = self.task()
        self.assertRaises(NotSupported, task.call, "management", "get_secure_boot")
        self.assertRaises(NotSupported, task.call, "management", "set_secure_boot", True)
        self.assertEqual({}, task.call("management", "get_supported_indicators"))
        self.assertRaises(NotSupported, task.call, "management", "set_indicator_state", "system", "led", IndicatorState.ON)
        self.assertIsNone(task.call("management", "get_node_health"))
        self.assertEqual([], task.call("management", "get_virtual_media"))
        task.call("management", "detach_virtual_media")
        failure = self.assertRaises(
            NotSupported, task.call, "management", "attach_virtual_media", VirtualMediaDevice.CDROM, "http://192.0.2.1/x.iso"
        )
        self.assertIn("offers no virtual cdrom", str(failure))


class TestServed(ServiceTestCase):
    def test_one_time_and_persistent_boot_device(self) -> None:
        """A boot device is set for the next boot or for every boot; without an override it is unknown."""
        task = self.task(self.serve())
        self.assertEqual(BootDeviceSetting(None, None), task.call("management", "get_boot_device"))
        for persistent in (False, True):
            task.call("management", "set_boot_device", BootDevice.BIOS, persistent)
            self.assertEqual(BootDeviceSetting(BootDevice.BIOS, persistent), task.call("management", "get_boot_device"))

    def test_interrupt(self) -> None:
        """An interrupt is sent as a reset of its own type."""
        service = self.serve()
        self.task(service).call("management", "inject_nmi")
        self.assertEqual(1, service.totals()["by_route"]["POST /Systems/*/Actions/ComputerSystem.Reset"])

    def test_refusal_names_the_setting(self) -> None:
        """The error for a refused setting names the setting and contains the BMC's message."""
        service = self.serve()
        service.inject(FaultPlan.from_json({"set_*": {"effect": "refuse", "status": 400, "message": "not while booting"}}))
        task = self.task(service)
        for method, value, field in (
            ("set_boot_device", BootDevice.PXE, "boot_device: the BMC refuses pxe"),
            ("set_boot_mode", BootMode.BIOS, "boot_mode: the BMC refuses bios"),
            ("set_secure_boot", True, "secure_boot: the BMC refuses True"),
        ):
            failure = self.assertRaises(UnexpectedAnswer, task.call, "management", method, value)
            self.assertIn(field, str(failure))
            self.assertIn("not while booting", str(failure))

    def test_drives_of_the_manager(self) -> None:
        """A system without virtual drives uses those of its manager."""
        service = self.serve(2)
        drives = self.task(service).call("management", "get_virtual_media")
        self.assertIn(["cdrom"], [drive["media_types"] for drive in drives])
