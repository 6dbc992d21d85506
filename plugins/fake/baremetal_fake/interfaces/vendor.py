"""What clients can ask of a simulated machine beyond the Bare Metal API: to see behind it, and to let things go wrong."""

from __future__ import annotations

from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_fake.faults import Effect, FaultPlan
from baremetal_interfaces import Task, VendorInterface, driver_passthru, passthru


class FakeVendor(MachineAccess, VendorInterface):
    """Looks at the machine itself, past its BMC."""

    @driver_passthru(["GET"], description="What a fault plan can let go wrong.")
    def effects(self) -> list[str]:
        """The effects that a fault can have."""
        return [str(effect) for effect in Effect]

    @passthru(["GET"], background=False, description="The true state of the machine and the commands that its BMC received.")
    def machine(self, task: Task) -> dict[str, Any]:
        """The state, the last boot and the log, as JSON."""
        with self.bmc(task) as bmc:
            machine = bmc.machine
            last = machine.last_boot
        return {
            "name": machine.name,
            "power": machine.power.value,
            "boot_count": machine.boot_count,
            "last_boot": None if last is None else {"device": last.device.value, "mode": last.mode.value, "image": last.image},
            "commands": [{"at": one.at, "operation": one.operation, **one.arguments} for one in machine.commands()],
        }

    @passthru(["PUT"], background=False, description="Let things go wrong: a fault plan as a list in 'faults'.")
    def faults(self, task: Task, faults: Any = ()) -> None:
        """Replace the fault plan of the machine; an empty list ends it."""
        with self.bmc(task) as bmc:
            bmc.machine.inject(FaultPlan.from_json(faults))

    @passthru(["POST"], description="Do nothing, on a worker.")
    def touch(self, task: Task, **arguments: Any) -> None:
        """Log the arguments at the machine."""
        with self.bmc(task) as bmc:
            bmc.write("touch", lambda: None, **{"arguments": arguments})
