"""Network: which network a machine is attached to, and when."""

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
    """What a machine is attached to a network for."""

    PROVISIONING = "provisioning"
    CLEANING = "cleaning"
    INSPECTION = "inspection"
    RESCUING = "rescuing"
    SERVICING = "servicing"
    TENANT = "tenant"


class NetworkInterface(Interface):
    """Attaches a machine to networks and tenants' virtual interfaces (VIFs) to its ports."""

    kind = Kind.NETWORK

    @abstractmethod
    def attach(self, task: Task, purpose: NetworkPurpose) -> None:
        """Attach the machine to the network for *purpose*. When it already is, that is not an error."""

    @abstractmethod
    def detach(self, task: Task, purpose: NetworkPurpose) -> None:
        """Detach it again. When it is not attached, that is not an error."""

    @abstractmethod
    def vif_attach(self, task: Task, vif: Mapping[str, Any]) -> None:
        """Attach a VIF, ``{"id": ...}``, to a free port."""

    @abstractmethod
    def vif_detach(self, task: Task, vif_id: str) -> None:
        """Detach a VIF."""

    @abstractmethod
    def vif_list(self, task: Task) -> Sequence[Mapping[str, Any]]:
        """The attached VIFs, ``{"id": ...}`` each."""

    def port_changed(self, task: Task, port: Port) -> None:
        """A port of the node was changed; raise when it cannot be so."""
