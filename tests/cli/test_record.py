"""Recording and replay of a BMC: redacted data, and equal results of the driver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from baremetal_fake import Account
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_interfaces import AuthenticationFailed, BareMetalError, BootDevice, InvalidInput, LocalTask
from baremetal_interfaces.cassettes import Cassette, Redaction, Replay
from baremetal_sdk.cli.command import main
from baremetal_sdk.cli.record import choose_interfaces, query_machine, record, set_boot
from baremetal_sdk.drivers.loader import discover

USERNAME, PASSWORD = "admiral", "s3same/open"


class RecordTest(TestCase):
    """Test the recording of a BMC with TLS."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.service = RedfishService(1, tls=True, options=BMCOptions(Account(USERNAME, PASSWORD)))
        self.service.start()
        self.addCleanup(self.service.stop)

    def driver_info(self, **changes: Any) -> Path:
        """Write the driver_info of the machine with these changes, and return the file."""
        info = {
            "redfish_address": self.service.url,
            "redfish_system_id": self.service.system_path(0),
            "redfish_username": USERNAME,
            "redfish_password": PASSWORD,
            "redfish_verify_ca": str(self.service.certificate),
            **changes,
        }
        path = self.directory / "info.json"
        path.write_text(json.dumps(info))
        return path

    def test_a_replay_gives_the_recorded_results(self) -> None:
        """With a replayed cassette, the driver returns the same results as with the BMC, apart from redacted values."""
        output = self.directory / "cassette.json"
        self.assertGreater(record("redfish", self.driver_info(), output), 20)
        cassette = Cassette.load(output)
        interfaces = choose_interfaces(discover(), cassette.hardware_type)
        with Replay(cassette) as replay:
            answers = query_machine(interfaces, {**cassette.driver_info, "redfish_address": replay.url})
        self.assertEqual([], replay.missing)
        self.assertEqual("<PowerState.OFF: 'power off'>", answers["power.get_power_state"])
        self.assertEqual(dict(cassette.answers), answers)

    def test_a_recorded_change_is_replayed_with_its_effect(self) -> None:
        """A read after the change returns the value from after the change. Other requests are reported as missing."""
        output = self.directory / "cassette.json"
        record("redfish", self.driver_info(), output, boot=True)
        cassette = Cassette.load(output)
        self.assertIn("BootDevice.PXE", cassette.answers["boot.device"])
        interfaces = choose_interfaces(discover(), cassette.hardware_type)
        with Replay(cassette) as replay:
            driver_info = {**cassette.driver_info, "redfish_address": replay.url}
            before = query_machine(interfaces, driver_info)["management.get_boot_device"]
            self.assertEqual("BootDeviceSetting(device=None, persistent=None)", before)
            answers = set_boot(interfaces, driver_info)
            self.assertEqual([], replay.missing)
            task = LocalTask(interfaces, driver_info)
            self.assertRaises(BareMetalError, task.call, "management", "set_boot_device", BootDevice.DISK)
            self.assertIn('"Hdd"', replay.missing[0])
        self.assertEqual({name: text for name, text in cassette.answers.items() if name.startswith("boot.")}, answers)

    def test_a_cassette_contains_no_identifying_data(self) -> None:
        """A cassette contains no address, MAC address, serial number, account, password, or token."""
        output = self.directory / "cassette.json"
        record("redfish", self.driver_info(), output)
        text = output.read_text()
        inventory = self.service.machine(0).inventory
        identifying = [inventory.serial, *(nic.mac for nic in inventory.nics), *(disk.serial for disk in inventory.disks)]
        for value in ("127.0.0.1", USERNAME, PASSWORD, *identifying):
            self.assertNotIn(value.lower(), text.lower())

    def test_a_failed_recording_creates_no_cassette(self) -> None:
        """Rejected credentials, a driver without HTTP, and an existing file are errors."""
        output = self.directory / "cassette.json"
        wrong = self.driver_info(redfish_password="wrong")
        self.assertRaises(AuthenticationFailed, record, "redfish", wrong, output)
        machine = self.directory / "fake.toml"
        machine.write_text('fake_machine = "m"\n')
        self.assertRaises(InvalidInput, record, "fake-hardware", machine, output)
        self.assertFalse(output.exists())
        output.write_text("mine")
        self.assertRaises(FileExistsError, record, "redfish", self.driver_info(), output)
        arguments = ["record", "redfish", "--driver-info", str(self.driver_info()), "--output", str(output)]
        self.assertEqual(1, main(arguments))
        self.assertEqual("mine", output.read_text())


class RedactionTest(TestCase):
    """Test the replacement of identifying values."""

    def test_equal_values_have_equal_placeholders(self) -> None:
        """A value has one placeholder under every name, in upper and lower case, and within a path."""
        redaction = Redaction()
        mac, uuid = "AA:BB:CC:00:11:22", "5c8e1a52-9d33-4a47-8d5c-6a3f2a4f9a01"
        found = redaction.value({"MACAddress": mac, "Id": mac.lower(), "UUID": uuid, "@odata.id": f"/redfish/v1/Systems/{uuid}"})
        self.assertEqual(found["MACAddress"].lower(), found["Id"])
        self.assertNotEqual(mac.lower(), found["Id"])
        self.assertEqual(f"/redfish/v1/Systems/{found['UUID']}", found["@odata.id"])

    def test_placeholders_have_the_form_of_the_value(self) -> None:
        """Placeholders of addresses are from the ranges for documentation, and distinct for distinct addresses."""
        redaction = Redaction()
        found = redaction.value(["10.1.2.3", "10.1.2.4", "10.1.2.3", "fe80::1234:5678:9abc:def0"])
        self.assertEqual(["192.0.2.2", "192.0.2.3", "192.0.2.2"], found[:3])
        self.assertTrue(found[3].startswith("2001:db8::"))

    def test_versions_and_links_stay_unchanged(self) -> None:
        """Versions, links and dates are not replaced."""
        value = {"FirmwareVersion": "2.10.4.1", "Password": {"@odata.id": "/redfish/v1/x"}, "Time": "2026-11-27T06:13:12Z"}
        self.assertEqual(value, Redaction().value(value))
