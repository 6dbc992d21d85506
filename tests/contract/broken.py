"""Plugins that deliberately break one rule each. The kit must catch each one by that rule."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import (
    Argument,
    AuthenticationFailed,
    BIOSInterface,
    BIOSSetting,
    BMCUnreachable,
    BootDevice,
    BootDeviceSetting,
    BootInterface,
    BootMode,
    BootModeControl,
    Busy,
    Connector,
    ConsoleAccess,
    ConsoleInterface,
    DeadlineExceeded,
    DriverError,
    DriverInfo,
    Fault,
    FirmwareComponent,
    FirmwareInterface,
    HardwareType,
    InspectedPort,
    InspectInterface,
    Inspection,
    Interface,
    InvalidInput,
    NetworkInterface,
    NetworkPurpose,
    NotSupported,
    PowerState,
    RAIDInterface,
    SecureBootControl,
    StorageInterface,
    Task,
    UnexpectedAnswer,
    VendorInterface,
    option,
    passthru,
    step,
)
from tests.contract import acme


class IgnoredSoftOff(acme.AcmePower):
    """Declares soft power off and ignores the command."""

    supported_states = frozenset({PowerState.ON, PowerState.OFF, PowerState.SOFT_OFF})

    def set_power_state(self, task: Task, state: PowerState) -> None:
        if state is not PowerState.SOFT_OFF:
            super().set_power_state(task, state)


class FailingRepeat(acme.AcmePower):
    """Fails if the machine is already in the requested state."""

    def set_power_state(self, task: Task, state: PowerState) -> None:
        if self.get_power_state(task) is state:
            raise DriverError(f"the machine is {state} already")
        super().set_power_state(task, state)


class TextState(acme.AcmePower):
    """Returns the power state as a text that is not a PowerState."""

    def get_power_state(self, task: Task) -> PowerState:
        super().get_power_state(task)
        return "On"  # type: ignore[return-value]


class ConnectingValidation(acme.AcmePower):
    """Sends a request to the BMC during validation."""

    def validate(self, task: Task) -> None:
        self.get_power_state(task)


class UnnamedField(acme.AcmePower):
    """Refuses a valid driver_info and names no field."""

    def validate(self, task: Task) -> None:
        raise InvalidInput("something is wrong")


class UnrequestableStates(acme.AcmePower):
    """Does not declare OFF, and declares UNKNOWN."""

    supported_states = frozenset({PowerState.ON, PowerState.UNKNOWN})


class MisdeclaredStep(acme.AcmePower):
    """Declares a step argument that the method does not accept."""

    @step(phase="clean", arguments={"depth": Argument("How deep.")})
    def scrub(self, task: Task) -> None:
        """Scrub."""


class SharedState(acme.AcmePower):
    """Keeps state on the instance: with two threads, one gets a wrong answer."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.inside = 0
        self.met = threading.Event()

    def get_power_state(self, task: Task) -> PowerState:
        self.inside += 1
        try:
            state = super().get_power_state(task)
            if self.inside > 1:
                self.met.set()
            # Wait for another thread. A thread that stays alone gets the right answer after a short time.
            return PowerState.UNKNOWN if self.met.wait(0.02) else state
        finally:
            self.inside -= 1
            if not self.inside:
                self.met.clear()


