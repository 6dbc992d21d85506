"""Boot device, boot mode and secure boot."""

from __future__ import annotations

from concurrent.futures import Executor
from enum import Enum
from typing import Any, TypeVar

from baremetal_interfaces import (
    BareMetalError,
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
from baremetal_sdk.task import NodeTask
from baremetal_sdk.tasks import Tasks

E = TypeVar("E", bound=Enum)


class Management:
    """What a machine boots from and how. Reading takes no lease."""

    def __init__(self, tasks: Tasks, lane: Executor) -> None:
        self._tasks = tasks
        self._lane = lane

    @rpc_method("1.0")
    def get_boot_device(self, node: str) -> dict[str, Any]:
        """Ask what the machine boots from next."""
        task = self._tasks.look(node)
        task.validate(Kind.MANAGEMENT)
        seen: BootDeviceSetting = task.call(Kind.MANAGEMENT, "get_boot_device")
        return {"boot_device": str(seen.device) if seen.device else None, "persistent": seen.persistent}

    @rpc_method("1.0")
    def get_supported_boot_devices(self, node: str) -> list[str]:
        """The devices that the machine can boot from."""
        task = self._tasks.look(node)
        return sorted(str(device) for device in task.call(Kind.MANAGEMENT, "get_supported_boot_devices"))

    @rpc_method("1.0")
    def set_boot_device(self, node: str, device: str, persistent: bool = False) -> None:
        """Set what the machine boots from, once or always."""
        wanted = _parsed(BootDevice, device, "boot_device")
        with self._tasks.acquire(node, purpose="setting the boot device") as task:
            task.validate(Kind.MANAGEMENT)
            supported = task.call(Kind.MANAGEMENT, "get_supported_boot_devices")
            if wanted not in supported:
                names = ", ".join(sorted(map(str, supported))) or "none"
                raise InvalidInput(f"boot_device: this node cannot boot from {device!r}; it supports {names}")
            task.call(Kind.MANAGEMENT, "set_boot_device", wanted, persistent)

    @rpc_method("1.0")
    def set_boot_mode(self, node: str, mode: str) -> None:
        """Set the boot mode, in the background."""
        wanted = _parsed(BootMode, mode, "target")
        with self._tasks.acquire(node, purpose="setting the boot mode") as task:
            management = task.driver.management
            if not isinstance(management, BootModeControl) or wanted not in management.supported_boot_modes:
                raise NotSupported(
                    f"target: the management interface {task.record.management_interface!r} cannot set boot mode {mode!r}"
                )
            task.validate(Kind.MANAGEMENT)
            task.hand_over(self._lane, lambda task: _recorded(task, "set_boot_mode", wanted, boot_mode=str(wanted)))

    @rpc_method("1.0")
    def set_secure_boot(self, node: str, enabled: bool) -> None:
        """Enable or disable secure boot, in the background."""
        with self._tasks.acquire(node, purpose="setting secure boot") as task:
            if not isinstance(task.driver.management, SecureBootControl):
                raise NotSupported(f"target: the management interface {task.record.management_interface!r} has no secure boot")
            task.validate(Kind.MANAGEMENT)
            task.hand_over(self._lane, lambda task: _recorded(task, "set_secure_boot", enabled, secure_boot=enabled))


def _recorded(task: NodeTask, method: str, value: Any, **changes: Any) -> None:
    """Call the driver and store the outcome: the new value, or the error."""
    try:
        task.call(Kind.MANAGEMENT, method, value)
    except BareMetalError as exc:
        task.finish(last_error=exc.message)
    else:
        task.finish(last_error=None, **changes)


def _parsed(values: type[E], text: str, field: str) -> E:
    try:
        return values(text)
    except ValueError:
        allowed = ", ".join(str(value.value) for value in values)
        raise InvalidInput(f"{field}: {text!r} is not known; it has to be one of {allowed}") from None
