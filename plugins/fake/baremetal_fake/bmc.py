"""In-process client of a simulated BMC. The ``fake`` interfaces use it as real drivers use a device library.

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
    Effect.REFUSE: (CommandRejected, "the BMC refused the command and did not carry it out"),
    Effect.DROP: (NoAnswer, "the connection to the BMC broke before the answer"),
    Effect.WRONG: (InvalidAnswer, "the answer of the BMC is not valid"),
    Effect.TRUNCATE: (InvalidAnswer, "the answer of the BMC is incomplete"),
    Effect.MISTYPE: (InvalidAnswer, "the answer of the BMC has values of wrong types"),
    Effect.AUTH: (LoginRefused, "the BMC refused the credentials"),
    Effect.EXPIRE: (SessionExpired, "the BMC does not know the session any more; log in again"),
    Effect.BUSY: (BMCBusy, "the BMC is busy; try again later"),
}
"""Error class and default text of each effect of a fault that raises an error in the client."""


class FakeBMC:
    """An in-process client that reads and commands one simulated machine, as a device library does with a BMC.

    A call that gets no answer raises NoAnswer at *deadline*. Every call may raise an error of ``baremetal_fake.errors`` if a
    fault applies to it.
    """

    def __init__(self, rack: Rack, machine: Machine, deadline: Deadline) -> None:
        self.rack = rack
        self.machine = machine
        self.deadline = deadline

    def get_power(self) -> Power | None:
        """Return the power of the machine, or None if the answer of the BMC is not valid."""
        try:
            return self._read("get_power", lambda: self.machine.power)
        except InvalidAnswer:
            return None

    def get_sensors(self) -> bool:
        """Return whether the sensors show a running machine: a warm CPU and a turning fan."""
        return self._read("get_sensors", lambda: self.machine.power is Power.ON)

    def set_power(self, state: PowerState) -> None:
        """Send a power command for *state*. The call returns before the change ends."""
        before = self.machine.power

        def effect(fault: Fault | None) -> None:
            self.machine.command_power(state, fault.seconds if fault and fault.effect is Effect.LATE else 0.0)
            if fault and fault.effect is Effect.BOUNCE:
                self.machine.bounce(fault.seconds, before)

        self._command("set_power", effect, state=state.value)

    def get_boot_device(self) -> tuple[BootDevice | None, bool]:
        """Return the device of the boot override (None: no override), and whether the override applies to every boot."""
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
        """Return the firmware mode (UEFI or legacy BIOS) of the next boot."""
        return self._read("get_boot_mode", lambda: self.machine.boot_mode)

    def set_boot_mode(self, mode: BootMode) -> None:
        """Set the firmware mode (UEFI or legacy BIOS) of the next boot."""
        self._command("set_boot_mode", lambda _: self.machine.set_boot_mode(mode), mode=mode.value)

    def get_secure_boot(self) -> bool:
        """Return whether secure boot is enabled for the next boot."""
        return self._read("get_secure_boot", lambda: self.machine.secure_boot)

    def set_secure_boot(self, enabled: bool) -> None:
        """Enable or disable secure boot for the next boot."""
        self._command("set_secure_boot", lambda _: self.machine.set_secure_boot(enabled), enabled=enabled)

    def get_media(self) -> dict[VirtualMediaDevice, str]:
        """Return the URL of the inserted image, by virtual media device. Empty devices are left out."""
        return self._read("get_virtual_media", lambda: self.machine.media)

    def insert_media(self, device: VirtualMediaDevice, image_url: str) -> None:
        """Insert the image at *image_url* into the virtual media *device*, in place of the present image. No image is fetched."""
        command = self.machine.insert_media
        self._command("insert_media", lambda _: command(device, image_url), device=device.value, image=image_url)

    def eject_media(self, device: VirtualMediaDevice | None) -> None:
        """Eject the image of the virtual media *device*, or all images if it is None."""
        self._command("eject_media", lambda _: self.machine.eject_media(device), device=device.value if device else None)

    def get_indicator(self) -> IndicatorState:
        """Return the state of the machine's indicator light."""
        return self._read("get_indicator", lambda: self.machine.indicator)

    def set_indicator(self, state: IndicatorState) -> None:
        """Set the machine's indicator light to *state*."""
        self._command("set_indicator", lambda _: setattr(self.machine, "indicator", state), state=state.value)

    def inject_nmi(self) -> None:
        """Send a non-maskable interrupt to the machine."""
        self._command("inject_nmi", lambda _: self.machine.inject_nmi())

    def inspect(self) -> Inventory:
        """Return the inventory of the machine: processors, memory, network interfaces and disks."""
        return self._read("inspect", lambda: self.machine.inventory)

    def get_bios(self) -> dict[str, str]:
        """Return the values of all BIOS settings in effect, by name."""
        return self._read("get_bios", self.machine.firmware.current)

    def set_bios(self, settings: Mapping[str, str]) -> None:
        """Set BIOS *settings*, which take effect at the next boot. Raises ValueError, and sets none, if any is not allowed."""
        self._command("set_bios", lambda _: self.machine.firmware.request(settings), settings=dict(settings))

    def reset_bios(self) -> None:
        """Reset the BIOS settings to their defaults at the next boot."""
        self._command("reset_bios", lambda _: self.machine.firmware.request_defaults())

    def get_versions(self) -> dict[str, str]:
        """Return the installed firmware version of each component, by name."""
        return self._read("get_firmware", lambda: dict(self.machine.firmware.versions))

    def update_firmware(self, component: str, version: str) -> None:
        """Start to update the firmware of *component* to *version*, and return at once."""
        command = self.machine.update_firmware
        self._command("update_firmware", lambda _: command(component, version), component=component, version=version)

    def write(self, operation: str, action: Callable[[], None], **arguments: Any) -> None:
        """Send a command that has no method in this class: call *action*, which carries it out on the machine.

        Fault plans match the name *operation*, and the machine's log records it with *arguments*. A fault can raise an error
        before *action* is called, or skip *action* without an error (effect ``lose``).
        """
        self._command(operation, lambda _: action(), **arguments)

    def _read(self, operation: str, action: Callable[[], T]) -> T:
        """Count and record a read, apply its fault, and return the result of *action*."""
        check_send()
        with self.rack.counters(self.machine.name).request():
            self._apply_fault(self.machine.record_operation(operation))
            return action()

    def _command(self, operation: str, action: Callable[[Fault | None], object], **arguments: Any) -> None:
        """Count and record a command, apply its fault, and call *action* with the fault. A fault ``lose`` skips *action*."""
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
    """Apply *fault* to a client that waits until *deadline*: let time pass, or raise the error of the fault.

    The effects ``lose``, ``late`` and ``bounce`` do nothing here, because the caller applies them to its command.
    """
    if fault.effect is Effect.HANG:
        rack.wait(deadline.remaining())
        raise NoAnswer(fault.message or "the BMC did not answer before the deadline")
    if fault.effect is Effect.SLOW:
        if fault.seconds > deadline.remaining():
            rack.wait(deadline.remaining())
            raise NoAnswer(fault.message or "the BMC is too slow: it did not answer before the deadline")
        rack.wait(fault.seconds)
    elif fault.effect in _ERRORS:
        error, text = _ERRORS[fault.effect]
        raise error(fault.message or text)
