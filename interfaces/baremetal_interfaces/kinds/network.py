"""The network interface: attachment of a machine to networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.node import Port
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class NetworkPurpose(StrEnum):
    """Reasons to attach a machine to a network."""

    PROVISIONING = "provisioning"
    CLEANING = "cleaning"
    INSPECTION = "inspection"
    RESCUING = "rescuing"
    SERVICING = "servicing"
    TENANT = "tenant"


class NetworkInterface(Interface):
    """Attaches a machine to networks, and virtual interfaces (VIFs) of tenants to its ports."""

    kind = Kind.NETWORK

    @abstractmethod
    def attach(self, task: Task, purpose: NetworkPurpose) -> None:
        """Attach the machine to the network for *purpose*. A repeated call is not an error."""

    @abstractmethod
    def detach(self, task: Task, purpose: NetworkPurpose) -> None:
        """Detach the machine from the network for *purpose*. A machine that is not attached is not an error."""

    @abstractmethod
    def vif_attach(self, task: Task, vif: Mapping[str, Any]) -> None:
        """Attach the tenant's VIF ``{"id": str, ...}`` to a free port of the node.

        An error of the contract that the plugin raises is the response to the client.
        """

    @abstractmethod
    def vif_detach(self, task: Task, vif_id: str) -> None:
        """Detach the VIF with the ID *vif_id* from its port."""

    @abstractmethod
    def vif_list(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """Return the attached VIFs, each as ``{"id": str, ...}``."""

    def port_changed(self, task: Task, port: Port) -> None:
        """React to a change of *port*. Raise an error of the contract to refuse the change."""
