"""Interfaces of the parts that a host application adds to a conductor, and the phases in which they start."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Protocol, TypeVar, runtime_checkable

from baremetal_interfaces import Deadline

HostT = TypeVar("HostT", contravariant=True)


class StartPhase(IntEnum):
    """The phase in which a part starts. Lower phases start first; parts stop in the reverse order."""

    RPC = 10
    """Servers that take RPC calls. The conductor runs already when parts of this phase start."""
    PERIODIC = 20
    """Periodic and other background work of the host application."""
    API = 30
    """Servers that take client requests. They start last, because only then can the conductor answer, and stop first, so
    that no new work arrives during the shutdown.
    """


class Runnable(Protocol[HostT]):
    """A part of a host application that runs while the conductor runs. *HostT* is the type of the conductor."""

    phase: StartPhase

    def start(self, host: HostT, /) -> None:
        """Start the part and return. An exception stops the conductor's start, which raises it."""

    def stop(self, deadline: Deadline) -> None:
        """Refuse new work, let running work end, and return before *deadline*."""


class Service(Protocol):
    """A part that runs in an API process without a conductor, such as an ``APIServer``."""

    def start(self) -> None:
        """Start the part and return. An exception stops the start of the backend, which raises it."""

    def stop(self, deadline: Deadline) -> None:
        """Refuse new work, let running work end, and return before *deadline*."""


@runtime_checkable
class Reloadable(Protocol):
    """A part that can apply a changed configuration while it runs."""

    def reload(self, config: Any) -> None:
        """Apply those options of *config* (a ``ConductorConfig``) that can change at run time."""


def is_runnable(part: Any) -> bool:
    """Return whether *part* has a start phase, ``start`` and ``stop``."""
    return hasattr(part, "phase") and hasattr(part, "start") and hasattr(part, "stop")