class Deadlocking(acme.AcmePower):
    """Blocks each thread that asks while another thread is inside."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.inside = threading.Lock()
        self.never = threading.Event()

    def get_power_state(self, task: Task) -> PowerState:
        if not self.inside.acquire(blocking=False):
            self.never.wait(5.0)
        try:
            # Long enough for the other threads to come in.
            self.never.wait(0.02)
            return super().get_power_state(task)
        finally:
            if self.inside.locked():
                self.inside.release()


class Overloaded(acme.AcmePower):
    """Raises :attr:`error` for the first :attr:`failing_calls` calls that meet another thread inside; otherwise correct."""

    error: type[DriverError | Busy] = DeadlineExceeded
    failing_calls = 10**9

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.lock = threading.Lock()
        self.inside = 0
        self.failed = 0

    def get_power_state(self, task: Task) -> PowerState:
        with self.lock:
            self.inside += 1
        try:
            time.sleep(0.01)
            with self.lock:
                fails = self.inside > 1 and self.failed < self.failing_calls
                self.failed += fails
            if fails:
                raise self.error("the machine is under load")
            return super().get_power_state(task)
        finally:
            with self.lock:
                self.inside -= 1


class AssumedState(acme.AcmePower):
    """Reports the last requested power state instead of the actual one."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.requested: dict[str, PowerState] = {}

    def get_power_state(self, task: Task) -> PowerState:
        found = super().get_power_state(task)
        return self.requested.get(task.info("power").acme_address, found)

    def set_power_state(self, task: Task, state: PowerState) -> None:
        super().set_power_state(task, state)
        self.requested[task.info("power").acme_address] = state.outcome


class StateInDriver(acme.AcmePower):
    """Stores the power state in the driver and sends no command."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.state = PowerState.OFF

    def get_power_state(self, task: Task) -> PowerState:
        super().get_power_state(task)
        return self.state

    def set_power_state(self, task: Task, state: PowerState) -> None:
        if state in self.supported_states:
            self.state = state


class BlockedCall(acme.AcmePower):
    """Waits forever if the BMC does not answer."""

    def get_power_state(self, task: Task) -> PowerState:
        if task.info("power").acme_address.endswith("#silent"):
            threading.Event().wait(30.0)
        return super().get_power_state(task)


class UnreturnedSession(acme.AcmePower):
    """Borrows sessions and never returns them."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.kept: list[Any] = []

    def get_power_state(self, task: Task) -> PowerState:
        borrowed = task.session(self.connector)
        self.kept.append(borrowed)
        return borrowed.__enter__().machine.power


class SecretInError(acme.AcmePower):
    """Raises an error that contains the password."""

    def get_power_state(self, task: Task) -> PowerState:
        try:
            return super().get_power_state(task)
        except AuthenticationFailed:
            raise AuthenticationFailed(f"{task.info('power').acme_password} is refused") from None


class SecretInLog(acme.AcmePower):
    """Logs the password."""

    def get_power_state(self, task: Task) -> PowerState:
        logging.getLogger("baremetal_chatty").debug("logging in with %s", task.info("power").acme_password)
        return super().get_power_state(task)


class UndeclaredCommand(acme.AcmePower):
    """Carries out power states that it does not declare."""

    def set_power_state(self, task: Task, state: PowerState) -> None:
        with task.session(self.connector) as session:
            if session.obeys:
                session.machine.power = PowerState.OFF if session.machine.power is PowerState.ON else PowerState.ON
                if state in self.supported_states:
                    session.machine.power = state


class UnreachableAsOff(acme.AcmePower):
    """Reports a machine as off if its BMC is unreachable."""

    def get_power_state(self, task: Task) -> PowerState:
        try:
            return super().get_power_state(task)
        except BMCUnreachable:
            return PowerState.OFF


class NonsenseAsOff(acme.AcmePower):
    """Reports a machine as off if the response makes no sense."""

    def get_power_state(self, task: Task) -> PowerState:
        try:
            return super().get_power_state(task)
        except UnexpectedAnswer:
            return PowerState.OFF


class NonsenseAsRefusal(acme.AcmePower):
    """Reports refused credentials if the response makes no sense."""

    def get_power_state(self, task: Task) -> PowerState:
        try:
            return super().get_power_state(task)
        except UnexpectedAnswer:
            raise AuthenticationFailed("no entry") from None


