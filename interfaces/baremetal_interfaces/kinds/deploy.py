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
    """Deploys an instance by its steps of phase ``deploy``. It declares one or more of them."""

    kind = Kind.DEPLOY

    def prepare(self, task: Task) -> None:
        """Prepare the deployment, before the first step."""

    @abstractmethod
    def tear_down(self, task: Task) -> Wait | None:
        """Remove the instance. Afterwards the machine is off, or runs no software of the tenant."""

    def clean_up(self, task: Task) -> None:
        """Undo :meth:`prepare`. The runtime calls this after failed deployments as well."""

    def take_over(self, task: Task) -> None:
        """Rebuild the resources of a deployed machine that another conductor held, on this conductor."""

    def prepare_cleaning(self, task: Task) -> Wait | None:
        """Prepare the machine for the clean steps."""

    def tear_down_cleaning(self, task: Task) -> None:
        """Undo :meth:`prepare_cleaning`."""
