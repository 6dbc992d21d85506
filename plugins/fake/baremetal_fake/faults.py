"""A fault plan: what goes wrong at a machine, at which operation and how often. Plain data, so that it travels as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, NoReturn

from baremetal_interfaces import InvalidInput, Problem


class Effect(StrEnum):
    """What goes wrong."""

    SLOW = "slow"
    """The answer takes ``seconds`` longer."""
    REFUSE = "refuse"
    """The command is answered with an error and not carried out."""
    LOSE = "lose"
    """The command is accepted and has no effect."""
    LATE = "late"
    """The command is accepted and takes effect ``seconds`` later."""
    BOUNCE = "bounce"
    """The command takes effect, and ``seconds`` later the power is back at what it was."""
    HANG = "hang"
    """Nothing is answered for as long as the client waits; the command is not carried out."""
    DROP = "drop"
    """The connection breaks without an answer; the command is not carried out."""
    WRONG = "wrong"
    """The answer makes no sense."""
    TRUNCATE = "truncate"
    """The answer breaks off in the middle; the command is carried out."""
    MISTYPE = "mistype"
    """The values in the answer are of other types than they should be; the command is carried out."""
    AUTH = "auth"
    """The credentials are refused."""
    EXPIRE = "expire"
    """The session is said to be unknown."""
    BUSY = "busy"
    """The BMC says that it is busy; the command is not carried out."""


TIMED = frozenset({Effect.SLOW, Effect.LATE, Effect.BOUNCE})
"""The effects that need ``seconds``."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    It strikes at the operations that match *operation* (``set_power``, ``get_*``, ...), from the *nth* one on and *times*
    times in all; None stands for every time. *status* is the HTTP status of a refusal, where there is HTTP.
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
        """Read what :meth:`to_json` gives; raise InvalidInput with all that is wrong, each named from *where* on."""
        if not isinstance(value, Mapping):
            raise InvalidInput([Problem(where, f"{value!r} is not a fault", "it has to be an object")])
        problems = list(_problems(value, where))
        if problems:
            raise InvalidInput(problems)
        return cls(**{**value, "effect": Effect(value["effect"])})

    def to_json(self) -> dict[str, Any]:
        """The JSON value of this fault."""
        return {**asdict(self), "effect": self.effect.value}

    def strikes(self, count: int) -> bool:
        """Whether it strikes at the *count*-th operation that matches."""
        return count >= self.nth and (self.times is None or count < self.nth + self.times)


_NAMES = tuple(field.name for field in fields(Fault))


def _problems(value: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for name in value:
        if name not in _NAMES:
            yield Problem(f"{where}/{name}", "is not known", "known are " + ", ".join(_NAMES))
    for name, (wanted, check) in _CHECKS.items():
        if name in value and not check(value[name]):
            yield Problem(f"{where}/{name}", f"{value[name]!r} is not valid", f"it has to be {wanted}")
        elif name not in value and name in ("operation", "effect"):
            yield Problem(f"{where}/{name}", "is required", f"it has to be {wanted}")
    if value.get("effect") in set(TIMED) and not value.get("seconds"):
        yield Problem(f"{where}/seconds", f"is required with effect {value['effect']}", "a number of seconds above 0")


def _is_int(value: Any, minimum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


_CHECKS: dict[str, tuple[str, Any]] = {
    "operation": ("the name of an operation, or a pattern such as get_*", lambda value: isinstance(value, str) and value != ""),
    "effect": ("one of " + ", ".join(Effect), lambda value: isinstance(value, str) and value in set(map(str, Effect))),
    "nth": ("an integer of at least 1", lambda value: _is_int(value, 1)),
    "times": ("an integer of at least 1, or null", lambda value: value is None or _is_int(value, 1)),
    "seconds": (
        "a number of at least 0",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"),
    ),
    "message": ("a text", lambda value: isinstance(value, str)),
    "status": ("an integer from 400 to 599", lambda value: _is_int(value, 400) and value < 600),
}


@dataclass(frozen=True)
class FaultPlan:
    """Faults, the first one that strikes first. Only one strikes at a time."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def from_json(cls, value: Any, where: str = "faults") -> FaultPlan:
        """Read a list of faults, or an object of operation -> fault or list of faults.

        ``{"set_power": {"effect": "lose", "nth": 2}}`` is ``[{"operation": "set_power", "effect": "lose", "nth": 2}]``.
        """
        if isinstance(value, Mapping):
            entries = [(f"{where}/{name}", one) for name, given in value.items() for one in _named(name, given)]
        elif isinstance(value, list | tuple):
            entries = [(f"{where}/{index}", one) for index, one in enumerate(value)]
        else:
            _not_a_plan(value, where)
        return cls(tuple(_read_all(entries)))

    @classmethod
    def load(cls, path: str) -> FaultPlan:
        """Read a plan from a JSON file."""
        return cls.from_json(_json_in(path), path)

    @classmethod
    def load_by_machine(cls, path: str) -> dict[str, FaultPlan]:
        """Read plans from a JSON file: an object of machine name pattern -> plan, or one plan for all machines."""
        value = _json_in(path)
        by_machine = value if isinstance(value, dict) else {"*": value}
        return {pattern: cls.from_json(plan, f"{path}: {pattern}") for pattern, plan in by_machine.items()}

    def to_json(self) -> list[dict[str, Any]]:
        """The JSON value of this plan."""
        return [fault.to_json() for fault in self.faults]


def _json_in(path: str) -> Any:
    with open(path, encoding="utf-8") as file:
        try:
            return json.load(file)
        except ValueError as exc:
            raise InvalidInput([Problem(path, f"is not JSON ({exc})")]) from exc


def _named(operation: Any, given: Any) -> list[Any]:
    several = list(given) if isinstance(given, list | tuple) else [given]
    return [{"operation": operation, **one} if isinstance(one, Mapping) else one for one in several]


def _read_all(entries: Iterable[tuple[str, Any]]) -> list[Fault]:
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


def _not_a_plan(value: Any, where: str) -> NoReturn:
    raise InvalidInput([Problem(where, f"{value!r} is not a fault plan", "it has to be a list or an object")])


class FaultInjector:
    """A plan and how far it has got: counts the operations and tells which fault strikes. Thread-safe."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._lock = threading.Lock()
        self._counts = [0] * len(plan.faults)

    def next(self, operation: str) -> Fault | None:
        """Count one *operation* and give the fault that strikes at it."""
        struck: Fault | None = None
        with self._lock:
            for index, fault in enumerate(self.plan.faults):
                if not fnmatchcase(operation, fault.operation):
                    continue
                self._counts[index] += 1
                if struck is None and fault.strikes(self._counts[index]):
                    struck = fault
        return struck
