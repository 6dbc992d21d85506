"""Boot flags, byte by byte, at a BMC that stores them according to the specification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fixtures import FakeLogger
from testtools import TestCase

from baremetal_interfaces import BootDevice, BootDeviceSetting, LocalTask, Node
from baremetal_interfaces.conformance import Subject
from baremetal_interfaces.conformance.machine_rules import boot_devices_are_set_and_read_back
from baremetal_ipmi import IPMIManagement
from baremetal_ipmi.errors import CommandRefused
from baremetal_ipmi.management import boots_in_uefi_mode

SET, GET = 0x08, 0x09


class Flags:
    """Boot options of one BMC, in place of a session."""

    def __init__(self) -> None:
        self.flags = bytes(5)
        self.kept = False
        self.refuses_to_keep = False

    def get_for_route(self, route: object) -> Flags:
        """Return the BMC itself."""
        return self

    def request(self, netfn: int, command: int, data: Sequence[int] = (), *, deadline: Any) -> bytes:
        """Set or get a boot option."""
        assert netfn == 0
        if command == GET and data[0] == 5:
            return bytes([1, 5]) + self.flags
        assert command == SET
        if data[0] == 3:
            if self.refuses_to_keep:
                raise CommandRefused(0x80, "parameter not supported")
            self.kept = bool(data[1] & 0x08)
        else:
            assert (data[0], len(data)) == (5, 6)
            self.flags = bytes(data[1:])
        return b""


class FlagsTask(LocalTask):
    """Task whose session is the boot options of a BMC."""

    bmc: Flags

    @contextmanager
    def session(self, connector: Any) -> Iterator[Any]:
        yield self.bmc


class TestBootFlags(TestCase):
    """Bytes that are sent, and the meaning of bytes that are read."""

    def setUp(self) -> None:
        super().setUp()
        self.bmc = Flags()

    def task(self, **node: Any) -> LocalTask:
        info = {"ipmi_address": "h", **node.pop("info", {})}
        task = FlagsTask({"management": IPMIManagement()}, info, node=Node(uuid="u", **node))
        task.bmc = self.bmc
        return task

    def test_first_byte_contains_valid_persistent_and_uefi(self) -> None:
        """The first byte contains the flags, and the second the device selector."""
        self.task().call("management", "set_boot_device", BootDevice.PXE)
        self.assertEqual("a004000000", self.bmc.flags.hex())
        self.task().call("management", "set_boot_device", BootDevice.DISK, persistent=True)
        self.assertEqual("e008000000", self.bmc.flags.hex())

    def test_bios_node_does_not_request_uefi(self) -> None:
        """The node's capability ``boot_mode:bios`` clears the UEFI flag."""
        self.task(properties={"capabilities": "boot_mode:bios"}).call("management", "set_boot_device", BootDevice.CDROM)
        self.assertEqual("8014000000", self.bmc.flags.hex())

    def test_every_device_is_read_back_as_it_was_set(self) -> None:
        """At a BMC that stores its flags, the conformance kit's rule holds for every device."""
        bmc = self.bmc

        class FlagsSubject(Subject):
            def task(self, driver_info: Any = None, timeout: Any = None) -> LocalTask:
                task = FlagsTask(self.interfaces, self.driver_info)
                task.bmc = bmc
                return task

        boot_devices_are_set_and_read_back(FlagsSubject({"management": IPMIManagement}, {"ipmi_address": "h"}))

    def test_invalid_and_unknown_flags_have_no_device(self) -> None:
        """Invalid flags, and an unknown device selector, are not reported as a boot device."""
        for flags in ("2004000000", "0000000000"):
            self.bmc.flags = bytes.fromhex(flags)
            self.assertEqual(BootDeviceSetting(None, None), self.task().call("management", "get_boot_device"))
        self.bmc.flags = bytes.fromhex("c01c000000")
        self.assertEqual(BootDeviceSetting(None, True), self.task().call("management", "get_boot_device"))

    def test_boot_device_outlives_the_timeout_of_the_bmc(self) -> None:
        """The timeout of 60 seconds is disabled unless the node forbids it; a BMC that cannot still sets the boot device."""
        self.task(info={"ipmi_disable_boot_timeout": False}).call("management", "set_boot_device", BootDevice.PXE)
        self.assertFalse(self.bmc.kept)
        self.task().call("management", "set_boot_device", BootDevice.PXE)
        self.assertTrue(self.bmc.kept)
        self.bmc.refuses_to_keep = True
        lines = self.useFixture(FakeLogger())
        self.task().call("management", "set_boot_device", BootDevice.BIOS)
        self.assertEqual("a018000000", self.bmc.flags.hex())
        self.assertIn("may be forgotten after 60 seconds", lines.output)


class TestBootMode(TestCase):
    """Firmware mode of a node's boot."""

    def test_sources_of_the_boot_mode(self) -> None:
        """The instance has precedence over the properties, and UEFI is the default; both forms of capabilities are read."""
        cases: list[tuple[bool, Any, Any]] = [
            (True, {}, {}),
            (False, {}, {"capabilities": "cpu_vt:true,boot_mode:bios"}),
            (True, {}, {"capabilities": {"boot_mode": "uefi"}}),
            (True, {"capabilities": {"boot_mode": "uefi"}}, {"capabilities": "boot_mode:bios"}),
            (False, {"capabilities": "boot_mode:bios"}, {}),
            (True, {"capabilities": None}, {"capabilities": 7}),
        ]
        for uefi, instance_info, properties in cases:
            self.assertEqual(uefi, boots_in_uefi_mode(Node(uuid="u", instance_info=instance_info, properties=properties)))
