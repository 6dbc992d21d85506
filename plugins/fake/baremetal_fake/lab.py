"""Test laboratory for host applications: a script describes simulated machines, and the test moves their clock."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any

from baremetal_fake.faults import FaultPlan
from baremetal_fake.machine import Machine, Timings
from baremetal_fake.rack import Rack, share
from baremetal_interfaces import InvalidInput, PowerState, Problem

_TIMING_NAMES = tuple(field.name for field in fields(Timings))
_ENTRY_KEYS = ("power", "timings", "faults", "disk_image", "ignores_shutdown")


class ManualClock:
    """A clock in seconds for tests. It moves only when :meth:`turn` is called. Thread-safe."""

    def __init__(self, start: float = 1000.0) -> None:
        self._lock = threading.Lock()
        self._now = start

    def __call__(self) -> float:
        """Return the present time of the clock in seconds."""
        with self._lock:
            return self._now

    def turn(self, seconds: float) -> None:
        """Move the clock forward by *seconds*."""
        with self._lock:
            self._now += seconds


class Lab:
    """A rack of simulated machines with a manual clock. *script* maps patterns of machine names to entries that describe them.

    An entry may hold ``power`` ("on" or "off"), ``timings`` (seconds by name: ``power_on``, ``power_off``, ``shutdown``,
    ``update``), ``faults`` (a fault plan), ``disk_image`` and ``ignores_shutdown``. If several patterns match a name, later
    entries override earlier ones. Raises InvalidInput with all problems of the script.
    """

    def __init__(self, script: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.script = {name: dict(entry) for name, entry in (script or {}).items()}
        problems = [problem for name, entry in self.script.items() for problem in _problems(name, entry)]
        if problems:
            raise InvalidInput(problems)
        self.clock = ManualClock()
        self.rack = share(Rack(f"lab-{uuid.uuid4().hex}", clock=self.clock, wait=self.clock.turn))

    def machine(self, name: str) -> Machine:
        """Return the machine *name*. The first call creates it as the script describes; later calls do not change its state."""
        is_new = all(machine.name != name for machine in self.rack.machines())
        machine = self.rack.machine(name)
        if is_new:
            self._prepare(machine)
        return machine

    def driver_info(self, name: str) -> dict[str, str]:
        """Return the ``driver_info`` for a node of ``fake-hardware`` that uses the machine *name*."""
        return {"fake_machine": self.machine(name).name, "fake_rack": self.rack.name}

    def turn(self, seconds: float) -> None:
        """Move the clock of all machines forward by *seconds*. Actions that become due run at the next access to each machine."""
        self.clock.turn(seconds)

    def _prepare(self, machine: Machine) -> None:
        """Set up a new *machine* as the matching entries of the script describe."""
        entry: dict[str, Any] = {}
        for pattern, values in self.script.items():
            if fnmatchcase(machine.name, pattern):
                entry |= values
        machine.disk_image = entry.get("disk_image")
        if entry.get("power") == "on":
            machine.command_power(PowerState.ON)
        machine.timings = Timings(**entry.get("timings", {}))
        machine.ignores_shutdown = bool(entry.get("ignores_shutdown", False))
        if "faults" in entry:
            machine.inject(FaultPlan.from_json(entry["faults"]))


def _problems(name: str, entry: Mapping[str, Any]) -> list[Problem]:
    known = "known keys: " + ", ".join(_ENTRY_KEYS)
    problems = [Problem(f"{name}/{key}", "is not a key of a machine's entry", known) for key in entry if key not in _ENTRY_KEYS]
    if entry.get("power", "off") not in ("on", "off"):
        problems.append(Problem(f"{name}/power", f"{entry['power']!r} is not valid", "it must be on or off"))
    timings = entry.get("timings", {})
    for key, value in timings.items():
        if key not in _TIMING_NAMES or isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            requirement = "it must be a number of seconds for one of " + ", ".join(_TIMING_NAMES)
            problems.append(Problem(f"{name}/timings/{key}", f"{value!r} is not valid", requirement))
    try:
        FaultPlan.from_json(entry.get("faults", []), f"{name}/faults")
    except InvalidInput as exc:
        problems += exc.problems
    return problems
