"""Lists of steps in request bodies: for verbs, deploy templates and runbooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import Kind, Problem
from baremetal_sdk.api.framework.types import ARRAY, InvalidValue, ValueType


def step_problems(where: str, step: Any, required: tuple[str, ...], known: tuple[str, ...]) -> list[Problem]:
    """What is wrong with one step: what it must have, what it may have, and what the values may be."""
    if not isinstance(step, dict):
        return [Problem(where, "it is not an object", 'give {"interface": ..., "step": ...}')]
    missing, unknown = [key for key in required if key not in step], [key for key in step if key not in known]
    problems = [Problem(f"{where}.{key}", "it is missing", "a step has " + ", ".join(required)) for key in missing]
    problems += [Problem(f"{where}.{key}", "it is not known", "known are " + ", ".join(known)) for key in unknown]
    for key, value in step.items():
        if key in _STEP_VALUES and not _STEP_VALUES[key][0](value):
            problems.append(Problem(f"{where}.{key}", "it cannot be taken", _STEP_VALUES[key][1]))
    return problems


def _is_priority(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and len(value) < 10
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_KINDS = tuple(str(kind) for kind in Kind)
_STEP_VALUES: Mapping[str, tuple[Any, str]] = {
    "interface": (lambda value: value in _KINDS, "one of " + ", ".join(_KINDS)),
    "step": (lambda value: isinstance(value, str) and 0 < len(value) <= 255, "give the name of a step"),
    "args": (lambda value: isinstance(value, dict), "give an object"),
    "priority": (_is_priority, "give a number of at least 0"),
    "order": (_is_priority, "give a number of at least 0"),
}
"""What the values of a step may be, and how to say so."""


_WITH_STEPS = frozenset(map(str, (Kind.VENDOR, Kind.POWER, Kind.MANAGEMENT, Kind.FIRMWARE, Kind.DEPLOY, Kind.BIOS, Kind.RAID)))
"""The interfaces whose steps can be prepared."""
_WITHOUT_STEPS = frozenset(_KINDS) - _WITH_STEPS


def step_list(*required: str, known: tuple[str, ...]) -> ValueType:
    """At least one step, each with what is *required*; a step is not named twice."""

    def parse(value: Any) -> list[dict[str, Any]]:
        steps: list[Any] = ARRAY.parse(value)
        if not steps:
            raise InvalidValue("it is empty", "give at least one step")
        foreign = [step["interface"] for step in steps if isinstance(step, dict) and str(step.get("interface")) in _WITHOUT_STEPS]
        if foreign:
            raise InvalidValue(f"interface {foreign[0]!r} has no steps", "one of " + ", ".join(sorted(_WITH_STEPS)))
        problems = [
            problem for number, step in enumerate(steps) for problem in step_problems(f"[{number}]", step, required, known)
        ]
        if problems:
            raise InvalidValue("; ".join(f"{one.field}: {one.wrong}" for one in problems), problems[0].allowed or "")
        names = [(step["interface"], step["step"]) for step in steps]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InvalidValue(f"step {'.'.join(twice)} is given twice", "give it once")
        return [{"args": {}, **step, **_numbers(step)} for step in steps]

    item = {"type": "object", "required": list(required), "properties": {key: {} for key in known}}
    return ValueType(parse, {"type": "array", "minItems": 1, "items": item})


def _numbers(step: Mapping[str, Any]) -> dict[str, int]:
    """A priority may come as digits."""
    return {key: int(step[key]) for key in ("priority", "order") if key in step}
