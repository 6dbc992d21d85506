"""A plugin as it was written for version 1.0 of the contract. It is kept as it is: it has to work with every 1.x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import (
    Argument,
    BIOSInterface,
    BIOSSetting,
    BootDevice,
    BootDeviceSetting,
    BootMode,
    BootModeControl,
    Connector,
    Deadline,
    DeployInterface,
    DriverInfo,
    DriverState,
    Endpoint,
    Fault,
    HardwareType,
    InvalidInput,
    ManagementInterface,
    NotSupported,
    PowerInterface,
    PowerSampling,
    PowerState,
    Problem,
    Step,
    Task,
    VendorInterface,
    Wait,
    option,
    passthru,
    step,
)


class BoxError(Exception):
    """What the device's library raises."""

    def __init__(self, message: str, fault: Fault) -> None:
        super().__init__(message)
        self.fault = fault


class Box:
    """One machine in memory."""

    def __init__(self) -> None:
        self.power = PowerState.OFF
        self.boot = BootDeviceSetting(BootDevice.DISK, True)
        self.mode = BootMode.UEFI
        self.settings = {"Turbo": "on"}


BOXES = {"old-1.example": Box()}


@dataclass(frozen=True)
class OldInfo(DriverInfo):
    """Where the BMC is."""

    old_address: str = option("Address of the BMC.")
    old_port: int = option("Port of the BMC.", default=700, minimum=1, maximum=65535)
    old_password: str = option("Password of the account.", secret=True)

    def endpoint(self) -> Endpoint:
        """Where it is."""
        return Endpoint("old", self.old_address, self.old_port, "admin", None)


@dataclass
class OldState(DriverState):
    """What is kept about a node."""

    commands: int = 0


class OldConnector(Connector[Box]):
    """Logs in."""

    max_in_flight = 2

    def open(self, info: OldInfo, tls: Any, deadline: Deadline) -> Box:
        """Log in."""
        deadline.check("logging in")
        if info.old_address not in BOXES or info.old_port != 700:
            raise BoxError(f"no answer from {info.old_address}", Fault.UNREACHABLE)
        if info.old_password != "s3same":
            raise BoxError("refused", Fault.AUTH)
        return BOXES[info.old_address]

    def close(self, session: Box, deadline: Deadline) -> None:
        """Log out."""

    def classify(self, exc: Exception) -> Fault:
        """What it means."""
        return exc.fault if isinstance(exc, BoxError) else Fault.OTHER


class OldPower(PowerInterface, PowerSampling[Box]):
    """Power."""

    contract_version = (1, 0)
    info_type = OldInfo
    state_type = OldState
    connector = OldConnector
    supported_states = frozenset({PowerState.ON, PowerState.OFF, PowerState.REBOOT})

    def get_power_state(self, task: Task) -> PowerState:
        """Ask."""
        with task.session(OldConnector) as box:
            return box.power

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Command."""
        if state not in self.supported_states:
            raise NotSupported(f"the power cannot be set to {state.value!r}")
        task.state("power").commands += 1
        with task.session(OldConnector) as box:
            box.power = state.outcome

    def sample_power(self, session: Box, target: Any, deadline: Deadline) -> PowerState | None:
        """Read."""
        return session.power


class OldManagement(ManagementInterface, BootModeControl):
    """Boot device and mode."""

    contract_version = (1, 0)
    info_type = OldInfo
    connector = OldConnector
    supported_boot_devices = frozenset({BootDevice.PXE, BootDevice.DISK})

    def get_boot_device(self, task: Task) -> BootDeviceSetting:
        """Ask."""
        with task.session(OldConnector) as box:
            return box.boot

    def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
        """Set."""
        if device not in self.supported_boot_devices:
            raise NotSupported(f"the machine cannot boot from {device}")
        with task.session(OldConnector) as box:
            box.boot = BootDeviceSetting(device, persistent)

    def get_boot_mode(self, task: Task) -> BootMode:
        """Ask."""
        with task.session(OldConnector) as box:
            return box.mode

    def set_boot_mode(self, task: Task, mode: BootMode) -> None:
        """Set."""
        with task.session(OldConnector) as box:
            box.mode = mode


class OldDeploy(DeployInterface):
    """Deploys by a step that is polled."""

    contract_version = (1, 0)

    @step(phase="deploy", priority=100, arguments={"slowly": Argument("Whether to take time.")})
    def deploy(self, task: Task, slowly: bool = False) -> Wait | None:
        """Deploy."""
        task.power.set(PowerState.ON)
        return Wait(poll_after=1.0, state={"round": 1}) if slowly else None

    def poll(self, task: Task, step: Step, state: Any) -> Wait | None:
        """Over."""
        return None

    def tear_down(self, task: Task) -> Wait | None:
        """Off."""
        task.power.set(PowerState.OFF)
        return None


class OldBIOS(BIOSInterface):
    """Settings."""

    contract_version = (1, 0)
    info_type = OldInfo
    connector = OldConnector

    def get_settings(self, task: Task) -> list[BIOSSetting]:
        """Ask."""
        with task.session(OldConnector) as box:
            return [BIOSSetting(name, value) for name, value in box.settings.items()]

    @step(phase="clean", arguments={"settings": Argument("The settings.", required=True)})
    def apply_configuration(self, task: Task, settings: Any) -> None:
        """Set."""
        with task.session(OldConnector) as box:
            unknown = [one["name"] for one in settings if one["name"] not in box.settings]
            if unknown:
                raise InvalidInput([Problem(f"settings/{name}", "is not known", "Turbo is") for name in unknown])
            box.settings.update({one["name"]: one["value"] for one in settings})

    @step(phase="clean")
    def factory_reset(self, task: Task) -> None:
        """Reset."""
        with task.session(OldConnector) as box:
            box.settings = {"Turbo": "on"}


class OldVendor(VendorInterface):
    """One method."""

    contract_version = (1, 0)

    @passthru(["POST"], description="Say the name of the node.", background=False)
    def name(self, task: Task) -> str:
        """Say it."""
        return task.node.label


class OldHardware(HardwareType):
    """Machines that are as old as version 1.0."""

    contract_version = (1, 0)
    power = ("old",)
    management = ("old",)
    deploy = ("old",)
    bios = ("old",)
    vendor = ("old",)
