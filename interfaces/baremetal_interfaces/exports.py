"""Where each public name comes from. A module is imported when a name of it is first asked for."""

import importlib
from typing import Any

MODULES: dict[str, tuple[str, ...]] = {
    "connector": (
        "Connector",
        "Endpoint",
        "Fault",
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
        "InvalidInput",
        "NodeLocked",
        "NotFound",
        "NotSupported",
        "PowerStateFailure",
        "Problem",
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
        "MASK",
        "Option",
        "option",
    ),
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
"""Module of the package -> the names that the package offers of it."""

_HOMES = {name: module for module, names in MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """The public *name* of the package, from its module; ``AttributeError`` for any other."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'baremetal_interfaces' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"baremetal_interfaces.{home}"), name)
    globals_of_the_package = importlib.import_module("baremetal_interfaces").__dict__
    globals_of_the_package[name] = found
    return found