class NoReconnect(acme.AcmePower):
    """Never contacts a BMC again after it was unreachable."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.gone: set[str] = set()

    def get_power_state(self, task: Task) -> PowerState:
        address = task.info("power").acme_address
        if address in self.gone:
            raise BMCUnreachable("it did not answer before")
        try:
            return super().get_power_state(task)
        except BMCUnreachable:
            self.gone.add(address)
            raise


class IgnoredDeadline(acme.AcmePower):
    """Returns an answer after the deadline without a request."""

    def get_power_state(self, task: Task) -> PowerState:
        return PowerState.OFF if task.deadline.expired else super().get_power_state(task)


class ChangingRead(acme.AcmeManagement):
    """Changes the boot device when it is read."""

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        with task.session(self.connector) as session:
            found = session.machine.boot
            then = {BootDevice.DISK: BootDevice.PXE, BootDevice.PXE: BootDevice.CDROM}
            session.machine.boot = BootDeviceSetting(then.get(found.device or BootDevice.DISK, BootDevice.DISK), True)
            return found


class UnsupportedBootDevice(acme.AcmeManagement):
    """Sets unsupported boot devices."""

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        with task.session(self.connector) as session:
            session.machine.boot = BootDeviceSetting(device, persistent)


class MissingMixin(acme.AcmeManagement):
    """Has a method of a mix-in without the mix-in."""

    def get_boot_mode(self, task: Task) -> BootMode:
        return BootMode.UEFI


class IgnoredBootMode(acme.AcmeManagement, BootModeControl):
    """Accepts a boot mode and does not set it."""

    def get_boot_mode(self, task: Task) -> BootMode:
        self.get_boot_device(task)
        return BootMode.UEFI

    def set_boot_mode(self, task: Task, mode: BootMode) -> None:
        """Do nothing."""


class TextSecureBoot(acme.AcmeManagement, SecureBootControl):
    """Returns secure boot as a text."""

    def get_secure_boot(self, task: Task) -> bool:
        self.get_boot_device(task)
        return "Enabled"  # type: ignore[return-value]

    def set_secure_boot(self, task: Task, enabled: bool) -> None:
        """Do nothing."""


class DuplicateSetting(BIOSInterface):
    """Lists a setting twice, and accepts unknown settings."""

    def get_settings(self, task: Task) -> list[BIOSSetting]:
        return [BIOSSetting("Turbo", "on"), BIOSSetting("Turbo", "off")]

    def apply_configuration(self, task: Task, settings: Any) -> None:
        """Do nothing."""

    def factory_reset(self, task: Task) -> None:
        """Do nothing."""


class UncheckedRAID(RAIDInterface):
    """Accepts any RAID configuration."""

    def validate_raid_config(self, task: Task, raid_config: Mapping[str, Any]) -> None:
        """Accept everything."""

    def create_configuration(self, task: Task, *given: Any, **settings: Any) -> None:
        """Do nothing."""

    def delete_configuration(self, task: Task) -> None:
        """Do nothing."""


class UpperCaseMAC(InspectInterface):
    """Returns MAC addresses in upper case."""

    def inspect(self, task: Task) -> Inspection:
        return Inspection(ports=(InspectedPort("AA:BB:CC:00:11:22"),))


class FailingConsoleStart(ConsoleInterface):
    """Returns the address of a stopped console, and fails on a repeated start."""

    def start_console(self, task: Task) -> None:
        raise DriverError("it is started already")

    def stop_console(self, task: Task) -> None:
        """Do nothing."""

    def get_console(self, task: Task) -> ConsoleAccess:
        return ConsoleAccess("fake", "fake://console")


class UndescribedMethod(VendorInterface):
    """Offers a passthru method without a description."""

    @passthru(["post"])
    def blink(self, task: Task) -> None:
        """Blink."""


class FailingAttach(StorageInterface):
    """Fails on a repeated attach of volumes."""

    attached = False

    def attach_volumes(self, task: Task) -> None:
        if self.attached:
            raise DriverError("they are attached")
        self.attached = True

    def detach_volumes(self, task: Task) -> None:
        """Do nothing."""


class FailingDetach(NetworkInterface):
    """Fails to detach a machine that is not attached."""

    def attach(self, task: Task, purpose: NetworkPurpose) -> None:
        """Do nothing."""

    def detach(self, task: Task, purpose: NetworkPurpose) -> None:
        raise DriverError(f"the machine is not attached for {purpose}")

    def vif_attach(self, task: Task, vif: Mapping[str, Any]) -> None:
        """Do nothing."""

    def vif_detach(self, task: Task, vif_id: str) -> None:
        """Do nothing."""

    def vif_list(self, task: Task) -> list[Mapping[str, Any]]:
        return []


class FailingCleanUp(BootInterface):
    """Fails on a repeated cleanup."""

    prepared = False

    def prepare_instance(self, task: Task) -> None:
        self.prepared = True

    def clean_up_instance(self, task: Task) -> None:
        if not self.prepared:
            raise DriverError("nothing is prepared")
        self.prepared = False

    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Do nothing."""

    def clean_up_ramdisk(self, task: Task) -> None:
        """Do nothing."""


