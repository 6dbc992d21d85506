"""RPC methods for the boot device, boot mode and secure boot of machines."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

from baremetal_interfaces import (
    BootDevice,
    BootDeviceSetting,
    BootMode,
    BootModeControl,
    InvalidInput,
    Kind,
    NotSupported,
    SecureBootControl,
)
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.in_background import start_background_action
from baremetal_sdk.services.parsing import parse_enum
from baremetal_sdk.tasks.task_manager import TaskManager


class Management:
    """RPC service for the boot device, boot mode and secure boot of machines. Reads need no lease."""

    def __init__(self, tasks: TaskManager, lane: Executor) -> None:
        self._tasks = tasks
        self._lane = lane

    @rpc_method("1.0")
    def get_boot_device(self, node: str) -> dict[str, Any]:
        """Read from the BMC the device of the next boot, and whether this setting is persistent. Values may be None."""
        task = self._tasks.read_only(node)
        task.validate(Kind.MANAGEMENT)
        setting: BootDeviceSetting = task.call(Kind.MANAGEMENT, "get_boot_device")
        return {"boot_device": str(setting.device) if setting.device else None, "persistent": setting.persistent}

    @rpc_method("1.0")
    def get_supported_boot_devices(self, node: str) -> list[str]:
        """Return the devices that the machine can boot from."""
        task = self._tasks.read_only(node)
        return sorted(str(device) for device in task.call(Kind.MANAGEMENT, "get_supported_boot_devices"))

    @rpc_method("1.0")
    def set_boot_device(self, node: str, device: str, persistent: bool = False) -> None:
        """Set the device of the next boot, or with *persistent* of all boots. Wait until the BMC has accepted it.

        Raises ``InvalidInput`` for a device that the machine does not support.
        """
        wanted = parse_enum(BootDevice, device, "boot_device")
        with self._tasks.acquire(node, purpose="setting the boot device") as task:
            task.validate(Kind.MANAGEMENT)
            supported = task.call(Kind.MANAGEMENT, "get_supported_boot_devices")
            if wanted not in supported:
                names = ", ".join(sorted(map(str, supported))) or "none"
                raise InvalidInput(f"boot_device: this node cannot boot from {device!r}; it supports {names}")
            task.call(Kind.MANAGEMENT, "set_boot_device", wanted, persistent)

    @rpc_method("1.0")
    def set_boot_mode(self, node: str, mode: str) -> None:
        """Set the boot mode, such as ``uefi``, in the background. Raises ``NotSupported`` if the driver cannot set *mode*."""
        wanted = parse_enum(BootMode, mode, "target")
        with self._tasks.acquire(node, purpose="setting the boot mode") as task:
            management = task.driver.management
            if not isinstance(management, BootModeControl) or wanted not in management.supported_boot_modes:
                raise NotSupported(
                    f"target: the management interface {task.record.management_interface!r} cannot set boot mode {mode!r}; "
                    "set management_interface to one that supports it"
                )
            task.validate(Kind.MANAGEMENT)
            start_background_action(
                task,
                self._lane,
                f"setting boot mode {wanted}",
                lambda task: task.call(Kind.MANAGEMENT, "set_boot_mode", wanted),
                boot_mode=str(wanted),
            )

    @rpc_method("1.0")
    def set_secure_boot(self, node: str, enabled: bool) -> None:
        """Enable or disable secure boot in the background. Raises ``NotSupported`` if the driver cannot do that."""
        with self._tasks.acquire(node, purpose="setting secure boot") as task:
            if not isinstance(task.driver.management, SecureBootControl):
                raise NotSupported(
                    f"target: the management interface {task.record.management_interface!r} does not support secure boot; "
                    "set management_interface to one that supports it"
                )
            task.validate(Kind.MANAGEMENT)
            start_background_action(
                task,
                self._lane,
                "setting secure boot",
                lambda task: task.call(Kind.MANAGEMENT, "set_secure_boot", enabled),
                secure_boot=enabled,
            )
