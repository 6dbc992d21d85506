"""Deployment onto simulated machines, and the steps that clean them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import Argument, DeployInterface, InvalidInput, Phase, PowerState, Problem, Step, Task, Wait, step

POLL_SECONDS = 1.0
"""How often a burn-in is looked at."""

_SECONDS = {"seconds": Argument("How long the burn-in takes, in seconds; 1 by default.")}


class FakeDeploy(MachineAccess, DeployInterface):
    """Puts the name of an image onto a disk, and boots."""

    @step(phase=Phase.DEPLOY, priority=100)
    def deploy(self, task: Task) -> None:
        """Write the image and boot it."""
        image = str(task.node.instance_info.get("image_source") or "fake://image")
        with self.bmc(task) as bmc:
            bmc.write("write_image", lambda: setattr(bmc.machine, "disk_image", image), image=image)
        task.driver.boot.prepare_instance(task)
        task.power.set(PowerState.REBOOT)

    def tear_down(self, task: Task) -> None:
        """Switch the machine off. What is on its disk is erased by cleaning."""
        task.power.set(PowerState.OFF)
        task.driver.boot.clean_up_instance(task)

    @step(phase=Phase.CLEAN, priority=10, resumable=True)
    def erase_devices_metadata(self, task: Task) -> None:
        """Leave nothing that could be started."""
        self._erase(task, "erase_devices_metadata")

    @step(phase=Phase.CLEAN, abortable=True, resumable=True)
    def erase_devices(self, task: Task) -> None:
        """Leave nothing on the disks."""
        self._erase(task, "erase_devices")

    @step(phase=Phase.CLEAN, abortable=True, resumable=True, arguments=_SECONDS)
    @step(phase=Phase.SERVICE, abortable=True, resumable=True, arguments=_SECONDS)
    def burnin(self, task: Task, seconds: float = 1.0) -> Wait:
        """Work that goes on in the background and is polled."""
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise InvalidInput([Problem("seconds", f"{seconds!r} is not valid", "it has to be a number of at least 0")])
        with self.bmc(task) as bmc:
            bmc.write("burnin", lambda: None, seconds=seconds)
            return Wait(poll_after=min(seconds, POLL_SECONDS), state={"until": bmc.rack.clock() + seconds})

    @step(phase=Phase.CLEAN, abortable=True)
    @step(phase=Phase.SERVICE, abortable=True)
    def wait_for_event(self, task: Task) -> Wait:
        """Work that somebody else reports as done."""
        return Wait()

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """See whether the burn-in is over."""
        with self.bmc(task) as bmc:
            bmc.write("get_burnin", lambda: None)
            left = float(state.get("until", 0.0)) - bmc.rack.clock()
        return None if left <= 0 else Wait(poll_after=min(left, POLL_SECONDS), state=dict(state))

    def _erase(self, task: Task, operation: str) -> None:
        with self.bmc(task) as bmc:
            bmc.write(operation, bmc.machine.erase_disks)
