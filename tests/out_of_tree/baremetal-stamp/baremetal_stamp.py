"""Deploy interface that boots a machine from its disk, which already contains an image."""

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
    """State of the deployed node."""

    image: str = ""


class StampDeploy(DeployInterface):
    """Deploy interface that attaches to the hardware type redfish."""

    contract_version = (1, 0)
    attaches_to = ("redfish",)
    state_type = Stamped

    def validate(self, task: Task) -> None:
        """Require the name of the image."""
        if not task.node.instance_info.get("stamp"):
            raise InvalidInput([Problem("instance_info/stamp", "is required", "the name of the image on the disk")])

    @step(phase="deploy", priority=100)
    def boot_the_disk(self, task: Task) -> Wait:
        """Make the disk the persistent boot device, power-cycle the machine, and poll it."""
        task.power.set(PowerState.OFF)
        task.driver.management.set_boot_device(task, BootDevice.DISK, persistent=True)
        task.power.set(PowerState.ON)
        task.state("deploy").image = str(task.node.instance_info["stamp"])
        return Wait(poll_after=0.1, state={"image": task.node.instance_info["stamp"]})

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """Complete the step once the machine is on."""
        return None if task.power.get() is PowerState.ON else Wait(poll_after=0.1, state=state)

    def tear_down(self, task: Task) -> Wait | None:
        """Switch the machine off."""
        task.power.set(PowerState.OFF)
        task.state("deploy").image = ""
        return None
