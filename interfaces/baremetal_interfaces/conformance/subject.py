"""What is examined: the interfaces of one hardware type, and the machine that they drive."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast

from baremetal_interfaces.conformance import installed
from baremetal_interfaces.conformance.outcome import NotOffered
from baremetal_interfaces.conformance.recording import RecordingConnector
from baremetal_interfaces.connector import Connector
from baremetal_interfaces.errors import BareMetalError
from baremetal_interfaces.hardware_type import HardwareType
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.kinds.management import ManagementInterface
from baremetal_interfaces.kinds.power import PowerInterface
from baremetal_interfaces.local import LocalTask
from baremetal_interfaces.node import Node
from baremetal_interfaces.options import DriverInfo
from baremetal_interfaces.values import Kind, PowerState

Offered = type[Interface] | Interface


class Subject:
    """The interfaces of a plugin, a machine, and tasks on it.

    *driver_info* reaches the machine, and changed by *unreachable* it reaches nothing. *timeout* is what a change of
    power may take and *poll_interval* the time between two looks at it, both in seconds. Everything is used by several
    threads at once, as a conductor does.
    """

    def __init__(
        self,
        interfaces: Mapping[Kind, Offered] | Mapping[str, Offered],
        driver_info: Mapping[str, Any],
        *,
        hardware_type: type[HardwareType] | None = None,
        node: Node | None = None,
        unreachable: Mapping[str, Any] | None = None,
        timeout: float = 60.0,
        poll_interval: float = 0.2,
    ) -> None:
        self.hardware_type = hardware_type
        self.interfaces = {Kind(kind): _instance(offered) for kind, offered in interfaces.items()}
        self.driver_info = dict(driver_info)
        self.connectors = {connector: RecordingConnector(connector()) for connector in self._connector_types()}
        self.unreachable = unreachable
        self._node = node or Node(uuid=str(uuid.uuid4()), name="examined")
        self._timeout = timeout
        self._poll_interval = poll_interval

    @classmethod
    def of_installed(cls, name: str, driver_info: Mapping[str, Any], **settings: Any) -> Subject:
        """The installed hardware type of that *name* with the interfaces that it likes best."""
        found = installed.hardware_type(name)
        return cls(installed.best_interfaces(found), driver_info, hardware_type=found, **settings)

    def task(self, driver_info: Mapping[str, Any] | None = None, timeout: float | None = None) -> LocalTask:
        """A task on the machine, or on what another *driver_info* leads to."""
        return LocalTask(
            self.interfaces,
            self.driver_info if driver_info is None else driver_info,
            node=self._node,
            timeout=self._timeout if timeout is None else timeout,
            connectors=cast("dict[type[Connector[Any]], Connector[Any]]", self.connectors),
            poll_interval=self._poll_interval,
        )

    @property
    def power(self) -> PowerInterface:
        """The power interface."""
        interface = self.interfaces.get(Kind.POWER)
        if not isinstance(interface, PowerInterface):
            raise NotOffered("there is no power interface")
        return interface

    @property
    def management(self) -> ManagementInterface:
        """The management interface."""
        interface = self.interfaces.get(Kind.MANAGEMENT)
        if not isinstance(interface, ManagementInterface):
            raise NotOffered("there is no management interface")
        return interface

    def info_types(self) -> tuple[type[DriverInfo], ...]:
        """What the interfaces read from ``driver_info``, each type once."""
        found = [interface.info_type for interface in self.interfaces.values() if interface.info_type is not None]
        return tuple(dict.fromkeys(found))

    def secrets(self) -> frozenset[str]:
        """The values in ``driver_info`` that must not be seen."""
        return self.task().secrets()

    @contextmanager
    def power_left_as_found(self) -> Iterator[PowerState]:
        """Whatever is done to the power within it, it is put back at the end."""
        found = self.task().power.get()

        def put_back() -> None:
            if found is not PowerState.UNKNOWN and self.task().power.get() is not found:
                self.task().power.set(found)

        with _at_the_end(put_back):
            yield found

    @contextmanager
    def boot_device_left_as_found(self) -> Iterator[None]:
        """Whatever is done to the boot device within it, it is put back at the end, where the BMC told what it was."""
        found = self.task().call(Kind.MANAGEMENT, "get_boot_device")

        def put_back() -> None:
            if found.device is not None:
                self.task().call(Kind.MANAGEMENT, "set_boot_device", found.device, persistent=bool(found.persistent))

        with _at_the_end(put_back):
            yield

    def _connector_types(self) -> tuple[type[Connector[Any]], ...]:
        found = [interface.connector for interface in self.interfaces.values() if interface.connector is not None]
        return tuple(dict.fromkeys(found))


@contextmanager
def _at_the_end(put_back: Callable[[], None]) -> Iterator[None]:
    """Put things back, whatever happens. When that fails after a broken rule, the broken rule is what is said."""
    try:
        yield
    except BaseException:
        with suppress(BareMetalError):
            put_back()
        raise
    put_back()


def _instance(offered: Offered) -> Interface:
    return offered() if isinstance(offered, type) else offered


def failure(task: LocalTask, kind: Kind, method: str) -> BareMetalError | None:
    """The error that a call ends with, or None."""
    try:
        task.call(kind, method)
    except BareMetalError as exc:
        return exc
    return None
