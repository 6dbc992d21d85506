"""Volumes of simulated machines."""

from __future__ import annotations

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import StorageInterface, Task


class FakeStorage(MachineAccess, StorageInterface):
    """Remembers whether the volumes are attached."""

    def attach_volumes(self, task: Task) -> None:
        """Attach them."""
        self._attach(task, True)

    def detach_volumes(self, task: Task) -> None:
        """Detach them."""
        self._attach(task, False)

    def _attach(self, task: Task, attached: bool) -> None:
        with self.bmc(task) as bmc:
            bmc.write("set_volumes", lambda: setattr(bmc.machine, "volumes_attached", attached), attached=attached)
