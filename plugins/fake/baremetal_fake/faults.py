"""Fault plans of simulated machines: which faults occur at which operations of a BMC, and how often.

A plan is data and can be read from JSON and written as JSON.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from baremetal_interfaces import InvalidInput, Problem


class Effect(StrEnum):
    """Effects that a fault can have on an operation of a simulated BMC."""

    SLOW = "slow"
    """The BMC answers ``seconds`` later."""
    REFUSE = "refuse"
    """The BMC answers the command with an error and does not carry it out."""
    LOSE = "lose"
    """The BMC answers as if it carried out the command, but the command has no effect."""
    LATE = "late"
    """The BMC answers at once, and the power command takes effect ``seconds`` later."""
    BOUNCE = "bounce"
    """The power command takes effect, and ``seconds`` later the power returns to its former state."""
    HANG = "hang"
    """The BMC does not answer before the client's deadline, and does not carry out the command."""
    DROP = "drop"
    """The connection breaks without an answer, and the command is not carried out."""
    WRONG = "wrong"
    """The answer is not valid, and the command is not carried out. Over IPMI, it is carried out."""
    TRUNCATE = "truncate"
    """The answer ends in the middle. Over a network the command is carried out; in the process it is not."""
    MISTYPE = "mistype"
    """The values in the answer have wrong types. Over a network the command is carried out; in the process it is not."""
    AUTH = "auth"
    """The BMC refuses the credentials, and does not carry out the command."""
    EXPIRE = "expire"
    """The BMC ends the session, so the client must log in again, and does not carry out the command."""
    BUSY = "busy"
    """The BMC answers that it is busy, and does not carry out the command."""


TIMED_EFFECTS = frozenset({Effect.SLOW, Effect.LATE, Effect.BOUNCE})
"""Effects that need a value of ``seconds`` above 0."""


@dataclass(frozen=True)
class Fault:
    """A fault that occurs at the BMC operations whose names match *operation*, such as ``set_power`` or the pattern ``get_*``.

    The fault first occurs at the matching operation number *nth*, and *times* times in a row; None: at all later ones.
    *seconds* belongs to the effects ``slow``, ``late`` and ``bounce``. *message* replaces the text of the error. *status* is
    the HTTP status of the effect ``refuse``.
    """

    operation: str
    effect: Effect
    nth: int = 1
    times: int | None = None
    seconds: float = 0.0
    message: str = ""
    status: int = 500

    @classmethod
    def from_json(cls, value: Any, where: str = "fault") -> Fault:
        """Return the fault in *value*, a JSON object.

        Raises InvalidInput with all problems of the fault, each with its path below *where*.
        """
        if not isinstance(value, Mapping):
            raise InvalidInput([Problem(where, f"{value!r} is not a fault", "it must be an object")])
        problems = list(_problems(value, where))
        if problems:
            raise InvalidInput(problems)
        return cls(**{**value, "effect": Effect(value["effect"])})

    def to_json(self) -> dict[str, Any]:
        """Return the fault as a JSON object."""
        return {**asdict(self), "effect": self.effect.value}

    def occurs_at(self, count: int) -> bool:
        """Return whether the fault occurs at the matching operation number *count* (counted from 1)."""
        return count >= self.nth and (self.times is None or count < self.nth + self.times)


_FIELDS = tuple(field.name for field in fields(Fault))


