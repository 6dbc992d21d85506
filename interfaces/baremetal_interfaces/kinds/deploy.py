"""The deploy interface: deployment and removal of an instance."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class DeployInterface(Interface):
    """Deploys and removes instances. A plugin declares one or more steps of phase ``deploy``, which do the deployment."""

    kind = Kind.DEPLOY

    def prepare(self, task: Task) -> None:
        """Prepare the deployment, before its first step. By default nothing is done."""

    @abstractmethod
    def tear_down(self, task: Task) -> Wait | None:
        """Remove the instance. Afterwards the machine is off, or runs no software of the tenant.

        Return a ``Wait`` if the removal continues in the background, None if it is complete.
        """

    def clean_up(self, task: Task) -> None:
        """Undo :meth:`prepare`. The runtime calls this after failed deployments as well."""

    def take_over(self, task: Task) -> None:
        """Create on this conductor the resources that another conductor held for the deployed machine."""

    def validate_cleaning(self, task: Task) -> None:
        """Raise :class:`~baremetal_interfaces.errors.InvalidInput` if the interface cannot do automated cleaning.

        The runtime calls this before it makes a node available, and before automated cleaning after a deployment. By default
        cleaning is possible. New in contract 1.4.
        """

    def prepare_cleaning(self, task: Task) -> Wait | None:
        """Prepare the machine for the clean steps.

        Return a ``Wait`` if the preparation continues in the background, None if it is complete.
        """

    def tear_down_cleaning(self, task: Task) -> None:
        """Undo :meth:`prepare_cleaning`."""
