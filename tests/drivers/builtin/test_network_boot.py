"""Network boot from servers that this project does not run."""

from __future__ import annotations

import logging

from fixtures import FakeLogger
from testtools import TestCase

from baremetal_interfaces import BootDevice, InvalidInput, Kind, NotSupported, UnexpectedAnswer
from baremetal_sdk.drivers.builtin.network_boot import IPXEBoot, PXEBoot
from baremetal_sdk.drivers.builtin.noop import NoopManagement
from tests.drivers.builtin.machine import Machine, MachineManagement


class DiskOnly(MachineManagement):
    """Management interface that cannot set the network as the boot device."""

    supported_boot_devices = frozenset({BootDevice.DISK})


class Forgetful(MachineManagement):
    """Management interface that accepts every boot device and stores none."""

    def set_boot_device(self, task: object, device: BootDevice, persistent: bool = False) -> None:
        self.history.append("lost")


class TestNetworkBoot(TestCase):
    """Boot devices that the network boot interfaces set."""

    def test_instance_and_ramdisk_boot_once_from_the_network(self) -> None:
        """PXE and iPXE set the boot device for the next boot and leave the power state unchanged."""
        for boot in (PXEBoot(), IPXEBoot()):
            machine = Machine()
            task = machine.task(boot=boot)
            task.call(Kind.BOOT, "prepare_instance")
            task.call(Kind.BOOT, "prepare_ramdisk", {"ipa-debug": "1"})
            self.assertEqual(["pxe once", "pxe once"], machine.history)

    def test_persistent_boot_device(self) -> None:
        """force_persistent_boot_device=Always sets the boot device for every boot."""
        machine = Machine()
        machine.task({"force_persistent_boot_device": "Always"}, boot=PXEBoot()).call(Kind.BOOT, "prepare_instance")
        self.assertEqual(["pxe always"], machine.history)

    def test_unknown_persistence_is_refused(self) -> None:
        """The error names the option and its allowed values."""
        task = Machine().task({"force_persistent_boot_device": "Sometimes"}, boot=PXEBoot())
        error = self.assertRaises(InvalidInput, task.validate, Kind.BOOT)
        self.assertEqual("driver_info/force_persistent_boot_device", error.problems[0].field)
        self.assertIn("Default, Always, Never", str(error))

    def test_noop_management_leaves_the_boot_device(self) -> None:
        """With the noop management interface no boot device is set, and the log says so."""
        lines = self.useFixture(FakeLogger(level=logging.INFO))
        machine = Machine()
        machine.management = NoopManagement()
        machine.task(boot=PXEBoot()).call(Kind.BOOT, "prepare_instance")
        self.assertEqual([], machine.history)
        self.assertIn("node n1: the management interface sets no boot devices", lines.output)

    def test_machine_without_network_boot_is_refused(self) -> None:
        """A management interface that lacks the network as a boot device is refused before any change."""
        machine = Machine()
        machine.management = DiskOnly(machine.history)
        for info in ({}, {"force_persistent_boot_device": "Always"}):
            error = self.assertRaises(NotSupported, machine.task(info, boot=PXEBoot()).call, Kind.BOOT, "prepare_instance")
            self.assertIn("supported boot devices: disk", str(error))
            self.assertEqual([], machine.history)

    def test_lost_setting_is_an_error(self) -> None:
        """A boot device that reads back differently is an error, for one boot and for every boot."""
        for info in ({}, {"force_persistent_boot_device": "Always"}):
            machine = Machine()
            machine.management = Forgetful(machine.history)
            task = machine.task(info, boot=PXEBoot())
            error = self.assertRaises(UnexpectedAnswer, task.call, Kind.BOOT, "prepare_instance")
            self.assertIn("the BMC reports disk", str(error))

    def test_clean_up_changes_nothing(self) -> None:
        """Cleaning up sends nothing to the machine, also when repeated."""
        machine = Machine()
        task = machine.task(boot=PXEBoot())
        for _ in range(2):
            task.call(Kind.BOOT, "clean_up_instance")
            task.call(Kind.BOOT, "clean_up_ramdisk")
        self.assertEqual([], machine.history)
