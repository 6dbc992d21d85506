"""Deploy: bringing an instance onto a machine and taking it away."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Wait
from baremetal_interfaces.values import Kind

if TYPE_CHECKING:
    from baremetal_interfaces.task import Task


class DeployInterface(Interface):
    """The deployment itself is a list of steps of phase ``deploy``; at least one is declared."""

    kind = Kind.DEPLOY

    def prepare(self, task: Task) -> None:
        """Get ready, before the first step."""

    @abstractmethod
    def tear_down(self, task: Task) -> Wait | None:
        """Take the instance away: afterwards the machine is off, or runs nothing of its tenant's."""

    def clean_up(self, task: Task) -> None:
        """Free what :meth:`prepare` took. It runs after a deployment that failed, too."""

    def take_over(self, task: Task) -> None:
        """Rebuild on this conductor what another one kept for a deployed machine."""

    def prepare_cleaning(self, task: Task) -> Wait | None:
        """Get ready for the clean steps."""

    def tear_down_cleaning(self, task: Task) -> None:
        """Leave nothing of :meth:`prepare_cleaning`."""
