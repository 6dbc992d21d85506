"""An in-process client of a simulated BMC, which takes the place of a device library.

The fault plan of the machine applies to every call. A call without a fault takes microseconds and no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from baremetal_fake.errors import BMCBusy, CommandRejected, InvalidAnswer, LoginRefused, NoAnswer, SessionExpired
from baremetal_fake.faults import Effect, Fault
from baremetal_fake.inventory import Inventory
from baremetal_fake.machine import Machine, Power
from baremetal_fake.rack import Rack
from baremetal_interfaces import BootDevice, BootMode, Deadline, IndicatorState, PowerState, VirtualMediaDevice, check_send

T = TypeVar("T")

_ERRORS: dict[Effect, tuple[type[Exception], str]] = {
    Effect.REFUSE: (CommandRejected, "the BMC refused the command"),
    Effect.DROP: (NoAnswer, "the connection broke"),
    Effect.WRONG: (InvalidAnswer, "the answer of the BMC is not valid"),
    Effect.TRUNCATE: (InvalidAnswer, "the answer of the BMC is incomplete"),
    Effect.MISTYPE: (InvalidAnswer, "the answer of the BMC has values of wrong types"),
    Effect.AUTH: (LoginRefused, "the BMC refused the credentials"),
    Effect.EXPIRE: (SessionExpired, "the BMC does not know the session; log in again"),
    Effect.BUSY: (BMCBusy, "the BMC is busy; try again later"),
}
"""Error class and default text of each effect that raises an error."""


class FakeBMC:
    """A client that reads and commands one machine. Calls that get no answer end at *deadline*."""

    def __init__(self, rack: Rack, machine: Machine, deadline: Deadline) -> None:
        self.rack = rack
        self.machine = machine
        self.deadline = deadline

    def get_power(self) -> Power | None:
        """Return the power, or None if the answer is not valid."""
        try:
            return self._read("get_power", lambda: self.machine.power)
        except InvalidAnswer:
            return None

    def get_sensors(self) -> bool:
        """Return whether the sensors show a running machine: a warm CPU and a turning fan."""
        return self._read("get_sensors", lambda: self.machine.power is Power.ON)

    def set_power(self, state: PowerState) -> None:
        """Send a power command."""
        before = self.machine.power

        def effect(fault: Fault | None) -> None:
            self.machine.command_power(state, fault.seconds if fault and fault.effect is Effect.LATE else 0.0)
            if fault and fault.effect is Effect.BOUNCE:
                self.machine.bounce(fault.seconds, before)

        self._command("set_power", effect, state=state.value)

    def get_boot_device(self) -> tuple[BootDevice | None, bool]:
        """Return the device of the boot override (None: no override), and whether the override is persistent."""
        return self._read("get_boot_device", lambda: self.machine.boot_override)

    def set_boot_device(self, device: BootDevice | None, persistent: bool) -> None:
        """Set the boot override to *device*, for the next boot or for every boot (*persistent*). None clears the override."""
        self._command(
            "set_boot_device",
            lambda _: self.machine.set_boot_device(device, persistent),
            device=device.value if device else None,
            persistent=persistent,
        )

    def get_boot_mode(self) -> BootMode:
        """Return the mode of the next boot."""
        return self._read("get_boot_mode", lambda: self.machine.boot_mode)

    def set_boot_mode(self, mode: BootMode) -> None:
        """Set the mode of the next boot."""
        self._command("set_boot_mode", lambda _: self.machine.set_boot_mode(mode), mode=mode.value)

    def get_secure_boot(self) -> bool:
        """Return whether secure boot is enabled for the next boot."""
        return self._read("get_secure_boot", lambda: self.machine.secure_boot)

    def set_secure_boot(self, enabled: bool) -> None:
        """Enable or disable secure boot for the next boot."""
        self._command("set_secure_boot", lambda _: self.machine.set_secure_boot(enabled), enabled=enabled)

    def get_media(self) -> dict[VirtualMediaDevice, str]:
        """Return the URL of the inserted image for each device that holds one."""
        return self._read("get_virtual_media", lambda: self.machine.media)

    def insert_media(self, device: VirtualMediaDevice, image_url: str) -> None:
        """Insert the image at *image_url* into a virtual media device."""
        command = self.machine.insert_media
        self._command("insert_media", lambda _: command(device, image_url), device=device.value, image=image_url)

    def eject_media(self, device: VirtualMediaDevice | None) -> None:
        """Eject the image of *device*, or all images if it is None."""
        self._command("eject_media", lambda _: self.machine.eject_media(device), device=device.value if device else None)

    def get_indicator(self) -> IndicatorState:
        """Return the state of the indicator light."""
        return self._read("get_indicator", lambda: self.machine.indicator)

    def set_indicator(self, state: IndicatorState) -> None:
        """Set the indicator light."""
        self._command("set_indicator", lambda _: setattr(self.machine, "indicator", state), state=state.value)

    def inject_nmi(self) -> None:
        """Send a non-maskable interrupt."""
        self._command("inject_nmi", lambda _: self.machine.inject_nmi())

    def inspect(self) -> Inventory:
        """Return the inventory of the machine."""
        return self._read("inspect", lambda: self.machine.inventory)

    def get_bios(self) -> dict[str, str]:
        """Return the BIOS settings in effect."""
        return self._read("get_bios", self.machine.firmware.current)

    def set_bios(self, settings: Mapping[str, str]) -> None:
        """Set BIOS settings, which take effect at the next boot."""
        self._command("set_bios", lambda _: self.machine.firmware.request(settings), settings=dict(settings))

    def reset_bios(self) -> None:
        """Reset the BIOS settings to their defaults at the next boot."""
        self._command("reset_bios", lambda _: self.machine.firmware.request_defaults())

    def get_versions(self) -> dict[str, str]:
        """Return the firmware version of each component."""
        return self._read("get_firmware", lambda: dict(self.machine.firmware.versions))

    def update_firmware(self, component: str, version: str) -> None:
        """Start to update the firmware of *component* to *version*."""
        command = self.machine.update_firmware
        self._command("update_firmware", lambda _: command(component, version), component=component, version=version)

    def write(self, operation: str, action: Callable[[], None], **arguments: Any) -> None:
        """Send any other command. Fault plans and the machine's log use the name *operation*."""
        self._command(operation, lambda _: action(), **arguments)

    def _read(self, operation: str, action: Callable[[], T]) -> T:
        check_send()
        with self.rack.counters(self.machine.name).request():
            self._apply_fault(self.machine.record_operation(operation))
            return action()

    def _command(self, operation: str, action: Callable[[Fault | None], object], **arguments: Any) -> None:
        check_send()
        with self.rack.counters(self.machine.name).request():
            fault = self.machine.record_operation(operation, **arguments)
            self._apply_fault(fault)
            if fault is None or fault.effect is not Effect.LOSE:
                action(fault)

    def _apply_fault(self, fault: Fault | None) -> None:
        if fault is not None:
            apply_fault(fault, self.rack, self.deadline)


def apply_fault(fault: Fault, rack: Rack, deadline: Deadline) -> None:
    """Apply *fault* to a client that waits until *deadline*: let time pass, raise the error of the fault, or do nothing.

    The effects that change a command (lose, late, bounce) are not applied here.
    """
    if fault.effect is Effect.HANG:
        rack.wait(deadline.remaining())
        raise NoAnswer(fault.message or "the BMC did not answer")
    if fault.effect is Effect.SLOW:
        if fault.seconds > deadline.remaining():
            rack.wait(deadline.remaining())
            raise NoAnswer(fault.message or "the BMC did not answer in time")
        rack.wait(fault.seconds)
    elif fault.effect in _ERRORS:
        error, text = _ERRORS[fault.effect]
        raise error(fault.message or text)
