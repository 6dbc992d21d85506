"""Checks of the lists of steps in the bodies of requests: for provision verbs, deploy templates and runbooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import Kind, Problem
from baremetal_sdk.api.framework.types import ARRAY, InvalidValue, ValueType


def find_step_problems(where: str, step: Any, required: tuple[str, ...], known: tuple[str, ...]) -> list[Problem]:
    """Return all problems of one step in a request.

    *where* is the field of the problems, such as ``clean_steps[0]``. *required* are the keys that a step must have, *known*
    all keys that it may have.
    """
    if not isinstance(step, dict):
        return [Problem(where, "is not an object", 'use an object such as {"interface": ..., "step": ...}')]
    problems = [
        Problem(f"{where}.{key}", "is missing", "a step needs " + ", ".join(required)) for key in required if key not in step
    ]
    for key in step:
        if key not in known:
            problems.append(Problem(f"{where}.{key}", "is not known", "allowed are " + ", ".join(known)))
    for key, value in step.items():
        if key not in _STEP_VALUES:
            continue
        is_valid, allowed = _STEP_VALUES[key]
        if not is_valid(value):
            problems.append(Problem(f"{where}.{key}", "has an invalid value", allowed))
    return problems


def _is_priority(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and len(value) < 10
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_KINDS = tuple(str(kind) for kind in Kind)
_STEP_VALUES: Mapping[str, tuple[Any, str]] = {
    "interface": (lambda value: value in _KINDS, "use one of " + ", ".join(_KINDS)),
    "step": (lambda value: isinstance(value, str) and 0 < len(value) <= 255, "use the name of a step, with up to 255 characters"),
    "args": (lambda value: isinstance(value, dict), "use an object"),
    "priority": (_is_priority, "use an integer of 0 or more"),
    "order": (_is_priority, "use an integer of 0 or more"),
}
"""Key of a step -> the check of its value, and the text that describes the allowed values."""

_KINDS_WITH_STEPS = frozenset(
    map(str, (Kind.VENDOR, Kind.POWER, Kind.MANAGEMENT, Kind.FIRMWARE, Kind.DEPLOY, Kind.BIOS, Kind.RAID))
)
"""The interface kinds whose steps deploy templates and runbooks may contain."""
_KINDS_WITHOUT_STEPS = frozenset(_KINDS) - _KINDS_WITH_STEPS


def build_step_list_type(*required: str, known: tuple[str, ...]) -> ValueType:
    """Return the type of a list of one step or more. Each step has the keys *required*, and no step occurs twice.

    *known* are all keys that a step may have.
    """

    def parse(value: Any) -> list[dict[str, Any]]:
        steps: list[Any] = ARRAY.parse(value)
        if not steps:
            raise InvalidValue("is empty", "give one step or more")
        for step in steps:
            interface = step.get("interface") if isinstance(step, dict) else None
            if str(interface) in _KINDS_WITHOUT_STEPS:
                allowed = "use one of " + ", ".join(sorted(_KINDS_WITH_STEPS))
                raise InvalidValue(f"interface {interface!r} has no steps", allowed)
        problems: list[Problem] = []
        for position, step in enumerate(steps):
            problems.extend(find_step_problems(f"[{position}]", step, required, known))
        if problems:
            raise InvalidValue("; ".join(f"{problem.field}: {problem.wrong}" for problem in problems), problems[0].allowed or "")
        names = [(step["interface"], step["step"]) for step in steps]
        duplicate = next((name for name in names if names.count(name) > 1), None)
        if duplicate is not None:
            raise InvalidValue(f"step {'.'.join(duplicate)} occurs twice", "give each step once")
        return [{"args": {}, **step, **_parse_numbers(step)} for step in steps]

    item = {"type": "object", "required": list(required), "properties": {key: {} for key in known}}
    return ValueType(parse, {"type": "array", "minItems": 1, "items": item})


def _parse_numbers(step: Mapping[str, Any]) -> dict[str, int]:
    """Return the priority and the order of a step as integers. Clients may send them as text."""
    return {key: int(step[key]) for key in ("priority", "order") if key in step}
