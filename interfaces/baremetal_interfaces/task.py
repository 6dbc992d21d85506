"""What a driver method is handed: the node, its typed information, and the runtime's services."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from baremetal_interfaces.connector import Connector
from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.driver import Driver
from baremetal_interfaces.node import Node, Port
from baremetal_interfaces.values import BootDevice, Kind, PowerState

S = TypeVar("S")


class PowerControl(Protocol):
    """Changes power and boot device, and says that it is done only after a read that confirms it."""

    def get(self) -> PowerState:
        """Observe the power state now."""

    def set(self, state: PowerState, timeout: float | None = None) -> None:
        """Bring the machine to *state* and confirm it, within *timeout* seconds.

        Raises :class:`~baremetal_interfaces.errors.PowerStateFailure` when the machine does not get there.
        """

    def boot_once(self, device: BootDevice) -> None:
        """Make the next boot start from *device*, through the node's management interface, and confirm it."""


class Task(Protocol):
    """One piece of exclusive work on one node. Methods may be called from the thread that the driver was called on."""

    @property
    def node(self) -> Node:
        """The node, as it was when the task began."""

    @property
    def ports(self) -> Sequence[Port]:
        """The node's ports."""

    @property
    def driver(self) -> Driver:
        """The node's interfaces, for one interface that needs another (a deploy interface its boot interface)."""

    @property
    def deadline(self) -> Deadline:
        """When this call has to be over: the task's deadline or the call's, whichever is first."""

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines name the node and the request."""

    @property
    def cancelled(self) -> bool:
        """Whether the task has been told to stop. Long work looks at it between two requests."""

    @property
    def power(self) -> PowerControl:
        """Power and boot device, confirmed."""

    def info(self, kind: Kind | str) -> Any:
        """The typed ``driver_info`` of the interface of that kind: an instance of its ``info_type``."""

    def state(self, kind: Kind | str) -> Any:
        """The typed state that the plugin keeps of this node: an instance of the interface's ``state_type``."""

    def session(self, connector: type[Connector[S]]) -> AbstractContextManager[S]:
        """Borrow a session at the node's BMC. Give it back by leaving the ``with`` block; never keep it."""