class UncheckedComponent(FirmwareInterface):
    """Accepts updates of unknown components."""

    def get_components(self, task: Task) -> list[FirmwareComponent]:
        return [FirmwareComponent("bios", "1.0")]

    def update(self, task: Task, settings: Any) -> None:
        """Do nothing."""


class IgnoredBootDevice(acme.AcmeManagement):
    """Accepts boot devices and does not set them."""

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Do nothing."""


class IgnoredPersistence(acme.AcmeManagement):
    """Sets persistent boot devices for the next boot only."""

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        super().set_boot_device(task, device, persistent=False)


class RefusedBootDevices(acme.AcmeManagement):
    """Declares boot devices and refuses all of them."""

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        raise NotSupported("not here")


class LeakingConnector(acme.AcmeConnector):
    """Leaves one file open for each session."""

    def open(self, info: Any, tls: Any, deadline: Any) -> acme.Session:
        os.dup(0)
        return super().open(info, tls, deadline)


class UnclearConnector(acme.AcmeConnector):
    """Classifies unreachable BMCs as other failures."""

    def classify(self, exc: Exception) -> Fault:
        return Fault.OTHER if super().classify(exc) is Fault.UNREACHABLE else super().classify(exc)


class FragileConnector(acme.AcmeConnector):
    """Classifies only its own exceptions."""

    def classify(self, exc: Exception) -> Fault:
        fault: Fault = exc.fault  # type: ignore[attr-defined]
        return fault


class RepeatedLogin(acme.AcmePower):
    """Logs in again after refused credentials."""

    def get_power_state(self, task: Task) -> PowerState:
        try:
            return super().get_power_state(task)
        except DriverError:
            return super().get_power_state(task)


@dataclass(frozen=True)
class SecretInRepr(acme.AcmeInfo):
    """Shows its password in the repr."""

    def __repr__(self) -> str:
        return f"SecretInRepr({self.acme_password})"


@dataclass(frozen=True)
class UndocumentedInfo(DriverInfo):
    """Has a password that is not secret, and an option without a help text."""

    acme_address: str = option("Address of the BMC.")
    acme_port: int = option(" ", default=100)
    acme_password: str = option("Password.")


@dataclass(frozen=True)
class SingleProblemInfo(acme.AcmeInfo):
    """Reports only one problem at a time."""

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> SingleProblemInfo:
        problems = cls.problems(raw)
        if problems:
            raise InvalidInput(problems[:1])
        return super().parse(raw)


class UndescribedHardware(HardwareType):
    power = ("acme",)


class NewerContract(acme.AcmePower):
    """Declares a contract version that does not exist."""

    contract_version = (99, 0)


def with_info(info_type: type[DriverInfo]) -> Mapping[str, type[Interface]]:
    """Return acme's power interface with another type of driver_info."""
    return {"power": type(f"PowerWith{info_type.__name__}", (acme.AcmePower,), {"info_type": info_type})}


def with_connector(connector: type[Connector[Any]]) -> Mapping[str, type[Interface]]:
    """Return acme's power interface with another connector."""
    return {"power": type(f"PowerWith{connector.__name__}", (acme.AcmePower,), {"connector": connector})}
