"""Volumes of simulated machines."""

from __future__ import annotations

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import StorageInterface, Task


class FakeStorage(MachineAccess, StorageInterface):
    """Storage interface of a simulated machine, which records whether its volumes are attached."""

    def attach_volumes(self, task: Task) -> None:
        """Attach the volumes."""
        self._attach(task, True)

    def detach_volumes(self, task: Task) -> None:
        """Detach the volumes."""
        self._attach(task, False)

    def _attach(self, task: Task, attached: bool) -> None:
        with self.bmc(task) as bmc:
            bmc.write("set_volumes", lambda: setattr(bmc.machine, "volumes_attached", attached), attached=attached)
