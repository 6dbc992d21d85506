"""Simulated machine: power, boot, virtual media, firmware, faults and command log.

A machine keeps its own state and never reads or writes the records of a service. The caller passes the clock. No thread
works between two accesses: each access first runs, in order, the actions that are due. So ten thousand machines need no
thread, and a test can use a manual clock.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from baremetal_fake.faults import Effect, Fault, FaultInjector, FaultPlan
from baremetal_fake.inventory import Inventory
from baremetal_fake.schedule import Schedule
from baremetal_fake.settings import FirmwareSettings
from baremetal_interfaces import BootDevice, BootMode, IndicatorState, PowerState, VirtualMediaDevice

MAX_LOG_ENTRIES = 500
"""Maximum number of commands in a machine's log, which bounds the memory of a long test. A full log drops its oldest command."""


class Power(StrEnum):
    """Power of a simulated machine. ``POWERING_ON`` and ``POWERING_OFF`` last as long as the change takes."""

    ON = "on"
    OFF = "off"
    POWERING_ON = "powering on"
    POWERING_OFF = "powering off"


@dataclass(frozen=True)
class Timings:
    """Durations, in seconds, of the changes of a simulated machine."""

    power_on: float = 0.0
    """Time to switch on, after which the machine boots."""
    power_off: float = 0.0
    """Time to switch off by a hard power off or reboot."""
    shutdown: float = 0.0
    """Time to switch off by a soft power off or reboot, while the operating system shuts down."""
    update: float = 0.0
    """Time to update the firmware of one component."""


@dataclass(frozen=True)
class Boot:
    """Record of a boot of a simulated machine.

    *at* is the clock time in seconds. *image* is the image that was started; None: the device held no image.
    """

    at: float
    device: BootDevice
    mode: BootMode
    secure_boot: bool
    image: str | None


@dataclass(frozen=True)
class Command:
    """Record of a command that the BMC received.

    *at* is the clock time in seconds. *effect* is that of the fault that applied to the command, or None.
    """

    at: float
    operation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    effect: Effect | None = None


