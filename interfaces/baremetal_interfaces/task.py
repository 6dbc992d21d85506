"""The task that each driver method gets: the node, its typed driver_info, and the runtime's services.

All types here are protocols. The interfaces of a node are described by :class:`DriverInterfaces` and not by the classes in
``kinds``, because those refer to :class:`Task` in each of their methods.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from baremetal_interfaces.connector import Connector
from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.node import Node, Port
from baremetal_interfaces.values import BootDevice, BootDeviceSetting, Kind, PowerState

S = TypeVar("S")


class PowerControl(Protocol):
    """Changes power state and boot device, and returns only after a read has confirmed the change."""

    def get(self) -> PowerState:
        """Read the power state from the BMC now."""

    def set(self, state: PowerState, timeout: float | None = None) -> None:
        """Bring the machine to *state* and confirm it, within *timeout* seconds.

        Without a *timeout* the runtime's own limit applies. Raises
        :class:`~baremetal_interfaces.errors.PowerStateFailure` if the machine does not reach *state* in time.
        """

    def boot_once(self, device: BootDevice) -> None:
        """Make the next boot start from *device*, through the node's management interface, and confirm it."""


class PowerStates(Protocol):
    """The part of a power interface that other interfaces use. Power commands go through :attr:`Task.power`."""

    @property
    def supported_states(self) -> frozenset[PowerState]:
        """The power states that can be requested."""


class BootDeviceAccess(Protocol):
    """The part of a management interface that other interfaces use."""

    def get_supported_boot_devices(self, task: Task) -> frozenset[BootDevice]:
        """Return the boot devices that the machine supports."""

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Read the device of the next boot, and whether it is persistent. A value that the BMC does not report is None."""

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Set the boot device to *device*: for the next boot only, or for every boot if *persistent*."""


class BootPreparation(Protocol):
    """The part of a boot interface that other interfaces use."""

    def prepare_instance(self, task: Task) -> None:
        """Prepare the next boot to start the instance."""

    def clean_up_instance(self, task: Task) -> None:
        """Undo :meth:`prepare_instance`."""

    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Prepare the next boot to start a ramdisk with kernel *parameters*: name -> value."""

    def clean_up_ramdisk(self, task: Task) -> None:
        """Undo :meth:`prepare_ramdisk`."""


class DriverInterfaces(Protocol):
    """The interfaces of one node, as attributes and by kind. At run time each is an instance of the class for its kind.

    :class:`~baremetal_interfaces.driver.Driver` implements this protocol.
    """

    @property
    def hardware_type(self) -> str:
        """The name of the node's hardware type."""

    @property
    def power(self) -> PowerStates:
        """The power interface."""

    @property
    def management(self) -> BootDeviceAccess:
        """The management interface. Test for its optional capabilities with ``isinstance``."""

    @property
    def boot(self) -> BootPreparation:
        """The boot interface."""

    @property
    def deploy(self) -> Any:
        """The deploy interface."""

    @property
    def inspect(self) -> Any:
        """The inspect interface."""

    @property
    def bios(self) -> Any:
        """The BIOS interface."""

    @property
    def raid(self) -> Any:
        """The RAID interface."""

    @property
    def firmware(self) -> Any:
        """The firmware interface."""

    @property
    def console(self) -> Any:
        """The console interface."""

    @property
    def rescue(self) -> Any:
        """The rescue interface."""

    @property
    def network(self) -> Any:
        """The network interface."""

    @property
    def storage(self) -> Any:
        """The storage interface."""

    @property
    def vendor(self) -> Any:
        """The vendor interface."""

    def __getitem__(self, kind: Kind | str) -> Any:
        """Return the interface of *kind*; raise ``ValueError`` for an unknown kind."""

    def __iter__(self) -> Iterator[tuple[Kind, Any]]:
        """Iterate over kinds and interfaces, in the order of :class:`~baremetal_interfaces.values.Kind`."""


class Task(Protocol):
    """Exclusive work on one node. Call its methods only from the thread that called the driver method."""

    @property
    def node(self) -> Node:
        """The node, as it was when the task began."""

    @property
    def ports(self) -> Sequence[Port]:
        """The node's ports."""

    @property
    def driver(self) -> DriverInterfaces:
        """The node's interfaces, for an interface that needs another: a deploy interface uses the boot interface."""

    @property
    def deadline(self) -> Deadline:
        """The time at which this call must be over: the deadline of the task or of the call, whichever is earlier."""

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that adds the node and the request to each line."""

    @property
    def cancelled(self) -> bool:
        """True once the task has been asked to stop. Long work checks this between two requests."""

    @property
    def power(self) -> PowerControl:
        """Power and boot device control with confirmation."""

    def info(self, kind: Kind | str) -> Any:
        """Return the typed ``driver_info`` of the interface of *kind*: an instance of its ``info_type``."""

    def state(self, kind: Kind | str) -> Any:
        """Return the state that the plugin keeps for this node: an instance of the ``state_type`` of the interface of *kind*.

        The runtime stores its changes when the driver method returns.
        """

    def session(self, connector: type[Connector[S]]) -> AbstractContextManager[S]:
        """Borrow a session with the node's BMC for the length of a ``with`` block. Do not keep it afterwards."""
