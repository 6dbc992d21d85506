"""A client of a simulated BMC, in process: what a device library's client is to a real one.

Every call passes the fault plan of the machine. A call at which no fault strikes takes microseconds and no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from baremetal_fake.errors import LoginRefused, NoAnswer, Nonsense, Rejected, SessionExpired, TryLater
from baremetal_fake.faults import Effect, Fault
from baremetal_fake.inventory import Inventory
from baremetal_fake.machine import Machine, Power
from baremetal_fake.rack import Rack
from baremetal_interfaces import BootDevice, BootMode, Deadline, IndicatorState, PowerState, VirtualMediaDevice, check_send

T = TypeVar("T")

_FAILURES: dict[Effect, tuple[type[Exception], str]] = {
    Effect.REFUSE: (Rejected, "refused"),
    Effect.DROP: (NoAnswer, "the connection broke"),
    Effect.WRONG: (Nonsense, "the answer makes no sense"),
    Effect.TRUNCATE: (Nonsense, "the answer breaks off"),
    Effect.MISTYPE: (Nonsense, "the answer makes no sense"),
    Effect.AUTH: (LoginRefused, "the credentials were refused"),
    Effect.EXPIRE: (SessionExpired, "the session is not known"),
    Effect.BUSY: (TryLater, "the BMC is busy"),
}


class FakeBMC:
    """Asks and commands one machine, and gives up at *deadline*."""

    def __init__(self, rack: Rack, machine: Machine, deadline: Deadline) -> None:
        self.rack = rack
        self.machine = machine
        self.deadline = deadline

    def get_power(self) -> Power | None:
        """The power, or None where the answer is a word that nobody knows."""
        try:
            return self._read("get_power", lambda: self.machine.power)
        except Nonsense:
            return None

    def get_sensors(self) -> bool:
        """Whether the machine is warm, and its fan turns."""
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
        """What is set to boot from, and whether for every boot."""
        return self._read("get_boot_device", lambda: self.machine.boot_override)

    def set_boot_device(self, device: BootDevice | None, persistent: bool) -> None:
        """Boot from *device* once, or every time."""
        self._command(
            "set_boot_device",
            lambda _: self.machine.set_boot_device(device, persistent),
            device=device.value if device else None,
            persistent=persistent,
        )

    def get_boot_mode(self) -> BootMode:
        """The mode of the next boot."""
        return self._read("get_boot_mode", lambda: self.machine.boot_mode)

    def set_boot_mode(self, mode: BootMode) -> None:
        """Set the mode of the next boot."""
        self._command("set_boot_mode", lambda _: self.machine.set_boot_mode(mode), mode=mode.value)

    def get_secure_boot(self) -> bool:
        """Whether the next boot is to be a secure one."""
        return self._read("get_secure_boot", lambda: self.machine.secure_boot)

    def set_secure_boot(self, enabled: bool) -> None:
        """Set whether the next boot is a secure one."""
        self._command("set_secure_boot", lambda _: self.machine.set_secure_boot(enabled), enabled=enabled)

    def get_media(self) -> dict[VirtualMediaDevice, str]:
        """What is inserted."""
        return self._read("get_virtual_media", lambda: self.machine.media)

    def insert_media(self, device: VirtualMediaDevice, image_url: str) -> None:
        """Insert an image."""
        command = self.machine.insert_media
        self._command("insert_media", lambda _: command(device, image_url), device=device.value, image=image_url)

    def eject_media(self, device: VirtualMediaDevice | None) -> None:
        """Eject one image, or all."""
        self._command("eject_media", lambda _: self.machine.eject_media(device), device=device.value if device else None)

    def get_indicator(self) -> IndicatorState:
        """The state of the machine's light."""
        return self._read("get_indicator", lambda: self.machine.indicator)

    def set_indicator(self, state: IndicatorState) -> None:
        """Set the machine's light."""
        self._command("set_indicator", lambda _: setattr(self.machine, "indicator", state), state=state.value)

    def inject_nmi(self) -> None:
        """Send a non-maskable interrupt."""
        self._command("inject_nmi", lambda _: self.machine.inject_nmi())

    def inspect(self) -> Inventory:
        """What the machine is made of."""
        return self._read("inspect", lambda: self.machine.inventory)

    def get_bios(self) -> dict[str, str]:
        """The BIOS settings that are in effect."""
        return self._read("get_bios", self.machine.firmware.current)

    def set_bios(self, settings: Mapping[str, str]) -> None:
        """Let BIOS settings wait for the next boot."""
        self._command("set_bios", lambda _: self.machine.firmware.request(settings), settings=dict(settings))

    def reset_bios(self) -> None:
        """Let the manufacturer's BIOS settings wait for the next boot."""
        self._command("reset_bios", lambda _: self.machine.firmware.request_defaults())

    def get_versions(self) -> dict[str, str]:
        """The versions of the components."""
        return self._read("get_firmware", lambda: dict(self.machine.firmware.versions))

    def update_firmware(self, component: str, version: str) -> None:
        """Begin to flash one component."""
        command = self.machine.update_firmware
        self._command("update_firmware", lambda _: command(component, version), component=component, version=version)

    def write(self, operation: str, action: Callable[[], None], **arguments: Any) -> None:
        """Any other command, under the name that a fault plan and the log know it by."""
        self._command(operation, lambda _: action(), **arguments)

    def _read(self, operation: str, action: Callable[[], T]) -> T:
        check_send()
        with self.rack.counters(self.machine.name).request():
            self._pass(self.machine.admit(operation))
            return action()

    def _command(self, operation: str, action: Callable[[Fault | None], object], **arguments: Any) -> None:
        check_send()
        with self.rack.counters(self.machine.name).request():
            fault = self.machine.admit(operation, **arguments)
            self._pass(fault)
            if fault is None or fault.effect is not Effect.LOSE:
                action(fault)

    def _pass(self, fault: Fault | None) -> None:
        if fault is not None:
            strike(fault, self.rack, self.deadline)


def strike(fault: Fault, rack: Rack, deadline: Deadline) -> None:
    """Let *fault* strike at a client that waits until *deadline*: time passes, or it raises."""
    if fault.effect is Effect.HANG:
        rack.wait(deadline.remaining())
        raise NoAnswer(fault.message or "no answer")
    if fault.effect is Effect.SLOW:
        if fault.seconds > deadline.remaining():
            rack.wait(deadline.remaining())
            raise NoAnswer(fault.message or "no answer in time")
        rack.wait(fault.seconds)
    elif fault.effect in _FAILURES:
        error, text = _FAILURES[fault.effect]
        raise error(fault.message or text)
