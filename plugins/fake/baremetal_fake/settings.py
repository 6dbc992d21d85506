"""The settings and versions of a simulated machine's firmware. Settings wait for the next boot, as real ones do."""

from __future__ import annotations

import posixpath
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SettingDefinition:
    """What one setting may be."""

    default: str
    allowable_values: tuple[str, ...] = ()
    lower_bound: int | None = None
    upper_bound: int | None = None
    read_only: bool = False

    @property
    def attribute_type(self) -> str:
        """The type as Redfish names it."""
        if self.allowable_values:
            return "Enumeration"
        return "Integer" if self.lower_bound is not None else "String"

    def objection(self, value: str) -> str | None:
        """Why *value* is not taken, or None when it is."""
        if self.read_only:
            return "is read only"
        if self.allowable_values and value not in self.allowable_values:
            return f"cannot be {value!r}; it has to be one of " + ", ".join(self.allowable_values)
        if self.lower_bound is None or self.upper_bound is None:
            return None
        if value.isascii() and value.isdigit() and self.lower_bound <= int(value) <= self.upper_bound:
            return None
        return f"cannot be {value!r}; it has to be an integer from {self.lower_bound} to {self.upper_bound}"


def _definitions() -> dict[str, SettingDefinition]:
    switch = ("Enabled", "Disabled")
    return {
        "ProcVirtualization": SettingDefinition("Enabled", switch),
        "LogicalProc": SettingDefinition("Enabled", switch),
        "SriovGlobalEnable": SettingDefinition("Disabled", switch),
        "SysProfile": SettingDefinition("PerfPerWattOptimized", ("PerfOptimized", "PerfPerWattOptimized", "Custom")),
        "BootRetryDelay": SettingDefinition("30", lower_bound=0, upper_bound=600),
        "AssetTag": SettingDefinition(""),
        "SystemBiosVersion": SettingDefinition("1.0.0", read_only=True),
    }


class FirmwareSettings:
    """BIOS settings (current and waiting) and the versions of components. Thread-safe."""

    def __init__(self) -> None:
        self.definitions: Mapping[str, SettingDefinition] = _definitions()
        self.versions: dict[str, str] = {"bmc": "2.10", "bios": "1.0.0", "nic": "22.0.6"}
        self.initial_versions: Mapping[str, str] = dict(self.versions)
        self._lock = threading.Lock()
        self._current: dict[str, str] = {}
        self._pending: dict[str, str] = {}

    def current(self) -> dict[str, str]:
        """The settings that are in effect."""
        with self._lock:
            return {name: self._current.get(name, one.default) for name, one in self.definitions.items()}

    def pending(self) -> dict[str, str]:
        """The settings that wait for the next boot."""
        with self._lock:
            return dict(self._pending)

    def objections(self, settings: Mapping[str, str]) -> dict[str, str]:
        """What is wrong with each of *settings* that is not taken: name -> why."""
        found = {}
        for name, value in settings.items():
            definition = self.definitions.get(name)
            why = "is not known" if definition is None else definition.objection(value)
            if why:
                found[name] = why
        return found

    def request(self, settings: Mapping[str, str]) -> None:
        """Let *settings* wait for the next boot; all of them or, with a ValueError, none."""
        objections = self.objections(settings)
        if objections:
            raise ValueError(". ".join(f"BIOS setting {name} {why}" for name, why in objections.items()))
        with self._lock:
            self._pending.update(settings)

    def request_defaults(self) -> None:
        """Let the manufacturer's settings wait for the next boot."""
        with self._lock:
            self._pending = {name: one.default for name, one in self.definitions.items() if not one.read_only}

    def apply_pending(self) -> None:
        """Put what waits into effect: a boot does that."""
        with self._lock:
            self._current.update(self._pending)
            self._pending.clear()

    def update_version(self, component: str, version: str) -> None:
        """Flash *component* with *version*."""
        with self._lock:
            self.versions[component] = version


_VERSION = re.compile(r"\d+(?:\.\d+)*")


def version_in(path: str) -> str:
    """The version that a file name says: ``/fw/bios-2.4.1.bin`` is 2.4.1; a name without one is a version itself."""
    name = posixpath.basename(path)
    found = _VERSION.findall(name)
    return str(found[-1]) if found else name
