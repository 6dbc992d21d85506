"""Booting from a network that somebody else runs."""

from __future__ import annotations

import logging

from fixtures import FakeLogger
from testtools import TestCase

from baremetal_interfaces import BootDevice, InvalidInput, Kind, NotSupported, UnexpectedAnswer
from baremetal_sdk.drivers.builtin.network_boot import IPXEBoot, PXEBoot
from baremetal_sdk.drivers.builtin.noop import NoopManagement
from tests.drivers.builtin.machine import Machine, MachineManagement


class DiskOnly(MachineManagement):
    """Cannot boot from a network."""

    supported_boot_devices = frozenset({BootDevice.DISK})


class Forgetful(MachineManagement):
    """Takes every setting and keeps none."""

    def set_boot_device(self, task: object, device: BootDevice, persistent: bool = False) -> None:
        self.history.append("forgotten")


class TestNetworkBoot(TestCase):
    """The boot device is set, and nothing more."""

    def test_instance_and_ramdisk_boot_once_from_the_network(self) -> None:
        """Both names tell the BMC once, and power stays as it is."""
        for boot in (PXEBoot(), IPXEBoot()):
            machine = Machine()
            task = machine.task(boot=boot)
            task.call(Kind.BOOT, "prepare_instance")
            task.call(Kind.BOOT, "prepare_ramdisk", {"ipa-debug": "1"})
            self.assertEqual(["pxe once", "pxe once"], machine.history)

    def test_boot_device_is_persistent_where_it_was_asked_for(self) -> None:
        """force_persistent_boot_device=Always sets the boot device for every boot."""
        machine = Machine()
        machine.task({"force_persistent_boot_device": "Always"}, boot=PXEBoot()).call(Kind.BOOT, "prepare_instance")
        self.assertEqual(["pxe always"], machine.history)

    def test_unknown_persistence_is_refused_by_name(self) -> None:
        """The error names the option and what it may be."""
        task = Machine().task({"force_persistent_boot_device": "Sometimes"}, boot=PXEBoot())
        error = self.assertRaises(InvalidInput, task.validate, Kind.BOOT)
        self.assertEqual("driver_info/force_persistent_boot_device", error.problems[0].field)
        self.assertIn("Default, Always, Never", str(error))

    def test_boot_device_is_left_alone_where_nobody_can_set_it(self) -> None:
        """With the noop management interface nothing is set, and the log says so."""
        lines = self.useFixture(FakeLogger(level=logging.INFO))
        machine = Machine()
        machine.management = NoopManagement()
        machine.task(boot=PXEBoot()).call(Kind.BOOT, "prepare_instance")
        self.assertEqual([], machine.history)
        self.assertIn("node n1: the management interface sets no boot devices", lines.output)

    def test_machine_that_cannot_boot_from_the_network_is_refused(self) -> None:
        """Where boot devices are set but not this one, that is said before anything is changed."""
        machine = Machine()
        machine.management = DiskOnly(machine.history)
        for info in ({}, {"force_persistent_boot_device": "Always"}):
            error = self.assertRaises(NotSupported, machine.task(info, boot=PXEBoot()).call, Kind.BOOT, "prepare_instance")
            self.assertIn("supported: disk", str(error))
            self.assertEqual([], machine.history)

    def test_setting_that_does_not_stay_is_an_error(self) -> None:
        """What reads back differently was not set, once or for every boot."""
        for info in ({}, {"force_persistent_boot_device": "Always"}):
            machine = Machine()
            machine.management = Forgetful(machine.history)
            task = machine.task(info, boot=PXEBoot())
            error = self.assertRaises(UnexpectedAnswer, task.call, Kind.BOOT, "prepare_instance")
            self.assertIn("now says disk", str(error))

    def test_clean_up_changes_nothing_and_may_be_repeated(self) -> None:
        """Nothing is kept, so nothing is undone."""
        machine = Machine()
        task = machine.task(boot=PXEBoot())
        for _ in range(2):
            task.call(Kind.BOOT, "clean_up_instance")
            task.call(Kind.BOOT, "clean_up_ramdisk")
        self.assertEqual([], machine.history)
