"""A hardware type of Ironic's whose power and management are plugins of the contract."""

from __future__ import annotations

from typing import Any

from ironic.drivers import generic
from ironic.drivers.modules import fake, noop_mgmt

from baremetal_ironic_bridge.management import ManagementAdapter
from baremetal_ironic_bridge.power import PowerAdapter


class BridgedHardware(generic.GenericHardware):
    """Boot, deploy and the other kinds are Ironic's own, which reach the machine through the bridged interfaces."""

    power_adapter: type[PowerAdapter]
    management_adapter: type[ManagementAdapter] | None = None

    @property
    def supported_power_interfaces(self) -> list[type]:
        """The bridged one."""
        return [self.power_adapter]

    @property
    def supported_management_interfaces(self) -> list[type]:
        """The bridged one, where there is one."""
        return [self.management_adapter or noop_mgmt.NoopManagement]

    @property
    def supported_boot_interfaces(self) -> list[Any]:
        """Ironic's own, and the one that does nothing."""
        return [*super().supported_boot_interfaces, fake.FakeBoot]

    @property
    def supported_deploy_interfaces(self) -> list[Any]:
        """Ironic's own, and the one that does nothing."""
        return [*super().supported_deploy_interfaces, fake.FakeDeploy]


def hardware_type(
    name: str, power: type[PowerAdapter], management: type[ManagementAdapter] | None = None
) -> type[BridgedHardware]:
    """The class of the hardware type *name*: let an entry point of ``ironic.hardware.types`` name it."""
    members = {"power_adapter": power, "management_adapter": management, "__doc__": f"Machines of the plugin {name}."}
    return type(f"Bridged{name.title().replace('-', '')}", (BridgedHardware,), members)
