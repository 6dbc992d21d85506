"""Recording a BMC, and replaying it: what identifies is gone, and the driver makes the same of it."""

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
from baremetal_sdk.cli.record import ask, best_interfaces, record, set_boot
from baremetal_sdk.drivers.loader import discover

USERNAME, PASSWORD = "admiral", "s3same/open"


class RecordTest(TestCase):
    """A BMC with TLS, and a cassette of it."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.service = RedfishService(1, tls=True, options=BMCOptions(Account(USERNAME, PASSWORD)))
        self.service.start()
        self.addCleanup(self.service.stop)

    def driver_info(self, **changes: Any) -> Path:
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

    def test_replayed_cassette_gives_the_answers_of_the_machine(self) -> None:
        """The driver reads from the cassette what it read from the BMC, after it has been redacted."""
        output = self.directory / "cassette.json"
        self.assertGreater(record("redfish", self.driver_info(), output), 20)
        cassette = Cassette.load(output)
        interfaces = best_interfaces(discover(), cassette.hardware_type)
        with Replay(cassette) as replay:
            answers = ask(interfaces, {**cassette.driver_info, "redfish_address": replay.url})
        self.assertEqual([], replay.missing)
        self.assertEqual("<PowerState.OFF: 'power off'>", answers["power.get_power_state"])
        self.assertEqual(dict(cassette.answers), answers)

    def test_change_that_is_recorded_is_replayed_with_what_came_of_it(self) -> None:
        """A read after the change has the answer that came after it; what was sent otherwise was not recorded."""
        output = self.directory / "cassette.json"
        record("redfish", self.driver_info(), output, boot=True)
        cassette = Cassette.load(output)
        self.assertIn("BootDevice.PXE", cassette.answers["boot.device"])
        interfaces = best_interfaces(discover(), cassette.hardware_type)
        with Replay(cassette) as replay:
            reached = {**cassette.driver_info, "redfish_address": replay.url}
            before = ask(interfaces, reached)["management.get_boot_device"]
            self.assertEqual("BootDeviceSetting(device=None, persistent=None)", before)
            answers = set_boot(interfaces, reached)
            self.assertEqual([], replay.missing)
            task = LocalTask(interfaces, reached)
            self.assertRaises(BareMetalError, task.call, "management", "set_boot_device", BootDevice.DISK)
            self.assertIn('"Hdd"', replay.missing[0])
        self.assertEqual({name: text for name, text in cassette.answers.items() if name.startswith("boot.")}, answers)

    def test_nothing_that_identifies_is_on_the_cassette(self) -> None:
        """No address, MAC address, serial number, account, password, or token."""
        output = self.directory / "cassette.json"
        record("redfish", self.driver_info(), output)
        text = output.read_text()
        inventory = self.service.machine(0).inventory
        identifying = [inventory.serial, *(nic.mac for nic in inventory.nics), *(disk.serial for disk in inventory.disks)]
        for one in ("127.0.0.1", USERNAME, PASSWORD, *identifying):
            self.assertNotIn(one.lower(), text.lower())

    def test_what_cannot_be_recorded_leaves_no_cassette(self) -> None:
        """A refused account, a driver that speaks no HTTP, and a file that is there already."""
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
    """What is replaced, and by what."""

    def test_same_thing_has_the_same_stand_in_everywhere(self) -> None:
        """Under whatever name, in whatever case, and within a path."""
        redaction = Redaction()
        mac, uuid = "AA:BB:CC:00:11:22", "5c8e1a52-9d33-4a47-8d5c-6a3f2a4f9a01"
        found = redaction.value({"MACAddress": mac, "Id": mac.lower(), "UUID": uuid, "@odata.id": f"/redfish/v1/Systems/{uuid}"})
        self.assertEqual(found["MACAddress"].lower(), found["Id"])
        self.assertNotEqual(mac.lower(), found["Id"])
        self.assertEqual(f"/redfish/v1/Systems/{found['UUID']}", found["@odata.id"])

    def test_stand_ins_are_of_the_same_form(self) -> None:
        """An address is one that is kept for examples; two addresses have two."""
        redaction = Redaction()
        found = redaction.value(["10.1.2.3", "10.1.2.4", "10.1.2.3", "fe80::1234:5678:9abc:def0"])
        self.assertEqual(["192.0.2.2", "192.0.2.3", "192.0.2.2"], found[:3])
        self.assertTrue(found[3].startswith("2001:db8::"))

    def test_versions_and_links_are_left(self) -> None:
        """A version is no address, and a link has to lead somewhere."""
        value = {"FirmwareVersion": "2.10.4.1", "Password": {"@odata.id": "/redfish/v1/x"}, "Time": "2026-11-27T06:13:12Z"}
        self.assertEqual(value, Redaction().value(value))
