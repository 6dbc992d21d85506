"""A plugin for machines that exist in memory alone: what the local task and the kit are tried on."""

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
    """What the device library raises; *fault* is what it means."""

    def __init__(self, message: str, fault: Fault = Fault.OTHER) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass
class Machine:
    """One machine, and what happened at its BMC."""

    power: PowerState = PowerState.OFF
    boot: BootDeviceSetting = field(default_factory=lambda: BootDeviceSetting(BootDevice.DISK, True))
    log: list[str] = field(default_factory=list)
    on_command: Callable[[Machine, PowerState], None] | None = None
    """What happens in place of obeying."""
    on_read: Callable[[Machine], None] | None = None
    """What happens before an answer."""
    restarted: bool = False
    """Whether its BMC, which is ``away`` at first, has come back."""


MACHINES: dict[str, Machine] = {}
"""Which machine is at which address. A test puts its own there."""


@dataclass(frozen=True)
class AcmeInfo(DriverInfo):
    """Where the BMC is."""

    acme_address: str = option("Address of the BMC.")
    acme_port: int = option("Port of the BMC.", default=100, minimum=1, maximum=65535)
    acme_password: str = option("Password of the account.", secret=True)


@dataclass
class AcmeState(DriverState):
    """What is kept about a node."""

    commands: int = 0


class Session:
    """A login."""

    def __init__(self, machine: Machine, obeys: bool = True) -> None:
        self.machine = machine
        self.obeys = obeys
        self.closed = False


class AcmeConnector(Connector[Session]):
    """Logs in."""

    def open(self, info: AcmeInfo, tls: Any, deadline: Any) -> Session:
        address, _, mood = info.acme_address.partition("#")
        machine = MACHINES.get(address) if info.acme_port == 100 else None
        if mood == "silent":
            threading.Event().wait(deadline.remaining())
        if mood == "wrong":
            raise AcmeError("gibberish")
        if machine is not None and mood == "away" and not machine.restarted:
            machine.restarted, mood = True, "silent"
        if machine is None or mood == "silent":
            raise AcmeError(f"no answer from {info.acme_address}", Fault.UNREACHABLE)
        machine.log.append("login")
        if info.acme_password != PASSWORD:
            raise AcmeError(f"login with {info.acme_password} refused", Fault.AUTH)
        return Session(machine, obeys=mood != "lies")

    def close(self, session: Session, deadline: Any) -> None:
        session.machine.log.append("logout")
        session.closed = True

    def classify(self, exc: Exception) -> Fault:
        return exc.fault if isinstance(exc, AcmeError) else Fault.OTHER


class AcmePower(PowerInterface):
    """Switches."""

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
                raise NotSupported(f"{state.value!r} is no power state of these machines")
            if machine.on_command is not None:
                machine.on_command(machine, state)
            elif session.obeys:
                machine.power = state.outcome


class AcmeManagement(ManagementInterface):
    """Sets boot devices."""

    info_type = AcmeInfo
    connector: ClassVar[type[Connector[Session]]] = AcmeConnector
    supported_boot_devices = frozenset({BootDevice.PXE, BootDevice.DISK})

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        with task.session(self.connector) as session:
            return session.machine.boot

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        if device not in self.supported_boot_devices:
            raise NotSupported(f"{device} is no boot device of these machines")
        with task.session(self.connector) as session:
            session.machine.log.append(f"boot {device}")
            session.machine.boot = BootDeviceSetting(device, persistent)


class AcmeHardware(HardwareType):
    """Machines that exist in memory."""

    power = ("acme",)
    management = ("acme", "noop")


def driver_info(address: str = ADDRESS) -> dict[str, Any]:
    """What reaches the machine at *address*."""
    return {"acme_address": address, "acme_password": PASSWORD}


def misbehaving(address: str) -> dict[str, dict[str, Any]]:
    """How a BMC can behave -> the address at which the machine's does."""
    return {how: {"acme_address": f"{address}#{how}"} for how in ("slow", "silent", "wrong", "away", "lies")}
