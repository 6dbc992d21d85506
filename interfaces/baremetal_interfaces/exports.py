"""The public names of the package and their modules. A module is imported when one of its names is first used."""

import importlib
from typing import Any

MODULES: dict[str, tuple[str, ...]] = {
    "connector": (
        "Connector",
        "Endpoint",
        "Fault",
        "MachineAddress",
        "TLSOptions",
    ),
    "deadline": ("Deadline",),
    "driver": ("Driver",),
    "errors": (
        "AuthenticationFailed",
        "BMCBusy",
        "BMCUnreachable",
        "BareMetalError",
        "Busy",
        "Cancelled",
        "Conflict",
        "DeadlineExceeded",
        "DriverError",
        "Forbidden",
        "HostUnresolved",
        "InvalidInput",
        "NodeLocked",
        "NotFound",
        "NotSupported",
        "PowerStateFailure",
        "Problem",
        "RequestUnanswered",
        "UnexpectedAnswer",
    ),
    "hardware_type": ("HardwareType",),
    "interface": ("Interface",),
    "kinds.bios": ("BIOSInterface",),
    "kinds.boot": ("BootInterface",),
    "kinds.console": ("ConsoleInterface",),
    "kinds.deploy": ("DeployInterface",),
    "kinds.firmware": ("FirmwareInterface",),
    "kinds.inspect": ("InspectInterface",),
    "kinds.management": (
        "BootModeControl",
        "HealthReport",
        "IndicatorControl",
        "ManagementInterface",
        "NMIControl",
        "SecureBootControl",
        "SensorReport",
        "VirtualMediaControl",
    ),
    "kinds.network": (
        "NetworkInterface",
        "NetworkPurpose",
    ),
    "kinds.power": (
        "PowerInterface",
        "PowerSampling",
    ),
    "kinds.raid": (
        "LOGICAL_DISK_PROPERTIES",
        "RAID_LEVELS",
        "RAIDInterface",
        "find_raid_problems",
    ),
    "kinds.rescue": ("RescueInterface",),
    "kinds.storage": ("StorageInterface",),
    "kinds.vendor": (
        "Passthru",
        "VendorInterface",
        "driver_passthru",
        "passthru",
    ),
    "local": ("LocalTask",),
    "node": (
        "Node",
        "Port",
    ),
    "options": (
        "DriverInfo",
        "Option",
        "option",
    ),
    "secret_fields": ("MASK",),
    "sending": (
        "check_send",
        "guarded_sends",
        "in_turn",
        "request_slot",
        "send_guard",
    ),
    "state": ("DriverState",),
    "steps": (
        "Argument",
        "Phase",
        "Step",
        "Wait",
        "step",
    ),
    "task": (
        "PowerControl",
        "Task",
    ),
    "values": (
        "BIOSSetting",
        "BootDevice",
        "BootDeviceSetting",
        "BootMode",
        "ConsoleAccess",
        "FirmwareComponent",
        "Health",
        "IndicatorState",
        "InspectedPort",
        "Inspection",
        "Kind",
        "PowerState",
        "VirtualMediaDevice",
    ),
    "version": (
        "CONTRACT_VERSION",
        "is_compatible",
    ),
}
"""Module of the package -> public names that it defines."""

_MODULE_OF_NAME = {name: module for module, names in MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Return the public *name* of the package from its module; raise ``AttributeError`` for any other name."""
    module = _MODULE_OF_NAME.get(name)
    if module is None:
        raise AttributeError(f"module 'baremetal_interfaces' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"baremetal_interfaces.{module}"), name)
    # The next access finds the name in the package and does not come here.
    package_globals = importlib.import_module("baremetal_interfaces").__dict__
    package_globals[name] = found
    return found
