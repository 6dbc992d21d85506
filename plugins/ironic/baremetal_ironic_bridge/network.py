"""Network and storage interfaces of the contract as Ironic's."""

from __future__ import annotations

from typing import Any

from ironic.common import exception
from ironic.drivers import base

from baremetal_interfaces import NetworkPurpose
from baremetal_ironic_bridge.adapter import Adapter
from baremetal_ironic_bridge.task import port_of


class NetworkAdapter(Adapter, base.NetworkInterface):
    """Each network of Ironic's is a purpose of the contract's."""

    def port_changed(self, task: Any, port_obj: Any) -> None:
        """Ask whether a port may be so."""
        self.call(task, "port_changed", port_of(port_obj))

    def portgroup_changed(self, task: Any, portgroup_obj: Any) -> None:
        """Refuse: the contract knows no port groups."""
        raise exception.UnsupportedDriverExtension(f"{self.bridged.__name__} knows no port groups")

    def vif_attach(self, task: Any, vif_info: dict[str, Any]) -> None:
        """Attach a VIF to a free port."""
        self.call(task, "vif_attach", dict(vif_info))

    def vif_detach(self, task: Any, vif_id: str) -> None:
        """Detach a VIF."""
        self.call(task, "vif_detach", vif_id)

    def vif_list(self, task: Any) -> list[dict[str, Any]]:
        """The attached VIFs."""
        return [dict(one) for one in self.call(task, "vif_list")]

    def get_current_vif(self, task: Any, p_obj: Any) -> None:
        """None: which port has which VIF is not told."""

    def add_provisioning_network(self, task: Any) -> None:
        """Attach the machine to that network."""
        self.call(task, "attach", NetworkPurpose.PROVISIONING)

    def remove_provisioning_network(self, task: Any) -> None:
        """Detach it again."""
        self.call(task, "detach", NetworkPurpose.PROVISIONING)

    def configure_tenant_networks(self, task: Any) -> None:
        """Attach the machine to that network."""
        self.call(task, "attach", NetworkPurpose.TENANT)

    def unconfigure_tenant_networks(self, task: Any) -> None:
        """Detach it again."""
        self.call(task, "detach", NetworkPurpose.TENANT)

    def add_cleaning_network(self, task: Any) -> None:
        """Attach the machine to that network."""
        self.call(task, "attach", NetworkPurpose.CLEANING)

    def remove_cleaning_network(self, task: Any) -> None:
        """Detach it again."""
        self.call(task, "detach", NetworkPurpose.CLEANING)

    def validate_rescue(self, task: Any) -> None:
        """The same as for anything else."""
        self.validate(task)

    def add_rescuing_network(self, task: Any) -> None:
        """Attach the machine to that network."""
        self.call(task, "attach", NetworkPurpose.RESCUING)

    def remove_rescuing_network(self, task: Any) -> None:
        """Detach it again."""
        self.call(task, "detach", NetworkPurpose.RESCUING)

    def validate_inspection(self, task: Any) -> None:
        """The same as for anything else."""
        self.validate(task)

    def add_inspection_network(self, task: Any) -> None:
        """Attach the machine to that network."""
        self.call(task, "attach", NetworkPurpose.INSPECTION)

    def remove_inspection_network(self, task: Any) -> None:
        """Detach it again."""
        self.call(task, "detach", NetworkPurpose.INSPECTION)

    def add_servicing_network(self, task: Any) -> None:
        """Attach the machine to that network."""
        self.call(task, "attach", NetworkPurpose.SERVICING)

    def remove_servicing_network(self, task: Any) -> None:
        """Detach it again."""
        self.call(task, "detach", NetworkPurpose.SERVICING)


class StorageAdapter(Adapter, base.StorageInterface):
    """Attaches and detaches volumes."""

    def attach_volumes(self, task: Any) -> None:
        """Tell the storage that the machine will use its volumes."""
        self.call(task, "attach_volumes")

    def detach_volumes(self, task: Any) -> None:
        """Tell the storage that it no longer does."""
        self.call(task, "detach_volumes")

    def should_write_image(self, task: Any) -> bool:
        """Whether a deployment writes an image to a local disk."""
        return bool(self.call(task, "should_write_image"))