def _problems(value: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for name in value:
        if name not in _FIELDS:
            yield Problem(f"{where}/{name}", "is not a field of a fault", "use one of " + ", ".join(_FIELDS))
    for name, (requirement, is_valid) in _CHECKS.items():
        if name in value and not is_valid(value[name]):
            yield Problem(f"{where}/{name}", f"{value[name]!r} is not valid", f"it must be {requirement}")
        elif name not in value and name in ("operation", "effect"):
            yield Problem(f"{where}/{name}", "is required", f"it must be {requirement}")
    if value.get("effect") in set(TIMED_EFFECTS) and not value.get("seconds"):
        yield Problem(f"{where}/seconds", f"is required with effect {value['effect']}", "it must be a number of seconds above 0")


def _is_int(value: Any, minimum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


_CHECKS: dict[str, tuple[str, Any]] = {
    "operation": ("the name of an operation, or a pattern such as get_*", lambda value: isinstance(value, str) and value != ""),
    "effect": ("one of " + ", ".join(Effect), lambda value: isinstance(value, str) and value in set(map(str, Effect))),
    "nth": ("an integer of 1 or more", lambda value: _is_int(value, 1)),
    "times": ("an integer of 1 or more, or null", lambda value: value is None or _is_int(value, 1)),
    "seconds": (
        "a number of 0 or more",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"),
    ),
    "message": ("a string", lambda value: isinstance(value, str)),
    "status": ("an integer from 400 to 599", lambda value: _is_int(value, 400) and value < 600),
}
"""Requirement (as text) and check of the value of each field of a fault."""


@dataclass(frozen=True)
class FaultPlan:
    """A list of faults for one machine. If several faults occur at one operation, the first one in the list applies."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def from_json(cls, value: Any, where: str = "faults") -> FaultPlan:
        """Return the plan in *value*: a list of faults, or an object that maps operations to a fault or a list of faults.

        ``{"set_power": {"effect": "lose", "nth": 2}}`` means ``[{"operation": "set_power", "effect": "lose", "nth": 2}]``.
        Raises InvalidInput with all problems, each with its path below *where*.
        """
        if isinstance(value, Mapping):
            entries = [(f"{where}/{name}", fault) for name, faults in value.items() for fault in _add_operation(name, faults)]
        elif isinstance(value, list | tuple):
            entries = [(f"{where}/{index}", fault) for index, fault in enumerate(value)]
        else:
            raise InvalidInput([Problem(where, f"{value!r} is not a fault plan", "it must be a list or an object")])
        return cls(tuple(_read_faults(entries)))

    @classmethod
    def load(cls, path: str) -> FaultPlan:
        """Return the plan in the JSON file *path*; raise InvalidInput if its content is not valid, OSError if it is unreadable.

        The content has the format of :meth:`from_json`.
        """
        return cls.from_json(_read_json(path), path)

    @classmethod
    def load_by_machine(cls, path: str) -> dict[str, FaultPlan]:
        """Return the fault plans in the JSON file *path*, by pattern of machine names.

        If the file holds a list, that list is the plan of all machines. Raises InvalidInput if the content is not valid.
        """
        value = _read_json(path)
        by_machine = value if isinstance(value, dict) else {"*": value}
        return {pattern: cls.from_json(plan, f"{path}: {pattern}") for pattern, plan in by_machine.items()}

    def to_json(self) -> list[dict[str, Any]]:
        """Return the plan as a JSON list."""
        return [fault.to_json() for fault in self.faults]


def _read_json(path: str) -> Any:
    with open(path, encoding="utf-8") as file:
        try:
            return json.load(file)
        except ValueError as exc:
            raise InvalidInput(
                [Problem(path, f"does not hold valid JSON ({exc})", "write a list of faults, or an object")]
            ) from exc


def _add_operation(operation: Any, value: Any) -> list[Any]:
    """Return *value*, a fault or a list of faults, as a list of JSON faults with their *operation*."""
    faults = list(value) if isinstance(value, list | tuple) else [value]
    return [{"operation": operation, **fault} if isinstance(fault, Mapping) else fault for fault in faults]


def _read_faults(entries: Iterable[tuple[str, Any]]) -> list[Fault]:
    faults: list[Fault] = []
    problems: list[Problem] = []
    for where, value in entries:
        try:
            faults.append(Fault.from_json(value, where))
        except InvalidInput as exc:
            problems.extend(exc.problems)
    if problems:
        raise InvalidInput(problems)
    return faults


class FaultInjector:
    """A fault plan together with the number of matching operations of each fault so far. Thread-safe."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._lock = threading.Lock()
        self._counts = [0] * len(plan.faults)

    def next(self, operation: str) -> Fault | None:
        """Count *operation*, and return the fault that applies to it, or None."""
        found: Fault | None = None
        with self._lock:
            for index, fault in enumerate(self.plan.faults):
                if not fnmatchcase(operation, fault.operation):
                    continue
                # Every matching fault counts the operation, even if an earlier fault applies.
                self._counts[index] += 1
                if found is None and fault.occurs_at(self._counts[index]):
                    found = fault
        return found