class Machine:
    """A simulated machine with its BMC. Its clock returns seconds. Thread-safe."""

    def __init__(self, name: str, *, clock: Callable[[], float], timings: Timings | None = None) -> None:
        self.name = name
        self.timings = timings or Timings()
        self.ignores_shutdown = False
        """Whether the operating system ignores a soft power off or reboot."""
        self.disk_image: str | None = None
        """Image on the disk that the machine boots from; None: the disk is empty."""
        self.network_image: str | None = None
        """Image that the network provides at boot; None: no image."""
        self.raid: tuple[Mapping[str, Any], ...] = ()
        self.volumes_attached = False
        self.console_enabled = False
        self.indicator = IndicatorState.OFF
        self.nmi_count = 0
        self.log: deque[Command] = deque(maxlen=MAX_LOG_ENTRIES)
        self.operations: Counter[str] = Counter()
        """Number of operations that the BMC received, by name."""
        self._clock = clock
        self._inventory: Inventory | None = None
        self._lock = threading.RLock()
        self._schedule = Schedule()
        self._power = Power.OFF
        self._firmware = FirmwareSettings()
        self._boot_count = 0
        self._last_boot: Boot | None = None
        self._media: dict[VirtualMediaDevice, str] = {}
        self._override: BootDevice | None = None
        self._override_persistent = False
        self._boot_mode = BootMode.UEFI
        self._secure_boot = False
        self._faults: FaultInjector | None = None
        self._client_faults: tuple[Any, FaultInjector] | None = None

    def __repr__(self) -> str:
        return f"Machine({self.name!r}, {self.power}, booted {self.boot_count} times)"

    @property
    def inventory(self) -> Inventory:
        """Parts of the machine. By default, they are derived from its name."""
        with self._lock:
            if self._inventory is None:
                self._inventory = Inventory.of(self.name)
            return self._inventory

    @inventory.setter
    def inventory(self, inventory: Inventory) -> None:
        """Parts of the machine. By default, they are derived from its name."""
        with self._lock:
            self._inventory = inventory

    # -- power ---------------------------------------------------------------------------------------------------

    @property
    def power(self) -> Power:
        """Present power of the machine."""
        with self._lock:
            self._run_due_actions()
            return self._power

    def command_power(self, state: PowerState, delay: float = 0.0) -> None:
        """Receive a power command, which starts to take effect after *delay* seconds.

        ``ON`` does nothing if the machine is on. A reboot of a machine that is off switches it on. A new command replaces a
        command in progress. Soft commands do nothing if the operating system ignores them. Raises ValueError if *state* is
        not a power command.
        """
        with self._lock:
            self._run_due_actions()
            if state in (PowerState.SOFT_OFF, PowerState.SOFT_REBOOT) and self.ignores_shutdown and self._power is Power.ON:
                return
            # Find the action first: an invalid state must not drop the command in progress.
            begin = self._first_action(state)
            self._schedule.drop("power")
            self._schedule.add(self._clock() + delay, "power", begin)
            # Durations may be zero: then the whole change is due now.
            self._run_due_actions()

    def bounce(self, seconds: float, back_to: Power) -> None:
        """Schedule a return of the power to *back_to* after *seconds*, even if other power commands follow."""
        action = self._finish_off if back_to in (Power.OFF, Power.POWERING_OFF) else self._return_on
        with self._lock:
            # The separate tag keeps this action when a later command drops the actions with the tag "power".
            self._schedule.add(self._clock() + seconds, "bounce", action)

    def run_due_actions(self) -> None:
        """Run the scheduled actions that are due now, such as the end of a power change."""
        with self._lock:
            self._run_due_actions()

    def _run_due_actions(self) -> None:
        """Run the scheduled actions that are due now. The caller holds the lock."""
        if self._schedule:
            self._schedule.run(self._clock())

    def _first_action(self, state: PowerState) -> Callable[[float], None]:
        """Return the action that begins the power change to *state*; raise ValueError if *state* is not a power command."""
        off_seconds = self.timings.shutdown if state in (PowerState.SOFT_OFF, PowerState.SOFT_REBOOT) else self.timings.power_off
        if state is PowerState.ON:
            return self._begin_on
        if state in (PowerState.OFF, PowerState.SOFT_OFF):
            return lambda at: self._begin_off(at, off_seconds, then_on=False)
        if state in (PowerState.REBOOT, PowerState.SOFT_REBOOT):
            return lambda at: self._begin_off(at, off_seconds, then_on=True)
        raise ValueError(f"{state!r} is not a power command; use ON, OFF, REBOOT, SOFT_OFF or SOFT_REBOOT")

    # Actions get the time at which they were due, not the present time. So a chain of actions that runs late, at the next
    # access, still has the right times.

    def _begin_on(self, at: float) -> None:
        if self._power is Power.ON:
            return
        self._power = Power.POWERING_ON
        self._schedule.add(at + self.timings.power_on, "power", self._finish_on)

    def _begin_off(self, at: float, seconds: float, then_on: bool) -> None:
        if self._power is Power.OFF:
            if then_on:
                self._begin_on(at)
            return
        self._power = Power.POWERING_OFF
        self._schedule.add(at + seconds, "power", self._finish_off)
        if then_on:
            # Due at the same time as the action above; the schedule keeps the order of addition.
            self._schedule.add(at + seconds, "power", self._begin_on)

    def _finish_off(self, at: float) -> None:
        self._power = Power.OFF

    def _return_on(self, at: float) -> None:
        if self._power is not Power.ON:
            self._finish_on(at)

    def _finish_on(self, at: float) -> None:
        self._power = Power.ON
        self._boot(at)

    # -- boot ----------------------------------------------------------------------------------------------------

    def _boot(self, at: float) -> None:
        """Boot as firmware does: apply pending BIOS settings, start from the boot device, and end an override for one boot."""
        self._firmware.apply_pending()
        device, image = self._boot_source()
        if not self._override_persistent:
            self._override = None
        secure = self._secure_boot and self._boot_mode is BootMode.UEFI
        self._boot_count += 1
        self._last_boot = Boot(at, device, self._boot_mode, secure, image)

    def _boot_source(self) -> tuple[BootDevice, str | None]:
        """Return the device that the machine boots from, and the image on that device, or None."""
        device = self._override or BootDevice.DISK
        if device is BootDevice.CDROM and VirtualMediaDevice.CDROM in self._media:
            return device, self._media[VirtualMediaDevice.CDROM]
        if device is BootDevice.FLOPPY and VirtualMediaDevice.FLOPPY in self._media:
            return device, self._media[VirtualMediaDevice.FLOPPY]
        if device in (BootDevice.CDROM, BootDevice.FLOPPY):
            # The drive is empty, so the machine boots from its disk.
            return BootDevice.DISK, self.disk_image
        if device in (BootDevice.PXE, BootDevice.UEFIHTTP):
            return device, self.network_image
        return device, self.disk_image if device is BootDevice.DISK else None

    @property
    def boot_count(self) -> int:
        """Number of boots since the machine was created."""
        self.run_due_actions()
        return self._boot_count

    @property
    def last_boot(self) -> Boot | None:
        """Record of the last boot; None if the machine has not booted."""
        self.run_due_actions()
        return self._last_boot

    @property
    def firmware(self) -> FirmwareSettings:
        """BIOS settings and firmware versions of the machine."""
        self.run_due_actions()
        return self._firmware

    @property
    def boot_override(self) -> tuple[BootDevice | None, bool]:
        """Device of the boot override (None: no override), and whether the override applies to every boot."""
        with self._lock:
            self._run_due_actions()
            return self._override, self._override_persistent

    def set_boot_device(self, device: BootDevice | None, persistent: bool = False) -> None:
        """Set the boot override to *device*, for the next boot or for every boot (*persistent*). None clears the override."""
        with self._lock:
            self._run_due_actions()
            self._override = device
            self._override_persistent = persistent and device is not None

    @property
    def boot_mode(self) -> BootMode:
        """Firmware mode (UEFI or legacy BIOS) of the next boot. :attr:`last_boot` has the mode of the last boot."""
        return self._boot_mode

    def set_boot_mode(self, mode: BootMode) -> None:
        """Set the firmware mode (UEFI or legacy BIOS) of the next boot."""
        with self._lock:
            self._run_due_actions()
            self._boot_mode = mode

    @property
    def secure_boot(self) -> bool:
        """True if secure boot is enabled for the next boot. :attr:`last_boot` says whether the last boot was secure."""
        return self._secure_boot

    def set_secure_boot(self, enabled: bool) -> None:
        """Enable or disable secure boot for the next boot. It takes effect only in the boot mode UEFI."""
        with self._lock:
            self._run_due_actions()
            self._secure_boot = enabled

    # -- virtual media and the rest --------------------------------------------------------------------------------

    @property
    def media(self) -> dict[VirtualMediaDevice, str]:
        """Image URL of each virtual media device that holds an image, as a copy."""
        with self._lock:
            return dict(self._media)

    def insert_media(self, device: VirtualMediaDevice, image_url: str) -> None:
        """Insert the image at *image_url* into the virtual media *device*, in place of the present image."""
        with self._lock:
            self._run_due_actions()
            self._media[device] = image_url

    def eject_media(self, device: VirtualMediaDevice | None = None) -> None:
        """Eject the image of the virtual media *device*, or all images if it is None."""
        with self._lock:
            self._run_due_actions()
            for drive in [device] if device else list(self._media):
                self._media.pop(drive, None)

    def erase_disks(self) -> None:
        """Erase all disks, so that no image is left to boot."""
        self.disk_image = None

    def set_raid(self, logical_disks: tuple[Mapping[str, Any], ...]) -> None:
        """Replace the logical disks. This also erases the disk that the machine boots from."""
        self.raid = logical_disks
        self.disk_image = None

    def update_firmware(self, component: str, version: str) -> float:
        """Start to update the firmware of *component* to *version*. Return the clock time in seconds at which the update ends."""
        with self._lock:
            self._run_due_actions()
            ends_at = self._clock() + self.timings.update
            self._schedule.add(ends_at, "firmware", lambda at: self._firmware.update_version(component, version))
            self._run_due_actions()
            return ends_at

    def inject_nmi(self) -> None:
        """Receive a non-maskable interrupt. The machine only counts it."""
        with self._lock:
            self.nmi_count += 1

    # -- faults ----------------------------------------------------------------------------------------------------

    def inject(self, plan: FaultPlan | None) -> None:
        """Replace the fault plan of the machine, and count its operations from now on. None removes the plan."""
        with self._lock:
            self._faults = FaultInjector(plan) if plan and plan.faults else None

    def set_client_faults(self, plan: Any) -> None:
        """Set the fault plan (JSON) that the client's ``driver_info`` holds. It takes precedence over the plan of :meth:`inject`.

        Every call of an interface sets the plan again, so an unchanged plan keeps its counts. None removes the plan.
        """
        with self._lock:
            if plan is None:
                self._client_faults = None
            elif self._client_faults is None or self._client_faults[0] != plan:
                self._client_faults = (plan, FaultInjector(FaultPlan.from_json(plan)))

    def record_operation(self, operation: str, **arguments: Any) -> Fault | None:
        """Count an operation at the BMC, and return the fault that applies to it, or None. Commands are logged; reads are not."""
        with self._lock:
            self._run_due_actions()
            self.operations[operation] += 1
            fault = self._faults.next(operation) if self._faults else None
            if self._client_faults is not None:
                fault = self._client_faults[1].next(operation) or fault
            if not operation.startswith(("get_", "inspect")):
                self.log.append(Command(self._clock(), operation, arguments, fault.effect if fault else None))
            return fault

    def commands(self, operation: str | None = None) -> list[Command]:
        """Return the commands in the log, the oldest first: all commands, or only those named *operation*."""
        with self._lock:
            return [command for command in self.log if operation in (None, command.operation)]

    def set_nics(self, *macs: str) -> None:
        """Replace the network interfaces by one for each MAC address in *macs* (lower case with colons)."""
        old = self.inventory
        template = old.nics[0] if old.nics else Inventory.of(self.name).nics[0]
        self.inventory = replace(old, nics=tuple(replace(template, name=f"eth{i}", mac=mac) for i, mac in enumerate(macs)))
