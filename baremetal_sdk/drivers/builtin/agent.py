"""The names of what needs an agent that runs on the machine. They can be selected, and say that this release has none."""

from __future__ import annotations

from typing import ClassVar

from baremetal_interfaces import (
    DeployInterface,
    InspectInterface,
    Inspection,
    InvalidInput,
    NotSupported,
    PowerState,
    Problem,
    Task,
    Wait,
    step,
)


def _problem(field: str, name: str, instead: str) -> Problem:
    wrong = f"{name!r} needs an agent on the machine, which this release does not have"
    return Problem(field, wrong, f"select {instead} instead")


class AgentDeploy(DeployInterface):
    """Accepts a node that names it, so that clients can enrol and manage it, and refuses to deploy it."""

    name: ClassVar[str]

    def validate(self, task: Task) -> None:
        """Refuse, and say what to select instead."""
        raise InvalidInput([self._problem()])

    @step(phase="deploy", priority=100)
    def deploy(self, task: Task) -> None:
        """Refuse, and say what to select instead."""
        raise NotSupported(str(self._problem()))

    def tear_down(self, task: Task) -> Wait | None:
        """Switch the machine off: it may have been deployed by others and adopted."""
        task.power.set(PowerState.OFF)
        task.driver.boot.clean_up_instance(task)
        return None

    def _problem(self) -> Problem:
        return _problem("deploy_interface", self.name, "'ramdisk'")


class DirectDeploy(AgentDeploy):
    """``direct``: an agent writes an image to a disk. Not in this release."""

    name = "direct"


class CustomAgentDeploy(AgentDeploy):
    """``custom-agent``: an agent runs steps of its own. Not in this release."""

    name = "custom-agent"


class AgentInspect(InspectInterface):
    """``agent``: an agent reports what the machine is made of. Not in this release."""

    def validate(self, task: Task) -> None:
        """Refuse, and say what to select instead."""
        raise InvalidInput([self._problem()])

    def inspect(self, task: Task) -> Inspection | Wait:
        """Refuse, and say what to select instead."""
        raise NotSupported(str(self._problem()))

    def _problem(self) -> Problem:
        return _problem("inspect_interface", "agent", "one that asks the BMC, such as 'redfish', or 'no-inspect'")
