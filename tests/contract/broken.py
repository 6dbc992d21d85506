"""Plugins that break one rule each, on purpose: the kit has to catch every one by the right rule."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import (
    Argument,
    BootDevice,
    Connector,
    DriverError,
    DriverInfo,
    Fault,
    HardwareType,
    Interface,
    InvalidInput,
    NotSupported,
    PowerState,
    Task,
    option,
    step,
)
from tests.contract import acme


class Disobedient(acme.AcmePower):
    """Declares a soft power off, and ignores it."""

    supported_states = frozenset({PowerState.ON, PowerState.OFF, PowerState.SOFT_OFF})

    def set_power_state(self, task: Task, state: PowerState) -> None:
        if state is not PowerState.SOFT_OFF:
            super().set_power_state(task, state)


class Touchy(acme.AcmePower):
    """Fails when the machine is there already."""

    def set_power_state(self, task: Task, state: PowerState) -> None:
        if self.get_power_state(task) is state:
            raise DriverError(f"the machine is {state} already")
        super().set_power_state(task, state)


class Wordy(acme.AcmePower):
    """Gives the state as text of its own."""

    def get_power_state(self, task: Task) -> PowerState:
        super().get_power_state(task)
        return "On"  # type: ignore[return-value]


class Curious(acme.AcmePower):
    """Asks the BMC while a client waits for the validation."""

    def validate(self, task: Task) -> None:
        self.get_power_state(task)


class Vague(acme.AcmePower):
    """Refuses a driver_info that is right, and names no field."""

    def validate(self, task: Task) -> None:
        raise InvalidInput("something is wrong")


class Undeclared(acme.AcmePower):
    """Declares that it can only be switched on, and UNKNOWN as something to be asked for."""

    supported_states = frozenset({PowerState.ON, PowerState.UNKNOWN})


class Misdeclared(acme.AcmePower):
    """Has a step that does not take the argument that it declares."""

    @step(phase="clean", arguments={"depth": Argument("How deep.")})
    def scrub(self, task: Task) -> None:
        """Scrub."""


class Racing(acme.AcmePower):
    """Serves one thread at a time, and tells the others nothing."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.busy = False
        self.met = threading.Event()

    def get_power_state(self, task: Task) -> PowerState:
        if self.busy:
            self.met.set()
            return PowerState.UNKNOWN
        self.busy = True
        try:
            if threading.current_thread() is not threading.main_thread():
                self.met.wait(10.0)  # until another thread has come in between
            return super().get_power_state(task)
        finally:
            self.busy = False


class Forgetful(acme.AcmeManagement):
    """Takes every boot device and keeps none."""

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Forget."""


class Fleeting(acme.AcmeManagement):
    """Sets every boot device for the next boot only."""

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        super().set_boot_device(task, device, persistent=False)


class Unwilling(acme.AcmeManagement):
    """Declares boot devices and refuses them all."""

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        raise NotSupported("not here")


class Leaking(acme.AcmeConnector):
    """Leaves a file open for every session."""

    def open(self, info: Any, tls: Any, deadline: Any) -> acme.Session:
        os.dup(0)
        return super().open(info, tls, deadline)


class Unclear(acme.AcmeConnector):
    """Does not tell silence from other failures."""

    def classify(self, exc: Exception) -> Fault:
        return Fault.OTHER if super().classify(exc) is Fault.UNREACHABLE else super().classify(exc)


class Fragile(acme.AcmeConnector):
    """Knows its own exceptions only."""

    def classify(self, exc: Exception) -> Fault:
        fault: Fault = exc.fault  # type: ignore[attr-defined]
        return fault


class Insistent(acme.AcmePower):
    """Logs in again and again when it is refused."""

    def get_power_state(self, task: Task) -> PowerState:
        try:
            return super().get_power_state(task)
        except DriverError:
            return super().get_power_state(task)


@dataclass(frozen=True)
class Talkative(acme.AcmeInfo):
    """Says everything."""

    def __repr__(self) -> str:
        return f"Talkative({self.acme_password})"


@dataclass(frozen=True)
class OpenHearted(DriverInfo):
    """Does not declare its password as a secret, and explains nothing."""

    acme_address: str = option("Address of the BMC.")
    acme_port: int = option(" ", default=100)
    acme_password: str = option("Password.")


@dataclass(frozen=True)
class OneByOne(acme.AcmeInfo):
    """Says one problem at a time."""

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> OneByOne:
        problems = cls.problems(raw)
        if problems:
            raise InvalidInput(problems[:1])
        return super().parse(raw)


class Nameless(HardwareType):
    power = ("acme",)


class Newer(acme.AcmePower):
    """Written for a contract that does not exist yet."""

    contract_version = (99, 0)


def with_info(info_type: type[DriverInfo]) -> Mapping[str, type[Interface]]:
    """Acme's power interface with another sort of driver_info."""
    return {"power": type("Power", (acme.AcmePower,), {"info_type": info_type})}


def with_connector(connector: type[Connector[Any]], base: type[acme.AcmePower] = acme.AcmePower) -> Mapping[str, type[Interface]]:
    """Acme's power interface with another connector."""

    class Power(base):  # type: ignore[valid-type, misc]
        """Borrows from the connector."""

        def get_power_state(self, task: Task) -> PowerState:
            with task.session(connector) as session:
                state: PowerState = session.machine.power
                return state

        def set_power_state(self, task: Task, state: PowerState) -> None:
            with task.session(connector) as session:
                session.machine.power = state.outcome

    Power.connector = connector
    return {"power": Power}
