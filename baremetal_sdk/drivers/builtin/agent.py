"""Interfaces that need an agent on the machine. Nodes can select them, but this release cannot run them."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from baremetal_interfaces import (
    DeployInterface,
    InspectInterface,
    Inspection,
    InvalidInput,
    NotSupported,
    PowerState,
    Problem,
    RAIDInterface,
    RescueInterface,
    Task,
    Wait,
    step,
)


def _build_problem(field: str, name: str, instead: str) -> Problem:
    wrong = f"{name!r} needs an agent on the machine, which this release does not support"
    return Problem(field, wrong, f"select {instead} instead")


class AgentDeploy(DeployInterface):
    """Deploy interface that is accepted for a node but refuses to deploy it, so that clients can enroll and manage the node."""

    name: ClassVar[str]

    def validate(self, task: Task) -> None:
        """Raise InvalidInput with the interface to select instead."""
        raise InvalidInput([self._problem()])

    @step(phase="deploy", priority=100)
    def deploy(self, task: Task) -> None:
        """Raise NotSupported with the interface to select instead."""
        raise NotSupported(str(self._problem()))

    def validate_cleaning(self, task: Task) -> None:
        """Raise InvalidInput: an agent would erase the disks, and without one the machine would not be cleaned."""
        allowed = "set automated_clean=false on the node, and clean the machine yourself"
        wrong = f"automated cleaning with {self.name!r} needs an agent on the machine, which this release does not support"
        raise InvalidInput([Problem("deploy_interface", wrong, allowed)])

    def tear_down(self, task: Task) -> Wait | None:
        """Power off the machine and clean up its boot. Another system may have deployed the machine before it was adopted."""
        task.power.set(PowerState.OFF)
        task.driver.boot.clean_up_instance(task)
        return None

    def _problem(self) -> Problem:
        return _build_problem("deploy_interface", self.name, "'ramdisk'")


class DirectDeploy(AgentDeploy):
    """Deploy interface ``direct``: an agent writes an image to a disk. Not supported in this release."""

    name = "direct"


class CustomAgentDeploy(AgentDeploy):
    """Deploy interface ``custom-agent``: an agent runs the node's own deploy steps. Not supported in this release."""

    name = "custom-agent"


class AgentInspect(InspectInterface):
    """Inspect interface ``agent``: an agent reports the machine's hardware. Not supported in this release."""

    def validate(self, task: Task) -> None:
        """Raise InvalidInput with the interface to select instead."""
        raise InvalidInput([self._problem()])

    def inspect(self, task: Task) -> Inspection | Wait:
        """Raise NotSupported with the interface to select instead."""
        raise NotSupported(str(self._problem()))

    def _problem(self) -> Problem:
        return _build_problem("inspect_interface", "agent", "one that asks the BMC, such as 'redfish', or 'no-inspect'")


class AgentRAID(RAIDInterface):
    """RAID interface ``agent``: an agent creates software RAID. It stores valid targets but refuses the steps."""

    def validate(self, task: Task) -> None:
        """Raise InvalidInput with the interface to select instead."""
        raise InvalidInput([_build_raid_problem()])

    @step(phase="clean")
    @step(phase="deploy")
    @step(phase="service")
    def create_configuration(
        self, task: Task, create_root_volume: bool = True, create_nonroot_volumes: bool = True, delete_existing: bool = False
    ) -> NoReturn:
        """Raise NotSupported with the interface to select instead."""
        raise NotSupported(str(_build_raid_problem()))

    @step(phase="clean")
    @step(phase="deploy")
    @step(phase="service")
    def delete_configuration(self, task: Task) -> NoReturn:
        """Raise NotSupported with the interface to select instead."""
        raise NotSupported(str(_build_raid_problem()))


def _build_raid_problem() -> Problem:
    return _build_problem("raid_interface", "agent", "one that asks the BMC, such as 'redfish', or 'no-raid'")


class AgentRescue(RescueInterface):
    """Rescue interface ``agent``: an agent is the rescue system. Not supported in this release."""

    def validate(self, task: Task) -> None:
        """Raise InvalidInput with the interface to select instead."""
        raise InvalidInput([self._problem()])

    def rescue(self, task: Task) -> NoReturn:
        """Raise NotSupported with the interface to select instead."""
        raise NotSupported(str(self._problem()))

    def unrescue(self, task: Task) -> NoReturn:
        """Raise NotSupported with the interface to select instead."""
        raise NotSupported(str(self._problem()))

    def _problem(self) -> Problem:
        return _build_problem("rescue_interface", "agent", "'no-rescue'")
