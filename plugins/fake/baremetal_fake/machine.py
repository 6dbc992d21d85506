"""A simulated machine. Its state is its own: no record of any service is read or written here.

Time comes from a clock that is handed in. Nothing runs between two looks at a machine: what is due by then happens
at the next look, in order, so that ten thousand machines cost no thread and a test turns the clock.
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

LOG_LENGTH = 500
"""Commands that a machine remembers; older ones are forgotten, so that a soak test does not eat the memory."""


class Power(StrEnum):
    """What the power of a machine is; the two in between show while a change takes time."""

    ON = "on"
    OFF = "off"
    POWERING_ON = "powering on"
    POWERING_OFF = "powering off"


@dataclass(frozen=True)
class Timings:
    """How long a machine takes, in seconds."""

    power_on: float = 0.0
    power_off: float = 0.0
    shutdown: float = 0.0
    update: float = 0.0
    """Flashing one component."""


@dataclass(frozen=True)
class Boot:
    """One boot: when, from what, how, and the image that was started (None: there was nothing to start)."""

    at: float
    device: BootDevice
    mode: BootMode
    secure_boot: bool
    image: str | None


@dataclass(frozen=True)
class Command:
    """One command as the BMC received it, and the fault that struck at it."""

    at: float
    operation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    effect: Effect | None = None


class Machine:
    """One machine. All methods may be called from any thread."""

    def __init__(self, name: str, *, clock: Callable[[], float], timings: Timings | None = None) -> None:
        self.name = name
        self.timings = timings or Timings()
        self.ignores_shutdown = False
        """Whether its operating system ignores the request to shut down."""
        self.disk_image: str | None = None
        """What is installed on its disk."""
        self.network_image: str | None = None
        """What the network boots it with."""
        self.raid: tuple[Mapping[str, Any], ...] = ()
        self.volumes_attached = False
        self.console_enabled = False
        self.indicator = IndicatorState.OFF
        self.nmi_count = 0
        self.log: deque[Command] = deque(maxlen=LOG_LENGTH)
        self.operations: Counter[str] = Counter()
        """How often the BMC was asked for each operation."""
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
        self._own_faults: tuple[Any, FaultInjector] | None = None

    def __repr__(self) -> str:
        return f"Machine({self.name!r}, {self.power}, booted {self.boot_count} times)"

    @property
    def inventory(self) -> Inventory:
        """What it is made of."""
        with self._lock:
            if self._inventory is None:
                self._inventory = Inventory.of(self.name)
            return self._inventory

    @inventory.setter
    def inventory(self, inventory: Inventory) -> None:
        with self._lock:
            self._inventory = inventory

    # -- power ---------------------------------------------------------------------------------------------------

    @property
    def power(self) -> Power:
        """The power at this moment."""
        with self._lock:
            self._settle()
            return self._power

    def command_power(self, state: PowerState, delay: float = 0.0) -> None:
        """Take a power command; it starts to take effect *delay* seconds from now.

        ``ON`` at a machine that is on does nothing. A restart of a machine that is off switches it on. A newer command
        takes the place of one that is still in progress.
        """
        with self._lock:
            self._settle()
            if state in (PowerState.SOFT_OFF, PowerState.SOFT_REBOOT) and self.ignores_shutdown and self._power is Power.ON:
                return
            begin = self._begin_of(state)
            self._schedule.drop("power")
            self._schedule.add(self._clock() + delay, "power", begin)
            self._settle()

    def bounce(self, seconds: float, back_to: Power) -> None:
        """Let the power be what it was, *seconds* from now, whatever is commanded in the meantime."""
        action = self._powered_off if back_to in (Power.OFF, Power.POWERING_OFF) else self._come_back_on
        with self._lock:
            self._schedule.add(self._clock() + seconds, "bounce", action)

    def settle(self) -> None:
        """Let everything happen that is due by now."""
        with self._lock:
            self._settle()

    def _settle(self) -> None:
        if self._schedule:
            self._schedule.run(self._clock())

    def _begin_of(self, state: PowerState) -> Callable[[float], None]:
        off_seconds = self.timings.shutdown if state in (PowerState.SOFT_OFF, PowerState.SOFT_REBOOT) else self.timings.power_off
        if state is PowerState.ON:
            return self._begin_on
        if state in (PowerState.OFF, PowerState.SOFT_OFF):
            return lambda at: self._begin_off(at, off_seconds, then_on=False)
        if state in (PowerState.REBOOT, PowerState.SOFT_REBOOT):
            return lambda at: self._begin_off(at, off_seconds, then_on=True)
        raise ValueError(f"{state!r} is not a power command")

    def _begin_on(self, at: float) -> None:
        if self._power is Power.ON:
            return
        self._power = Power.POWERING_ON
        self._schedule.add(at + self.timings.power_on, "power", self._powered_on)

    def _begin_off(self, at: float, seconds: float, then_on: bool) -> None:
        if self._power is Power.OFF:
            if then_on:
                self._begin_on(at)
            return
        self._power = Power.POWERING_OFF
        self._schedule.add(at + seconds, "power", self._powered_off)
        if then_on:
            self._schedule.add(at + seconds, "power", self._begin_on)

    def _powered_off(self, at: float) -> None:
        self._power = Power.OFF

    def _come_back_on(self, at: float) -> None:
        if self._power is not Power.ON:
            self._powered_on(at)

    def _powered_on(self, at: float) -> None:
        self._power = Power.ON
        self._boot(at)

    # -- boot ----------------------------------------------------------------------------------------------------

    def _boot(self, at: float) -> None:
        """What firmware does: takes the settings that waited for it, and starts from the first device that has something."""
        self._firmware.apply_pending()
        device, image = self._boot_source()
        if not self._override_persistent:
            self._override = None
        secure = self._secure_boot and self._boot_mode is BootMode.UEFI
        self._boot_count += 1
        self._last_boot = Boot(at, device, self._boot_mode, secure, image)

    def _boot_source(self) -> tuple[BootDevice, str | None]:
        device = self._override or BootDevice.DISK
        if device is BootDevice.CDROM and VirtualMediaDevice.CDROM in self._media:
            return device, self._media[VirtualMediaDevice.CDROM]
        if device is BootDevice.FLOPPY and VirtualMediaDevice.FLOPPY in self._media:
            return device, self._media[VirtualMediaDevice.FLOPPY]
        if device in (BootDevice.CDROM, BootDevice.FLOPPY):
            return BootDevice.DISK, self.disk_image
        if device in (BootDevice.PXE, BootDevice.UEFIHTTP):
            return device, self.network_image
        return device, self.disk_image if device is BootDevice.DISK else None

    @property
    def boot_count(self) -> int:
        """How often it has booted."""
        self.settle()
        return self._boot_count

    @property
    def last_boot(self) -> Boot | None:
        """The last boot, if there was one."""
        self.settle()
        return self._last_boot

    @property
    def firmware(self) -> FirmwareSettings:
        """The settings and versions of its firmware."""
        self.settle()
        return self._firmware

    @property
    def boot_override(self) -> tuple[BootDevice | None, bool]:
        """The device that is set to boot from, None where there is none, and whether it is for every boot."""
        with self._lock:
            self._settle()
            return self._override, self._override_persistent

    def set_boot_device(self, device: BootDevice | None, persistent: bool = False) -> None:
        """Boot from *device* once, or every time; None takes that back."""
        with self._lock:
            self._settle()
            self._override = device
            self._override_persistent = persistent and device is not None

    @property
    def boot_mode(self) -> BootMode:
        """The mode of the next boot; :attr:`last_boot` has that of the last one."""
        return self._boot_mode

    def set_boot_mode(self, mode: BootMode) -> None:
        """Set the mode of the next boot."""
        with self._lock:
            self._settle()
            self._boot_mode = mode

    @property
    def secure_boot(self) -> bool:
        """Whether the next boot is to be a secure one; :attr:`last_boot` says whether the last one was."""
        return self._secure_boot

    def set_secure_boot(self, enabled: bool) -> None:
        """Set whether the next boot is a secure one. It takes UEFI to be so."""
        with self._lock:
            self._settle()
            self._secure_boot = enabled

    # -- virtual media and the rest --------------------------------------------------------------------------------

    @property
    def media(self) -> dict[VirtualMediaDevice, str]:
        """What is inserted: device -> image URL. A copy."""
        with self._lock:
            return dict(self._media)

    def insert_media(self, device: VirtualMediaDevice, image_url: str) -> None:
        """Insert the image at *image_url*, in place of what was inserted there."""
        with self._lock:
            self._settle()
            self._media[device] = image_url

    def eject_media(self, device: VirtualMediaDevice | None = None) -> None:
        """Eject what is inserted in *device*, or in all."""
        with self._lock:
            self._settle()
            for one in [device] if device else list(self._media):
                self._media.pop(one, None)

    def erase_disks(self) -> None:
        """Leave nothing on the disks."""
        self.disk_image = None

    def set_raid(self, logical_disks: tuple[Mapping[str, Any], ...]) -> None:
        """Make these logical disks, and with them an empty disk to boot from."""
        self.raid = logical_disks
        self.disk_image = None

    def update_firmware(self, component: str, version: str) -> float:
        """Flash *component*; the version is a new one when that is over, at the time that is given back."""
        with self._lock:
            self._settle()
            over = self._clock() + self.timings.update
            self._schedule.add(over, "firmware", lambda at: self._firmware.update_version(component, version))
            self._settle()
            return over

    def inject_nmi(self) -> None:
        """Take a non-maskable interrupt."""
        with self._lock:
            self.nmi_count += 1

    # -- what goes wrong -------------------------------------------------------------------------------------------

    def inject(self, plan: FaultPlan | None) -> None:
        """Let things go wrong by *plan* from now on, counted from one; None ends it."""
        with self._lock:
            self._faults = FaultInjector(plan) if plan and plan.faults else None

    def carry_faults(self, plan: Any) -> None:
        """Carry the plan (JSON) that the client's own information names. The same plan again goes on where it was."""
        with self._lock:
            if plan is None:
                self._own_faults = None
            elif self._own_faults is None or self._own_faults[0] != plan:
                self._own_faults = (plan, FaultInjector(FaultPlan.from_json(plan)))

    def admit(self, operation: str, **arguments: Any) -> Fault | None:
        """Note one operation at the BMC and give the fault that strikes at it. Reads are counted and not logged."""
        with self._lock:
            self._settle()
            self.operations[operation] += 1
            fault = self._faults.next(operation) if self._faults else None
            if self._own_faults is not None:
                fault = self._own_faults[1].next(operation) or fault
            if not operation.startswith(("get_", "inspect")):
                self.log.append(Command(self._clock(), operation, arguments, fault.effect if fault else None))
            return fault

    def commands(self, operation: str | None = None) -> list[Command]:
        """The commands of the log, the oldest first; those of one *operation* when it is given."""
        with self._lock:
            return [one for one in self.log if operation in (None, one.operation)]

    def with_nics(self, *macs: str) -> None:
        """Give it network interfaces with these addresses, in lower case with colons."""
        old = self.inventory
        template = old.nics[0] if old.nics else Inventory.of(self.name).nics[0]
        self.inventory = replace(old, nics=tuple(replace(template, name=f"eth{i}", mac=mac) for i, mac in enumerate(macs)))
