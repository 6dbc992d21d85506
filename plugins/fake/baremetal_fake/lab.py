"""Machines for the tests of a host application: their time is turned by hand, and what they do is written as data, by name."""

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

_TIMES = tuple(field.name for field in fields(Timings))
_KNOWN = ("power", "timings", "faults", "disk_image", "ignores_shutdown")


class TurnedClock:
    """Seconds that pass only when somebody turns it. Thread-safe."""

    def __init__(self, start: float = 1000.0) -> None:
        self._lock = threading.Lock()
        self._now = start

    def __call__(self) -> float:
        """The time."""
        with self._lock:
            return self._now

    def turn(self, seconds: float) -> None:
        """Let *seconds* pass."""
        with self._lock:
            self._now += seconds


class Lab:
    """A rack of its own, a clock to turn, and a *script*: pattern of machine names -> what such a machine is like.

    A machine's entry may hold ``power`` ("on" or "off"), ``timings`` (seconds by name: ``power_on``, ``power_off``, ``shutdown``,
    ``update``), ``faults`` (a fault plan), ``disk_image``, ``ignores_shutdown``. The entries of all patterns that match are laid
    over one another, in order.
    Raises ``InvalidInput`` with everything that is wrong with the script.
    """

    def __init__(self, script: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.script = {name: dict(entry) for name, entry in (script or {}).items()}
        problems = [problem for name, entry in self.script.items() for problem in _problems(name, entry)]
        if problems:
            raise InvalidInput(problems)
        self.clock = TurnedClock()
        self.rack = share(Rack(f"lab-{uuid.uuid4().hex}", clock=self.clock, wait=self.clock.turn))

    def machine(self, name: str) -> Machine:
        """The machine of that name, as the script says; it keeps its state from the first look on."""
        fresh = all(one.name != name for one in self.rack.machines())
        machine = self.rack.machine(name)
        if fresh:
            self._prepare(machine)
        return machine

    def driver_info(self, name: str) -> dict[str, str]:
        """What a node of the hardware type ``fake-hardware`` says to be driven by this machine."""
        return {"fake_machine": self.machine(name).name, "fake_rack": self.rack.name}

    def turn(self, seconds: float) -> None:
        """Let *seconds* pass for all machines."""
        self.clock.turn(seconds)

    def _prepare(self, machine: Machine) -> None:
        entry: dict[str, Any] = {}
        for pattern, given in self.script.items():
            if fnmatchcase(machine.name, pattern):
                entry |= given
        machine.disk_image = entry.get("disk_image")
        if entry.get("power") == "on":
            machine.command_power(PowerState.ON)
        machine.timings = Timings(**entry.get("timings", {}))
        machine.ignores_shutdown = bool(entry.get("ignores_shutdown", False))
        if "faults" in entry:
            machine.inject(FaultPlan.from_json(entry["faults"]))


def _problems(name: str, entry: Mapping[str, Any]) -> list[Problem]:
    found = [Problem(f"{name}/{key}", "is not known", "known are " + ", ".join(_KNOWN)) for key in entry if key not in _KNOWN]
    if entry.get("power", "off") not in ("on", "off"):
        found.append(Problem(f"{name}/power", f"{entry['power']!r} is not valid", "on or off"))
    timings = entry.get("timings", {})
    for key, value in timings.items():
        if key not in _TIMES or isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            allowed = "seconds for " + ", ".join(_TIMES)
            found.append(Problem(f"{name}/timings/{key}", f"{value!r} is not valid", allowed))
    try:
        FaultPlan.from_json(entry.get("faults", []), f"{name}/faults")
    except InvalidInput as exc:
        found += exc.problems
    return found
