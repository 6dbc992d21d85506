"""The power interface: power commands and power state."""

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
    """Sends power commands and reads the power state. The runtime waits until a command has taken effect, and confirms it."""

    kind = Kind.POWER

    supported_states: ClassVar[frozenset[PowerState]] = frozenset({PowerState.ON, PowerState.OFF})
    """The power states that can be requested. The runtime refuses any other state before it calls the driver. It carries out
    an undeclared reboot as power off, confirmed, and power on."""

    @abstractmethod
    def get_power_state(self, task: Task) -> PowerState:
        """Read the power state from the BMC: ``ON``, ``OFF``, or ``UNKNOWN`` if the BMC reports another state."""

    @abstractmethod
    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Send the command for *state*, and return when the BMC has accepted it.

        The machine may already be in *state*; that is not an error.
        """


class PowerSampling(ABC, Generic[S]):
    """Mix-in for :class:`PowerInterface`: a fast read for power sync that sends exactly one request."""

    @abstractmethod
    def sample_power(self, session: S, target: Any, deadline: Deadline) -> PowerState | None:
        """Read the power state of the machine *target* over a borrowed *session*, by *deadline*.

        *target* is the result of :meth:`sample_target`. Return None to request a full ``get_power_state``.
        """

    def sample_target(self, info: Any) -> Any:
        """Return the *target* that identifies the machine at its BMC; by default *info*, the whole typed ``driver_info``."""
        return info
