"""BIOS settings and firmware versions of a simulated machine. New settings take effect at the next boot."""

from __future__ import annotations

import posixpath
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SettingDefinition:
    """Definition of a BIOS setting: its default, its allowed values or bounds, and whether it is read-only."""

    default: str
    allowable_values: tuple[str, ...] = ()
    lower_bound: int | None = None
    upper_bound: int | None = None
    read_only: bool = False

    @property
    def attribute_type(self) -> str:
        """Type of the setting in Redfish's attribute registry: Enumeration, Integer or String."""
        if self.allowable_values:
            return "Enumeration"
        return "Integer" if self.lower_bound is not None else "String"

    def find_problem(self, value: str) -> str | None:
        """Return the reason why the setting cannot have *value*, or None if the value is allowed."""
        if self.read_only:
            return "is read only"
        if self.allowable_values and value not in self.allowable_values:
            return f"cannot be {value!r}; it must be one of " + ", ".join(self.allowable_values)
        if self.lower_bound is None or self.upper_bound is None:
            return None
        if value.isascii() and value.isdigit() and self.lower_bound <= int(value) <= self.upper_bound:
            return None
        return f"cannot be {value!r}; it must be an integer from {self.lower_bound} to {self.upper_bound}"


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
    """The BIOS settings of a simulated machine, in effect and pending, and its firmware versions. Thread-safe."""

    def __init__(self) -> None:
        self.definitions: Mapping[str, SettingDefinition] = _definitions()
        self.versions: dict[str, str] = {"bmc": "2.10", "bios": "1.0.0", "nic": "22.0.6"}
        self.initial_versions: Mapping[str, str] = dict(self.versions)
        self._lock = threading.Lock()
        self._current: dict[str, str] = {}
        self._pending: dict[str, str] = {}

    def current(self) -> dict[str, str]:
        """Return the values of all settings in effect, by name."""
        with self._lock:
            return {name: self._current.get(name, definition.default) for name, definition in self.definitions.items()}

    def pending(self) -> dict[str, str]:
        """Return the requested settings that take effect at the next boot, by name."""
        with self._lock:
            return dict(self._pending)

    def find_problems(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the reason for each of *settings* that is unknown or not allowed, by name. Empty if all are allowed."""
        problems = {}
        for name, value in settings.items():
            definition = self.definitions.get(name)
            reason = "is not known" if definition is None else definition.find_problem(value)
            if reason:
                problems[name] = reason
        return problems

    def request(self, settings: Mapping[str, str]) -> None:
        """Store *settings*, which take effect at the next boot.

        If any of them is not allowed, store none and raise ValueError.
        """
        problems = self.find_problems(settings)
        if problems:
            raise ValueError(". ".join(f"BIOS setting {name} {reason}" for name, reason in problems.items()))
        with self._lock:
            self._pending.update(settings)

    def request_defaults(self) -> None:
        """Request the default value of every writable setting for the next boot, in place of all pending settings."""
        with self._lock:
            self._pending = {
                name: definition.default for name, definition in self.definitions.items() if not definition.read_only
            }

    def apply_pending(self) -> None:
        """Put the pending settings into effect. The machine calls this at each boot."""
        with self._lock:
            self._current.update(self._pending)
            self._pending.clear()

    def update_version(self, component: str, version: str) -> None:
        """Set the installed firmware version of *component* to *version*."""
        with self._lock:
            self.versions[component] = version


_VERSION = re.compile(r"\d+(?:\.\d+)*")


def parse_version(path: str) -> str:
    """Return the last version number in the file name of *path*: 2.4.1 for ``/fw/bios-2.4.1.bin``.

    A file name without digits is itself the version.
    """
    name = posixpath.basename(path)
    versions = _VERSION.findall(name)
    return str(versions[-1]) if versions else name
