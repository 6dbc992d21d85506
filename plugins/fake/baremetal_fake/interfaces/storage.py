"""Storage interface of ``fake-hardware``, which records whether volumes are attached."""

from __future__ import annotations

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import StorageInterface, Task


class FakeStorage(MachineAccess, StorageInterface):
    """Storage interface ``fake``, which only records whether the volumes of a simulated machine are attached."""

    def attach_volumes(self, task: Task) -> None:
        """Record that the volumes are attached."""
        self._attach(task, True)

    def detach_volumes(self, task: Task) -> None:
        """Record that the volumes are detached."""
        self._attach(task, False)

    def _attach(self, task: Task, attached: bool) -> None:
        with self.bmc(task) as bmc:
            bmc.write("set_volumes", lambda: setattr(bmc.machine, "volumes_attached", attached), attached=attached)
