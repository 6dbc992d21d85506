"""The subject of a check: the interfaces of one hardware type, and the machine that they drive."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, cast

from baremetal_interfaces.conformance import installed
from baremetal_interfaces.conformance.outcome import NotOffered, Violation, demand
from baremetal_interfaces.conformance.reads import READS, Read
from baremetal_interfaces.conformance.recording import RecordingConnector
from baremetal_interfaces.conformance.relay import Misbehaviour
from baremetal_interfaces.conformance.watched import WatchedTask
from baremetal_interfaces.connector import Connector
from baremetal_interfaces.errors import BareMetalError
from baremetal_interfaces.hardware_type import HardwareType
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.kinds.management import ManagementInterface
from baremetal_interfaces.kinds.power import PowerInterface
from baremetal_interfaces.local import LocalTask
from baremetal_interfaces.node import Node
from baremetal_interfaces.options import DriverInfo
from baremetal_interfaces.values import BootDeviceSetting, Kind, PowerState

Offered = type[Interface] | Interface
"""An interface to check: an instance, or a class that is instantiated without options."""

_SETTINGS = frozenset({"get_power_state", "get_boot_device", "get_boot_mode", "get_secure_boot", "get_virtual_media"})


class Subject:
    """The interfaces of a plugin, a machine, and tasks on it.

    *driver_info* reaches the machine. *unreachable* are the changes to it that lead to an address where nothing answers.
    *misbehaving* maps ``slow``, ``silent``, ``wrong``, ``away`` (for one request) and ``lies`` to the changes that reach such a
    BMC. A relay simulates the missing ones except ``lies``, if the BMC is reached over a network. *destructive* permits
    operations that cannot be undone: interrupts, RAID, rescue.

    All times are in seconds. *timeout* limits a power change. *grace* is the time that a call may take beyond its deadline.
    *silence* is the deadline of a call to a BMC that does not answer. *poll_interval* is the time between two reads. Several
    threads use the interfaces at the same time, as in a conductor.
    """

    def __init__(
        self,
        interfaces: Mapping[Kind, Offered] | Mapping[str, Offered],
        driver_info: Mapping[str, Any],
        *,
        hardware_type: type[HardwareType] | None = None,
        node: Node | None = None,
        unreachable: Mapping[str, Any] | None = None,
        misbehaving: Mapping[str, Mapping[str, Any]] | None = None,
        destructive: bool = False,
        timeout: float = 60.0,
        grace: float = 3.0,
        silence: float = 2.0,
        poll_interval: float = 0.2,
    ) -> None:
        self.hardware_type = hardware_type
        self.interfaces = {Kind(kind): _instance(offered) for kind, offered in interfaces.items()}
        self.driver_info = dict(driver_info)
        self.connectors = {connector: RecordingConnector(connector()) for connector in self._connector_types()}
        self.unreachable = unreachable
        self.misbehaving = {Misbehaviour(how): changes for how, changes in (misbehaving or {}).items()}
        self.destructive = destructive
        self.timeout = timeout
        self.grace = grace
        self.silence = silence
        self._node = node or Node(uuid=str(uuid.uuid4()), name="examined")
        self._poll_interval = poll_interval

    @classmethod
    def of_installed(cls, name: str, driver_info: Mapping[str, Any], **settings: Any) -> Subject:
        """Return a subject for the installed hardware type *name*, with the interfaces that it prefers."""
        found, interfaces = installed.load(name)
        return cls(interfaces, driver_info, hardware_type=found, **settings)

    def task(
        self,
        driver_info: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        *,
        interfaces: Mapping[Kind, Interface] | None = None,
        connectors: dict[type[Connector[Any]], Connector[Any]] | None = None,
        target_raid_config: Mapping[str, Any] | None = None,
    ) -> WatchedTask:
        """Return a task on the machine. The parameters replace the values of the subject; *timeout* is in seconds."""
        own_connectors = cast("dict[type[Connector[Any]], Connector[Any]]", self.connectors)
        node = self._node if target_raid_config is None else replace(self._node, target_raid_config=target_raid_config)
        return WatchedTask(
            self.interfaces if interfaces is None else interfaces,
            self.driver_info if driver_info is None else driver_info,
            grace=self.grace,
            node=node,
            timeout=self.timeout if timeout is None else timeout,
            connectors=own_connectors if connectors is None else connectors,
            poll_interval=self._poll_interval,
        )

    @property
    def power(self) -> PowerInterface:
        """The power interface. Raises NotOffered if there is none."""
        interface = self.interfaces.get(Kind.POWER)
        if not isinstance(interface, PowerInterface):
            raise NotOffered("there is no power interface")
        return interface

    @property
    def management(self) -> ManagementInterface:
        """The management interface. Raises NotOffered if there is none."""
        interface = self.interfaces.get(Kind.MANAGEMENT)
        if not isinstance(interface, ManagementInterface):
            raise NotOffered("there is no management interface")
        return interface

    def interface(self, kind: Kind) -> Interface:
        """Return the interface of *kind*. Raises NotOffered if there is none."""
        interface = self.interfaces.get(kind)
        if interface is None:
            raise NotOffered(f"there is no {kind} interface")
        return interface

    def capable(self, capability: type) -> None:
        """Raise NotOffered unless the management interface has the mix-in *capability*."""
        if not isinstance(self.management, capability):
            raise NotOffered(f"the management interface has no {capability.__name__}")

    def reads(self) -> list[Read]:
        """Return the reads of the contract that the interfaces offer by their kinds and mix-ins."""
        present = [read for read in READS if read.kind in self.interfaces]
        return [read for read in present if read.capability is None or isinstance(self.interfaces[read.kind], read.capability)]

    def reaches(self, kind: Kind) -> bool:
        """Return whether the interface of *kind* communicates with the BMC of ``driver_info``."""
        interface = self.interfaces[kind]
        shared = interface.info_type is not None and interface.info_type is self.power.info_type
        return interface.connector is not None or shared

    def info_types(self) -> tuple[type[DriverInfo], ...]:
        """Return the types of ``driver_info`` that the interfaces read, each once."""
        found = [interface.info_type for interface in self.interfaces.values() if interface.info_type is not None]
        return tuple(dict.fromkeys(found))

    def secrets(self) -> frozenset[str]:
        """Return the secret values of ``driver_info``."""
        return self.task().secrets()

    def snapshot(self) -> dict[str, str]:
        """Return the current settings of the machine that a check must restore: name -> value as text."""
        found: dict[str, str] = {}
        for read in self.reads():
            if read.method not in _SETTINGS:
                continue
            with suppress(BareMetalError):
                answer = self.task().call(read.kind, read.method)
                # A boot device that the BMC does not report cannot be restored.
                if not (isinstance(answer, BootDeviceSetting) and answer.device is None):
                    found[read.what] = str(answer)
        return found

    @contextmanager
    def power_left_as_found(self) -> Iterator[PowerState]:
        """Restore the power state at the end of a ``with`` block. The block gets the state that was read at its start."""
        found = self.task().power.get()

        def put_back() -> None:
            if found is not PowerState.UNKNOWN and self.task().power.get() is not found:
                self.task().power.set(found)

        with at_the_end(put_back):
            yield found

    @contextmanager
    def boot_device_left_as_found(self) -> Iterator[None]:
        """Restore the boot device at the end of a ``with`` block, if the BMC reported it at the start."""
        found = self.task().call(Kind.MANAGEMENT, "get_boot_device")

        def put_back() -> None:
            if found.device is None or self.task().call(Kind.MANAGEMENT, "get_boot_device") == found:
                return
            self.task().call(Kind.MANAGEMENT, "set_boot_device", found.device, persistent=bool(found.persistent))
            again = self.task().call(Kind.MANAGEMENT, "get_boot_device").device
            demand(again == found.device, f"the boot device was {found.device}, and is {again} after it was restored")

        with at_the_end(put_back):
            yield

    def _connector_types(self) -> tuple[type[Connector[Any]], ...]:
        found = [interface.connector for interface in self.interfaces.values() if interface.connector is not None]
        return tuple(dict.fromkeys(found))


@contextmanager
def at_the_end(put_back: Callable[[], None]) -> Iterator[None]:
    """Call *put_back* at the end of a ``with`` block.

    If the block raises, that exception is raised even if *put_back* fails as well: the broken rule matters more.
    """
    try:
        yield
    except BaseException:
        with suppress(BareMetalError, Violation):
            put_back()
        raise
    put_back()


def _instance(offered: Offered) -> Interface:
    return offered() if isinstance(offered, type) else offered


def failure(task: LocalTask, kind: Kind, method: str, *args: Any, **kwargs: Any) -> BareMetalError | None:
    """Call a method of an interface. Return its error of the contract, or None if it succeeds; other exceptions pass."""
    try:
        task.call(kind, method, *args, **kwargs)
    except BareMetalError as exc:
        return exc
    return None
