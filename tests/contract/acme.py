"""A plugin for machines in memory, for tests of the local task and the conformance kit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from baremetal_interfaces import (
    BootDevice,
    BootDeviceSetting,
    Connector,
    DriverInfo,
    DriverState,
    Fault,
    HardwareType,
    ManagementInterface,
    NotSupported,
    PowerInterface,
    PowerState,
    Task,
    option,
)

ADDRESS, PASSWORD = "10.0.0.7", "s3same/&"


class AcmeError(Exception):
    """The exception of the device library; *fault* is its meaning."""

    def __init__(self, message: str, fault: Fault = Fault.OTHER) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass
class Machine:
    """A machine and the log of its BMC."""

    power: PowerState = PowerState.OFF
    boot: BootDeviceSetting = field(default_factory=lambda: BootDeviceSetting(BootDevice.DISK, True))
    log: list[str] = field(default_factory=list)
    on_command: Callable[[Machine, PowerState], None] | None = None
    """Replaces the effect of a power command."""
    on_read: Callable[[Machine], None] | None = None
    """Called before each read."""
    restarted: bool = False
    """Whether a BMC that is ``away`` at first has recovered."""


MACHINES: dict[str, Machine] = {}
"""Address -> machine. Tests add their machines."""


@dataclass(frozen=True)
class AcmeInfo(DriverInfo):
    """The address and the credentials of a BMC."""

    acme_address: str = option("Address of the BMC.")
    acme_port: int = option("Port of the BMC.", default=100, minimum=1, maximum=65535)
    acme_password: str = option("Password of the account.", secret=True)


@dataclass
class AcmeState(DriverState):
    """The state of the plugin for a node."""

    commands: int = 0


class Session:
    """A session; *obeys* is False for a BMC that ignores power commands."""

    def __init__(self, machine: Machine, obeys: bool = True) -> None:
        self.machine = machine
        self.obeys = obeys
        self.closed = False


class AcmeConnector(Connector[Session]):
    """Opens sessions. A suffix ``#word`` of the address selects a misbehavior."""

    def open(self, info: AcmeInfo, tls: Any, deadline: Any) -> Session:
        address, _, misbehavior = info.acme_address.partition("#")
        machine = MACHINES.get(address) if info.acme_port == 100 else None
        if misbehavior == "silent":
            threading.Event().wait(deadline.remaining())
        if misbehavior == "wrong":
            raise AcmeError("gibberish")
        if machine is not None and misbehavior == "away" and not machine.restarted:
            machine.restarted, misbehavior = True, "silent"
        if machine is None or misbehavior == "silent":
            raise AcmeError(f"no answer from {info.acme_address}", Fault.UNREACHABLE)
        machine.log.append("login")
        if info.acme_password != PASSWORD:
            raise AcmeError(f"login with {info.acme_password} refused", Fault.AUTH)
        return Session(machine, obeys=misbehavior != "lies")

    def close(self, session: Session, deadline: Any) -> None:
        session.machine.log.append("logout")
        session.closed = True

    def classify(self, exc: Exception) -> Fault:
        return exc.fault if isinstance(exc, AcmeError) else Fault.OTHER


class AcmePower(PowerInterface):
    """Switches machines on and off."""

    info_type = AcmeInfo
    state_type = AcmeState
    connector: ClassVar[type[Connector[Session]]] = AcmeConnector

    def get_power_state(self, task: Task) -> PowerState:
        with task.session(self.connector) as session:
            if session.machine.on_read is not None:
                session.machine.on_read(session.machine)
            return session.machine.power

    def set_power_state(self, task: Task, state: PowerState) -> None:
        task.state("power").commands += 1
        with task.session(self.connector) as session:
            machine = session.machine
            machine.log.append(state.value)
            if state not in self.supported_states:
                raise NotSupported(f"{state.value!r} is not a power state of these machines")
            if machine.on_command is not None:
                machine.on_command(machine, state)
            elif session.obeys:
                machine.power = state.outcome


class AcmeManagement(ManagementInterface):
    """Reads and sets boot devices."""

    info_type = AcmeInfo
    connector: ClassVar[type[Connector[Session]]] = AcmeConnector
    supported_boot_devices = frozenset({BootDevice.PXE, BootDevice.DISK})

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        with task.session(self.connector) as session:
            return session.machine.boot

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        if device not in self.supported_boot_devices:
            raise NotSupported(f"{device} is not a boot device of these machines")
        with task.session(self.connector) as session:
            session.machine.log.append(f"boot {device}")
            session.machine.boot = BootDeviceSetting(device, persistent)


class AcmeHardware(HardwareType):
    """Machines in memory."""

    power = ("acme",)
    management = ("acme", "noop")


def driver_info(address: str = ADDRESS) -> dict[str, Any]:
    """Return the driver_info for the machine at *address*."""
    return {"acme_address": address, "acme_password": PASSWORD}


def misbehaving(address: str) -> dict[str, dict[str, Any]]:
    """Return the misbehaviors and the driver_info changes that select them for the machine at *address*."""
    return {how: {"acme_address": f"{address}#{how}"} for how in ("slow", "silent", "wrong", "away", "lies")}
