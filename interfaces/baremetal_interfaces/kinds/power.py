"""Power: switching a machine on and off, and seeing which it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import Kind, PowerState

if TYPE_CHECKING:
    from baremetal_interfaces.deadline import Deadline
    from baremetal_interfaces.task import Task

S = TypeVar("S")


class PowerInterface(Interface):
    """Issues power commands and reads the power state. Waiting until a command has taken effect is the runtime's work."""

    kind = Kind.POWER

    supported_states: ClassVar[frozenset[PowerState]] = frozenset({PowerState.ON, PowerState.OFF})
    """What can be asked for. An undeclared state is refused before the driver is called; a reboot that is not declared
    is done as off, confirmed, and on."""

    @abstractmethod
    def get_power_state(self, task: Task) -> PowerState:
        """Ask the BMC: ``ON``, ``OFF``, or ``UNKNOWN`` where it says something else."""

    @abstractmethod
    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Send the command for *state* and return once the BMC has taken it. "Already there" is not an error."""


class PowerSampling(ABC, Generic[S]):
    """An optional addition to :class:`PowerInterface`: the lean read that power sync uses, one request and no more."""

    @abstractmethod
    def sample_power(self, session: S, target: Any, deadline: Deadline) -> PowerState | None:
        """Read the power state over a borrowed *session*, by *deadline*; None asks for the full ``get_power_state``."""

    def sample_target(self, info: Any) -> Any:
        """What tells this machine from others at the same BMC, given as *target*: by default the whole typed info."""
        return info
