"""What can be added to a conductor."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from baremetal_interfaces import Deadline

if TYPE_CHECKING:
    from baremetal_sdk.conductor.conductor import Conductor


class Phase(IntEnum):
    """When something starts, lowest first; it stops in the reverse order."""

    RPC = 10
    """What takes calls for the conductor: the conductor itself can work by then."""
    PERIODIC = 20
    """Background work."""
    API = 30
    """What takes requests: last to start, because only then can they be answered; first to stop, so that no new work comes."""


class Runnable(Protocol):
    """A part of a host application that lives as long as the conductor runs."""

    phase: Phase

    def start(self, conductor: Conductor) -> None:
        """Start and return; raise when it cannot be started, which stops the conductor's start with that reason."""

    def stop(self, deadline: Deadline) -> None:
        """Refuse what is new, let end what runs, and return by the deadline."""


class Standalone(Protocol):
    """What can run without a conductor in its process."""

    def start(self) -> None:
        """Start and return."""

    def stop(self, deadline: Deadline) -> None:
        """Refuse what is new, let end what runs, and return by the deadline."""


def is_runnable(thing: Any) -> bool:
    """Whether *thing* can be started in a phase, and stopped."""
    return hasattr(thing, "phase") and hasattr(thing, "start") and hasattr(thing, "stop")
