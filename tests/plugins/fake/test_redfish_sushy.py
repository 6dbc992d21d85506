"""The Redfish service with sushy, a client library that drivers use."""

from __future__ import annotations

import sushy
import sushy.auth

from baremetal_fake import Account, Machine, Power, Rack, Timings
from baremetal_fake.lab import ManualClock
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_interfaces import BootDevice, BootMode
from tests.plugins.fake.redfish_client import ImageServer, RedfishCase

PROTECTED = BMCOptions(Account("admin", "secret"))


class TestSushy(RedfishCase):
    """Power, boot, secure boot, media, inventory and firmware through sushy."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.redfish = self.service(2, options=PROTECTED, rack=Rack("redfish", clock=self.clock))
        self.root = self.connect(self.redfish)
        self.system = self.root.get_system(self.redfish.system_path(1))

    @property
    def machine(self) -> Machine:
        return self.redfish.machine(1)

    def connect(self, redfish: RedfishService, password: str = "secret", **options: object) -> sushy.Sushy:
        auth = sushy.auth.SessionOrBasicAuth(username="admin", password=password)
        root = sushy.Sushy(redfish.url, auth=auth, **options)
        # Otherwise sushy logs out when it is garbage-collected, which may be after the service has stopped.
        self.addCleanup(auth.close)
        return root

    def test_power_on_off_and_reboot(self) -> None:
        """sushy reads the power state of the machine."""
        steps = {sushy.ResetType.ON: "On", sushy.ResetType.FORCE_RESTART: "On", sushy.ResetType.FORCE_OFF: "Off"}
        for kind, expected in steps.items():
            self.system.reset_system(kind)
            self.system.refresh(force=True)
            self.assertEqual(expected, self.system.power_state.value)
        self.assertEqual(Power.OFF, self.machine.power)
        self.assertEqual(2, self.machine.boot_count)
        self.assertIs(Power.OFF, self.redfish.machine(0).power, "the other machine is not touched")

    def test_boot_device_and_mode(self) -> None:
        """sushy sets the boot device for one boot and for every boot, and the boot mode."""
        once, always = sushy.BootSourceOverrideEnabled.ONCE, sushy.BootSourceOverrideEnabled.CONTINUOUS
        self.system.set_system_boot_options(sushy.BootSource.PXE, enabled=once, mode=sushy.BootSourceOverrideMode.LEGACY)
        self.assertEqual((BootDevice.PXE, False), self.machine.boot_override)
        self.assertEqual(BootMode.BIOS, self.machine.boot_mode)
        self.system.reset_system(sushy.ResetType.ON)
        self.assertEqual((None, False), self.machine.boot_override)
        self.system.refresh(force=True)
        self.system.set_system_boot_options(sushy.BootSource.CD, enabled=always)
        self.assertEqual((BootDevice.CDROM, True), self.machine.boot_override)
        self.assertIn(sushy.BootSource.UEFI_HTTP, self.system.get_allowed_system_boot_source_values())

    def test_sushy_retries_after_an_outdated_entity_tag(self) -> None:
        """The service refuses an outdated entity tag, and sushy repeats the request without it."""
        self.assertEqual("Off", self.system.power_state.value)
        self.system.reset_system(sushy.ResetType.ON)
        self.system.set_system_boot_options(sushy.BootSource.PXE)
        self.assertEqual((BootDevice.PXE, False), self.machine.boot_override)

    def test_secure_boot(self) -> None:
        """Secure boot is enabled at once, and current after the next boot."""
        self.system.secure_boot.set_enabled(True)
        self.system.reset_system(sushy.ResetType.ON)
        self.system.secure_boot.refresh(force=True)
        self.assertTrue(self.system.secure_boot.enabled)
        self.assertEqual("Enabled", self.system.secure_boot.current_boot.value)

    def test_media_are_inserted_booted_and_ejected(self) -> None:
        """The machine boots an image that sushy inserted."""
        images = self.useFixture(ImageServer())
        drives = self.system.managers[0].virtual_media.get_members()
        drive = next(drive for drive in drives if sushy.VIRTUAL_MEDIA_CD in drive.media_types)
        drive.insert_media(f"{images.url}/boot.iso")
        drive.refresh(force=True)
        self.assertTrue(drive.inserted)
        self.system.set_system_boot_options(sushy.BootSource.CD, enabled=sushy.BootSourceOverrideEnabled.ONCE)
        self.system.reset_system(sushy.ResetType.ON)
        assert self.machine.last_boot is not None
        self.assertEqual(f"{images.url}/boot.iso", self.machine.last_boot.image)
        drive.eject_media()
        self.assertEqual({}, self.machine.media)
        self.assertRaises(sushy.exceptions.BadRequestError, drive.insert_media, f"{images.url}/none.iso")

    def test_the_inventory(self) -> None:
        """sushy reads processors, memory, disks and network interfaces."""
        parts = self.machine.inventory
        self.assertEqual(parts.memory_mb, self.system.memory_summary.size_gib * 1024)
        self.assertEqual(parts.cpus, self.system.processors.summary[0])
        self.assertEqual("x86", self.system.processors.summary[1].value)
        self.assertEqual(parts.local_gb * 1024**3, self.system.simple_storage.max_size_bytes)
        self.assertEqual([parts.local_gb * 1024**3], self.system.storage.drives_sizes_bytes)
        self.assertEqual({nic.mac for nic in parts.nics}, {mac.lower() for mac in self.system.ethernet_interfaces.summary})

    def test_bios_settings(self) -> None:
        """A BIOS setting is pending until the machine boots."""
        self.system.bios.set_attribute("LogicalProc", "Disabled")
        self.assertEqual({"LogicalProc": "Disabled"}, self.system.bios.pending_attributes)
        self.system.reset_system(sushy.ResetType.ON)
        self.system.bios.refresh(force=True)
        self.assertEqual("Disabled", self.system.bios.attributes["LogicalProc"])

    def test_firmware_is_updated(self) -> None:
        """The update service updates the targeted component when the update time is over."""
        service = self.root.get_update_service()
        target = "/redfish/v1/UpdateService/FirmwareInventory/1-bios"
        self.machine.timings = Timings(update=600.0)
        monitor = service.simple_update("http://images/bios-2.4.1.bin", targets=[target])
        self.assertTrue(monitor.check_is_processing)
        self.assertEqual("1.0.0", self.machine.firmware.versions["bios"])
        self.clock.turn(600.0)
        self.assertFalse(monitor.check_is_processing)
        self.assertEqual("2.4.1", self.machine.firmware.versions["bios"])

    def test_sushy_logs_in_once_and_again_after_an_expired_session(self) -> None:
        """sushy uses one session for all requests, and logs in again when the session has ended."""
        self.assertEqual(1, self.redfish.totals()["logins"])
        self.redfish.end_sessions()
        self.system.refresh(force=True)
        self.assertEqual(2, self.redfish.totals()["logins"])
        self.assertEqual(1, self.redfish.totals()["open_sessions"])

    def test_a_wrong_password_is_an_access_error(self) -> None:
        """A wrong password raises sushy's AccessError."""
        root = self.connect(self.redfish, "wrong")
        self.assertRaises(sushy.exceptions.AccessError, root.get_system, self.redfish.system_path())

    def test_basic_authentication_and_tls(self) -> None:
        """sushy works over HTTPS with basic authentication and without a session."""
        redfish = self.service(1, tls=True, options=PROTECTED)
        basic = sushy.auth.BasicAuth(username="admin", password="secret")
        root = sushy.Sushy(redfish.url, auth=basic, verify=redfish.certificate)
        self.assertEqual("Off", root.get_system(redfish.system_path()).power_state.value)
        self.assertEqual(0, redfish.totals()["logins"])
