"""Deploy and inspect interfaces of the runtime: ramdisk, and those that need an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testtools import TestCase

from baremetal_interfaces import (
    BootInterface,
    InvalidInput,
    Kind,
    NotSupported,
    Phase,
    PowerState,
    PowerStateFailure,
    Task,
)
from baremetal_sdk.drivers.builtin.agent import AgentInspect, AgentRAID, AgentRescue, CustomAgentDeploy, DirectDeploy
from baremetal_sdk.drivers.builtin.network_boot import PXEBoot
from baremetal_sdk.drivers.builtin.ramdisk import RamdiskDeploy
from tests.drivers.builtin.machine import Machine


class ImageBoot(BootInterface):
    """Boot interface that records its calls."""

    def __init__(self, history: list[str]) -> None:
        super().__init__()
        self.history = history

    def prepare_instance(self, task: Task) -> None:
        self.history.append(f"prepare {task.node.instance_info.get('boot_iso')}")

    def clean_up_instance(self, task: Task) -> None:
        self.history.append("clean up")

    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        self.history.append("prepare ramdisk")

    def clean_up_ramdisk(self, task: Task) -> None:
        self.history.append("clean up ramdisk")


class TestRamdiskDeploy(TestCase):
    """Deployment of an instance that boots from an image or from the network."""

    def setUp(self) -> None:
        super().setUp()
        self.machine = Machine()
        self.boot = ImageBoot(self.machine.history)
        self.deploy = RamdiskDeploy()

    def test_deployment_is_one_resumable_step(self) -> None:
        """The deployment is a single step of priority 100, which may be repeated after a crash."""
        (step,) = self.deploy.steps_of(Phase.DEPLOY)
        self.assertEqual("deploy", step.name)
        self.assertEqual(100, step.priority)
        self.assertEqual(True, step.resumable)

    def test_machine_is_off_while_its_boot_is_prepared(self) -> None:
        """A deployment powers off, prepares the boot, and powers on, in this order."""
        task = self.machine.task(instance_info={"boot_iso": "http://h/i.iso"}, boot=self.boot, deploy=self.deploy)
        task.validate(Kind.DEPLOY)
        self.assertIsNone(task.call(Kind.DEPLOY, "deploy"))
        self.assertEqual(["power off", "prepare http://h/i.iso", "power on"], self.machine.history)
        self.assertEqual(PowerState.ON, self.machine.power.seen)

    def test_boot_is_unchanged_if_the_machine_stays_on(self) -> None:
        """A machine that does not power off ends the deployment before its boot is changed."""
        self.machine.power.stuck = True
        task = self.machine.task(instance_info={"boot_iso": "http://h/i.iso"}, boot=self.boot, deploy=self.deploy)
        self.assertRaises(PowerStateFailure, task.call, Kind.DEPLOY, "deploy")
        self.assertEqual(["power off"], self.machine.history)

    def test_tear_down_powers_off_and_cleans_up(self) -> None:
        """After a tear-down no part of the instance runs; a second one has the same effect."""
        task = self.machine.task(boot=self.boot, deploy=self.deploy)
        for _ in range(2):
            self.assertIsNone(task.call(Kind.DEPLOY, "tear_down"))
        self.assertEqual(["power off", "clean up"] * 2, self.machine.history)

    def test_invalid_image_is_refused_by_field(self) -> None:
        """The error for an invalid boot_iso names the field and does not repeat the URL, which may contain a password."""
        bad_urls = ("", "image.iso", "ftp://u:sesame@h/i.iso", "http://u:sesame@/i.iso", "http://h", "http://[h/i.iso")
        for wrong in (None, 7, *bad_urls):
            task = self.machine.task(instance_info={"boot_iso": wrong}, boot=self.boot, deploy=self.deploy)
            error = self.assertRaises(InvalidInput, task.validate, Kind.DEPLOY)
            self.assertEqual(["instance_info/boot_iso"], [problem.field for problem in error.problems], str(wrong))
            self.assertIn("http, https, nfs, cifs", str(error))
            self.assertNotIn("sesame", str(error))

    def test_network_boot_needs_no_image(self) -> None:
        """The boot server chooses the image of a network boot, but an image that is given is checked."""
        boot = PXEBoot()
        task = self.machine.task(boot=boot, deploy=self.deploy)
        task.validate(Kind.DEPLOY)
        task.call(Kind.DEPLOY, "deploy")
        self.assertEqual(["power off", "pxe once", "power on"], self.machine.history)
        wrong = self.machine.task(instance_info={"boot_iso": "nonsense"}, boot=boot, deploy=self.deploy)
        self.assertRaises(InvalidInput, wrong.validate, Kind.DEPLOY)


class TestAgentNames(TestCase):
    """Interfaces that need an agent can be selected but not run."""

    def test_validation_names_the_alternative(self) -> None:
        """The error names the field, the value and the interface to select instead."""
        for cls, name in ((DirectDeploy, "'direct'"), (CustomAgentDeploy, "'custom-agent'")):
            error = self.assertRaises(InvalidInput, Machine().task(deploy=cls()).validate, Kind.DEPLOY)
            self.assertEqual("deploy_interface", error.problems[0].field)
            self.assertIn(name, str(error))
            self.assertIn("select 'ramdisk' instead", str(error))
        error = self.assertRaises(InvalidInput, Machine().task(inspect=AgentInspect()).validate, Kind.INSPECT)
        self.assertIn("inspect_interface: 'agent'", str(error))

    def test_step_does_nothing(self) -> None:
        """A deployment or inspection that skips the validation is refused before it changes the machine."""
        machine = Machine()
        self.assertRaises(NotSupported, machine.task(deploy=DirectDeploy()).call, Kind.DEPLOY, "deploy")
        self.assertRaises(NotSupported, machine.task(inspect=AgentInspect()).call, Kind.INSPECT, "inspect")
        self.assertEqual([], machine.history)

    def test_automated_cleaning_is_refused(self) -> None:
        """The error names the setting with which the node becomes available without cleaning."""
        for cls in (DirectDeploy, CustomAgentDeploy):
            task = Machine().task(deploy=cls())
            error = self.assertRaises(InvalidInput, task.call, Kind.DEPLOY, "validate_cleaning")
            self.assertIn("automated_clean=false", str(error))
        Machine().task(deploy=RamdiskDeploy()).call(Kind.DEPLOY, "validate_cleaning")

    def test_raid_stores_targets_and_refuses_steps(self) -> None:
        """A target for software RAID is checked against the vocabulary; the error of a step names the interface."""
        task = Machine().task(raid=AgentRAID())
        drives = [{"size": "> 100"}, {"size": "> 100"}]
        disk = {"size_gb": "MAX", "raid_level": "1", "controller": "software", "physical_disks": drives}
        task.call(Kind.RAID, "validate_raid_config", {"logical_disks": [disk]})
        wrong = {"logical_disks": [{**disk, "disk_type": "tape"}]}
        self.assertRaises(InvalidInput, task.call, Kind.RAID, "validate_raid_config", wrong)
        for name in ("create_configuration", "delete_configuration"):
            error = self.assertRaises(NotSupported, task.call, Kind.RAID, name)
            self.assertIn("raid_interface: 'agent' needs an agent", str(error))
        error = self.assertRaises(InvalidInput, task.validate, Kind.RAID)
        self.assertIn("'no-raid'", str(error))

    def test_rescue_is_refused(self) -> None:
        """Validation and both methods name the interface; the clean-up after a failure is no error."""
        task = Machine().task(rescue=AgentRescue())
        for name, kind in (("rescue", NotSupported), ("unrescue", NotSupported), ("validate", InvalidInput)):
            error = self.assertRaises(kind, task.call, Kind.RESCUE, name)
            self.assertIn("rescue_interface: 'agent' needs an agent", str(error))
        task.call(Kind.RESCUE, "clean_up")

    def test_adopted_machine_is_torn_down(self) -> None:
        """The tear-down of an adopted machine powers it off."""
        machine = Machine()
        task = machine.task(boot=PXEBoot(), deploy=DirectDeploy())
        self.assertIsNone(task.call(Kind.DEPLOY, "tear_down"))
        self.assertEqual(PowerState.OFF, machine.power.seen)
