"""Vendor interface of ``fake-hardware``: methods that show the true state of a simulated machine, or set its fault plan."""

from __future__ import annotations

from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_fake.faults import Effect, FaultPlan
from baremetal_interfaces import Task, VendorInterface, driver_passthru, passthru


class FakeVendor(MachineAccess, VendorInterface):
    """Vendor interface ``fake``. Its methods act on the simulated machine itself, not on its BMC."""

    @driver_passthru(["GET"], description="List the effects that a fault plan can use.")
    def effects(self) -> list[str]:
        """Return the names of the effects that a fault can have."""
        return [str(effect) for effect in Effect]

    @passthru(["GET"], background=False, description="Show the true state of the machine and the commands that its BMC received.")
    def machine(self, task: Task) -> dict[str, Any]:
        """Return the true power, the last boot and the command log of the machine as a JSON object."""
        with self.bmc(task) as bmc:
            machine = bmc.machine
            last = machine.last_boot
        return {
            "name": machine.name,
            "power": machine.power.value,
            "boot_count": machine.boot_count,
            "last_boot": None if last is None else {"device": last.device.value, "mode": last.mode.value, "image": last.image},
            "commands": [
                {"at": command.at, "operation": command.operation, **command.arguments} for command in machine.commands()
            ],
        }

    @passthru(["PUT"], background=False, description="Replace the fault plan of the machine by the list in 'faults'.")
    def faults(self, task: Task, faults: Any = ()) -> None:
        """Replace the fault plan of the machine by *faults*. An empty list removes all faults."""
        with self.bmc(task) as bmc:
            bmc.machine.inject(FaultPlan.from_json(faults))

    @passthru(["POST"], description="Do nothing in a background task, to test such tasks.")
    def touch(self, task: Task, **arguments: Any) -> None:
        """Record *arguments* in the machine's log, and do nothing else."""
        with self.bmc(task) as bmc:
            bmc.write("touch", lambda: None, **{"arguments": arguments})
