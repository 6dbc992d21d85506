"""The contract between bare-metal driver plugins and the services that run them. It needs only the standard library."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from baremetal_interfaces.connector import Connector, Endpoint, Fault, MachineAddress, TLSOptions
    from baremetal_interfaces.deadline import Deadline
    from baremetal_interfaces.driver import Driver
    from baremetal_interfaces.errors import (
        AuthenticationFailed,
        BareMetalError,
        BMCBusy,
        BMCUnreachable,
        Busy,
        Cancelled,
        Conflict,
        DeadlineExceeded,
        DriverError,
        Forbidden,
        HostUnresolved,
        InvalidInput,
        NodeLocked,
        NotFound,
        NotSupported,
        PowerStateFailure,
        Problem,
        RequestUnanswered,
        UnexpectedAnswer,
    )
    from baremetal_interfaces.hardware_type import HardwareType
    from baremetal_interfaces.interface import Interface
    from baremetal_interfaces.kinds.bios import BIOSInterface
    from baremetal_interfaces.kinds.boot import BootInterface
    from baremetal_interfaces.kinds.console import ConsoleInterface
    from baremetal_interfaces.kinds.deploy import DeployInterface
    from baremetal_interfaces.kinds.firmware import FirmwareInterface
    from baremetal_interfaces.kinds.inspect import InspectInterface
    from baremetal_interfaces.kinds.management import (
        BootModeControl,
        HealthReport,
        IndicatorControl,
        ManagementInterface,
        NMIControl,
        SecureBootControl,
        SensorReport,
        VirtualMediaControl,
    )
    from baremetal_interfaces.kinds.network import NetworkInterface, NetworkPurpose
    from baremetal_interfaces.kinds.power import PowerInterface, PowerSampling
    from baremetal_interfaces.kinds.raid import LOGICAL_DISK_PROPERTIES, RAID_LEVELS, RAIDInterface, find_raid_problems
    from baremetal_interfaces.kinds.rescue import RescueInterface
    from baremetal_interfaces.kinds.storage import StorageInterface
    from baremetal_interfaces.kinds.vendor import Passthru, VendorInterface, driver_passthru, passthru
    from baremetal_interfaces.local import LocalTask
    from baremetal_interfaces.node import Node, Port
    from baremetal_interfaces.options import DriverInfo, Option, option
    from baremetal_interfaces.secret_fields import MASK
    from baremetal_interfaces.sending import check_send, guarded_sends, in_turn, request_slot, send_guard
    from baremetal_interfaces.state import DriverState
    from baremetal_interfaces.steps import Argument, Phase, Step, Wait, step
    from baremetal_interfaces.task import PowerControl, Task
    from baremetal_interfaces.values import (
        BIOSSetting,
        BootDevice,
        BootDeviceSetting,
        BootMode,
        ConsoleAccess,
        FirmwareComponent,
        Health,
        IndicatorState,
        InspectedPort,
        Inspection,
        Kind,
        PowerState,
        VirtualMediaDevice,
    )
    from baremetal_interfaces.version import CONTRACT_VERSION, is_compatible
else:
    from baremetal_interfaces.exports import __getattr__  # noqa: F401

__all__ = [
    "CONTRACT_VERSION",
    "LOGICAL_DISK_PROPERTIES",
    "MASK",
    "RAID_LEVELS",
    "Argument",
    "AuthenticationFailed",
    "BIOSInterface",
    "BIOSSetting",
    "BMCBusy",
    "BMCUnreachable",
    "BareMetalError",
    "BootDevice",
    "BootDeviceSetting",
    "BootInterface",
    "BootMode",
    "BootModeControl",
    "Busy",
    "Cancelled",
    "Conflict",
    "Connector",
    "ConsoleAccess",
    "ConsoleInterface",
    "Deadline",
    "DeadlineExceeded",
    "DeployInterface",
    "Driver",
    "DriverError",
    "DriverInfo",
    "DriverState",
    "Endpoint",
    "Fault",
    "FirmwareComponent",
    "FirmwareInterface",
    "Forbidden",
    "HardwareType",
    "Health",
    "HealthReport",
    "HostUnresolved",
    "IndicatorControl",
    "IndicatorState",
    "InspectInterface",
    "InspectedPort",
    "Inspection",
    "Interface",
    "InvalidInput",
    "Kind",
    "LocalTask",
    "MachineAddress",
    "ManagementInterface",
    "NMIControl",
    "NetworkInterface",
    "NetworkPurpose",
    "Node",
    "NodeLocked",
    "NotFound",
    "NotSupported",
    "Option",
    "Passthru",
    "Phase",
    "Port",
    "PowerControl",
    "PowerInterface",
    "PowerSampling",
    "PowerState",
    "PowerStateFailure",
    "Problem",
    "RAIDInterface",
    "RequestUnanswered",
    "RescueInterface",
    "SecureBootControl",
    "SensorReport",
    "Step",
    "StorageInterface",
    "TLSOptions",
    "Task",
    "UnexpectedAnswer",
    "VendorInterface",
    "VirtualMediaControl",
    "VirtualMediaDevice",
    "Wait",
    "check_send",
    "driver_passthru",
    "find_raid_problems",
    "guarded_sends",
    "in_turn",
    "is_compatible",
    "option",
    "passthru",
    "request_slot",
    "send_guard",
    "step",
]
