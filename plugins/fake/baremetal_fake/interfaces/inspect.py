"""Inspect interface of ``fake-hardware``, which reads the inventory of a simulated machine."""

from __future__ import annotations

from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_fake.inventory import Inventory
from baremetal_interfaces import InspectedPort, InspectInterface, Inspection, Task

GIB = 1024**3


class FakeInspect(MachineAccess, InspectInterface):
    """Inspect interface ``fake``, which reads the inventory from the simulated BMC, without a ramdisk."""

    def inspect(self, task: Task) -> Inspection:
        """Return the properties, the ports and the inventory of the machine."""
        with self.bmc(task) as bmc:
            inventory = bmc.inspect()
            mode = bmc.get_boot_mode().value
        return Inspection(
            properties={
                "cpus": inventory.cpus,
                "memory_mb": inventory.memory_mb,
                "local_gb": inventory.local_gb,
                "cpu_arch": inventory.cpu_arch,
            },
            ports=tuple(InspectedPort(nic.mac, nic.name, nic.pxe_enabled) for nic in inventory.nics),
            inventory=to_inventory_json(inventory, mode),
        )


def to_inventory_json(inventory: Inventory, boot_mode: str) -> dict[str, Any]:
    """Return *inventory* in the JSON format of the Bare Metal API."""
    interfaces = [{"name": nic.name, "mac_address": nic.mac, "has_carrier": nic.linked} for nic in inventory.nics]
    disks = [
        {"name": f"/dev/{disk.name}", "size": disk.size_gb * GIB, "serial": disk.serial, "rotational": disk.rotational}
        for disk in inventory.disks
    ]
    return {
        "interfaces": interfaces,
        "disks": disks,
        "cpu": {"count": inventory.cpus, "architecture": inventory.cpu_arch, "model_name": inventory.cpu_model},
        "memory": {"physical_mb": inventory.memory_mb, "total": inventory.memory_mb * 1024**2},
        "system_vendor": {
            "manufacturer": inventory.manufacturer,
            "product_name": inventory.model,
            "serial_number": inventory.serial,
        },
        "boot": {"current_boot_mode": boot_mode},
    }
