"""Deploy interface of ``fake-hardware``: deployment, and steps that clean and service simulated machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import Argument, DeployInterface, InvalidInput, Phase, PowerState, Problem, Step, Task, Wait, step

POLL_INTERVAL_S = 1.0
"""Maximum seconds between two polls of a burn-in."""

_BURNIN_ARGUMENTS = {"seconds": Argument("Duration of the burn-in in seconds; default: 1.")}


class FakeDeploy(MachineAccess, DeployInterface):
    """Deploy interface ``fake``. A deployment only records the name of the image on the simulated disk and copies no data."""

    @step(phase=Phase.DEPLOY, priority=100)
    def deploy(self, task: Task) -> None:
        """Record the node's ``image_source`` as the image on the disk, set the disk as boot device, and reboot."""
        image = str(task.node.instance_info.get("image_source") or "fake://image")
        with self.bmc(task) as bmc:
            bmc.write("write_image", lambda: setattr(bmc.machine, "disk_image", image), image=image)
        task.driver.boot.prepare_instance(task)
        task.power.set(PowerState.REBOOT)

    def tear_down(self, task: Task) -> None:
        """Switch the machine off and clear the boot override. The disk keeps its image until cleaning."""
        task.power.set(PowerState.OFF)
        task.driver.boot.clean_up_instance(task)

    @step(phase=Phase.CLEAN, priority=10, resumable=True)
    def erase_devices_metadata(self, task: Task) -> None:
        """Erase the disk, so that the machine cannot boot from it."""
        self._erase(task, "erase_devices_metadata")

    @step(phase=Phase.CLEAN, abortable=True, resumable=True)
    def erase_devices(self, task: Task) -> None:
        """Erase all disks of the machine."""
        self._erase(task, "erase_devices")

    @step(phase=Phase.CLEAN, abortable=True, resumable=True, arguments=_BURNIN_ARGUMENTS)
    @step(phase=Phase.SERVICE, abortable=True, resumable=True, arguments=_BURNIN_ARGUMENTS)
    def burnin(self, task: Task, seconds: float = 1.0) -> Wait:
        """Start a simulated burn-in of *seconds*, and return a wait until its first poll. The burn-in does no work."""
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise InvalidInput([Problem("seconds", f"{seconds!r} is not valid", "it must be a number of 0 or more")])
        with self.bmc(task) as bmc:
            bmc.write("burnin", lambda: None, seconds=seconds)
            return Wait(poll_after=min(seconds, POLL_INTERVAL_S), state={"until": bmc.rack.clock() + seconds})

    @step(phase=Phase.CLEAN, abortable=True)
    @step(phase=Phase.SERVICE, abortable=True)
    def wait_for_event(self, task: Task) -> Wait:
        """Return a wait without a poll: the step ends when a client reports its end."""
        return Wait()

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """Return None if the burn-in has ended, or the wait until the next poll."""
        with self.bmc(task) as bmc:
            bmc.write("get_burnin", lambda: None)
            left = float(state.get("until", 0.0)) - bmc.rack.clock()
        return None if left <= 0 else Wait(poll_after=min(left, POLL_INTERVAL_S), state=dict(state))

    def _erase(self, task: Task, operation: str) -> None:
        with self.bmc(task) as bmc:
            bmc.write(operation, bmc.machine.erase_disks)
