"""Adapters that offer plugins' network and storage interfaces to Ironic."""

from __future__ import annotations

from typing import Any

from ironic.common import exception
from ironic.drivers import base

from baremetal_interfaces import NetworkPurpose
from baremetal_ironic_bridge.adapter import Adapter
from baremetal_ironic_bridge.task import build_port


class NetworkAdapter(Adapter, base.NetworkInterface):
    """Offers a plugin's network interface to Ironic. Ironic's methods for each network become ``attach`` and ``detach``."""

    def port_changed(self, task: Any, port_obj: Any) -> None:
        """Call the plugin's ``port_changed``, which may refuse the change of the port with an error."""
        self.call(task, "port_changed", build_port(port_obj))

    def portgroup_changed(self, task: Any, portgroup_obj: Any) -> None:
        """Raise UnsupportedDriverExtension: the contract has no port groups."""
        raise exception.UnsupportedDriverExtension(f"{self.bridged.__name__} does not support port groups")

    def vif_attach(self, task: Any, vif_info: dict[str, Any]) -> None:
        """Attach the VIF *vif_info* to a free port of the node."""
        self.call(task, "vif_attach", dict(vif_info))

    def vif_detach(self, task: Any, vif_id: str) -> None:
        """Detach the VIF *vif_id* from its port."""
        self.call(task, "vif_detach", vif_id)

    def vif_list(self, task: Any) -> list[dict[str, Any]]:
        """Return the attached VIFs, each as ``{"id": ..., ...}``."""
        return [dict(vif) for vif in self.call(task, "vif_list")]

    def get_current_vif(self, task: Any, p_obj: Any) -> None:
        """Return None: the contract does not report the VIF of a port."""

    def add_provisioning_network(self, task: Any) -> None:
        """Attach the machine to the provisioning network."""
        self.call(task, "attach", NetworkPurpose.PROVISIONING)

    def remove_provisioning_network(self, task: Any) -> None:
        """Detach the machine from the provisioning network."""
        self.call(task, "detach", NetworkPurpose.PROVISIONING)

    def configure_tenant_networks(self, task: Any) -> None:
        """Attach the machine to the tenant networks."""
        self.call(task, "attach", NetworkPurpose.TENANT)

    def unconfigure_tenant_networks(self, task: Any) -> None:
        """Detach the machine from the tenant networks."""
        self.call(task, "detach", NetworkPurpose.TENANT)

    def add_cleaning_network(self, task: Any) -> None:
        """Attach the machine to the cleaning network."""
        self.call(task, "attach", NetworkPurpose.CLEANING)

    def remove_cleaning_network(self, task: Any) -> None:
        """Detach the machine from the cleaning network."""
        self.call(task, "detach", NetworkPurpose.CLEANING)

    def validate_rescue(self, task: Any) -> None:
        """Check ``driver_info``; a rescue needs nothing else."""
        self.validate(task)

    def add_rescuing_network(self, task: Any) -> None:
        """Attach the machine to the rescuing network."""
        self.call(task, "attach", NetworkPurpose.RESCUING)

    def remove_rescuing_network(self, task: Any) -> None:
        """Detach the machine from the rescuing network."""
        self.call(task, "detach", NetworkPurpose.RESCUING)

    def validate_inspection(self, task: Any) -> None:
        """Check ``driver_info``; an inspection needs nothing else."""
        self.validate(task)

    def add_inspection_network(self, task: Any) -> None:
        """Attach the machine to the inspection network."""
        self.call(task, "attach", NetworkPurpose.INSPECTION)

    def remove_inspection_network(self, task: Any) -> None:
        """Detach the machine from the inspection network."""
        self.call(task, "detach", NetworkPurpose.INSPECTION)

    def add_servicing_network(self, task: Any) -> None:
        """Attach the machine to the servicing network."""
        self.call(task, "attach", NetworkPurpose.SERVICING)

    def remove_servicing_network(self, task: Any) -> None:
        """Detach the machine from the servicing network."""
        self.call(task, "detach", NetworkPurpose.SERVICING)


class StorageAdapter(Adapter, base.StorageInterface):
    """Offers a plugin's storage interface to Ironic."""

    def attach_volumes(self, task: Any) -> None:
        """Attach the node's volumes at the storage system."""
        self.call(task, "attach_volumes")

    def detach_volumes(self, task: Any) -> None:
        """Detach the node's volumes at the storage system."""
        self.call(task, "detach_volumes")

    def should_write_image(self, task: Any) -> bool:
        """Return whether a deployment writes an image to a local disk."""
        return bool(self.call(task, "should_write_image"))
