"""Deploys by making a machine boot from its disk, which somebody has stamped beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import (
    BootDevice,
    DeployInterface,
    DriverState,
    InvalidInput,
    PowerState,
    Problem,
    Step,
    Task,
    Wait,
    step,
)


@dataclass
class Stamped(DriverState):
    """What is kept about a node."""

    image: str = ""


class StampDeploy(DeployInterface):
    """Attaches itself to a hardware type of somebody else's."""

    contract_version = (1, 0)
    attaches_to = ("redfish",)
    state_type = Stamped

    def validate(self, task: Task) -> None:
        """The image has to be named."""
        if not task.node.instance_info.get("stamp"):
            raise InvalidInput([Problem("instance_info/stamp", "is required", "the name of the image on the disk")])

    @step(phase="deploy", priority=100)
    def boot_the_disk(self, task: Task) -> Wait:
        """Make the disk the boot device of every boot, start the machine, and look at it again."""
        task.power.set(PowerState.OFF)
        task.driver.management.set_boot_device(task, BootDevice.DISK, persistent=True)
        task.power.set(PowerState.ON)
        task.state("deploy").image = str(task.node.instance_info["stamp"])
        return Wait(poll_after=0.1, state={"image": task.node.instance_info["stamp"]})

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """It is over when the machine runs."""
        return None if task.power.get() is PowerState.ON else Wait(poll_after=0.1, state=state)

    def tear_down(self, task: Task) -> Wait | None:
        """Switch it off."""
        task.power.set(PowerState.OFF)
        task.state("deploy").image = ""
        return None
