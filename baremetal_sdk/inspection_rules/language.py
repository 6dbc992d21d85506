"""The language of inspection rules: its conditions and actions with their arguments, and what is wrong with a rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import Problem

PHASES = ("main",)
COMBINATIONS = ("any", "all", "first", "last")
"""How the results of a condition with a loop become one."""
HIGHEST_PRIORITY = 9999
_LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True)
class Signature:
    """The arguments of an operation, in the order in which a list gives them."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return self.required + self.optional

    def bind(self, given: Any) -> dict[str, Any]:
        """Arguments by name; a list of them is what older rules have."""
        if isinstance(given, Mapping):
            return dict(given)
        if self.required == ("values",):
            return {"values": list(given[0]) if len(given) == 1 and isinstance(given[0], list) else list(given)}
        return dict(zip(self.names, given, strict=False))


_COMPARISON = Signature(("values",), ("force_strings",))
_VALUE = Signature(("value",))
_PATTERN = Signature(("value", "regex"))

CONDITIONS: Mapping[str, Signature] = {
    "eq": _COMPARISON,
    "lt": _COMPARISON,
    "gt": _COMPARISON,
    "is-empty": _VALUE,
    "is-none": _VALUE,
    "is-true": _VALUE,
    "is-false": _VALUE,
    "in-net": Signature(("address", "subnet")),
    "matches": _PATTERN,
    "contains": _PATTERN,
    "one-of": Signature(("value", "values")),
}

_PATH_VALUE = ("path", "value")

ACTIONS: Mapping[str, Signature] = {
    "fail": Signature(("msg",)),
    "log": Signature(("msg",), ("level",)),
    "set-attribute": Signature(_PATH_VALUE),
    "extend-attribute": Signature(_PATH_VALUE, ("unique",)),
    "del-attribute": Signature(("path",)),
    "set-capability": Signature(("name", "value")),
    "unset-capability": Signature(("name",)),
    "add-trait": Signature(("name",)),
    "remove-trait": Signature(("name",)),
    "set-plugin-data": Signature(_PATH_VALUE),
    "extend-plugin-data": Signature(_PATH_VALUE, ("unique",)),
    "unset-plugin-data": Signature(("path",)),
    "set-port-attribute": Signature(("port_id", *_PATH_VALUE)),
    "extend-port-attribute": Signature(("port_id", *_PATH_VALUE), ("unique",)),
    "del-port-attribute": Signature(("port_id", "path")),
    "api-call": Signature(("url",), ("headers", "proxies", "timeout", "retries", "backoff_factor")),
}


def parse_operator(op: str) -> tuple[str, bool]:
    """The name of a condition's operator, and whether an exclamation mark inverts it."""
    return (op[1:].strip(), True) if op.startswith("!") else (op, False)


def find_problems(rule: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a rule, all of it."""
    found = _number_problems(rule)
    if rule.get("phase", PHASES[0]) not in PHASES:
        found.append(Problem("phase", f"it is {str(rule['phase'])[:64]!r}", "one of " + ", ".join(PHASES)))
    for number, condition in enumerate(rule.get("conditions") or ()):
        found += _condition_problems(f"conditions[{number}]", condition)
    actions = rule.get("actions") or ()
    if not actions:
        found.append(Problem("actions", "there is none", "give at least one"))
    for number, action in enumerate(actions):
        found += _operation_problems(f"actions[{number}]", action, ACTIONS, ("op", "args", "loop"))
    return found


def _number_problems(rule: Mapping[str, Any]) -> list[Problem]:
    priority = rule.get("priority", 0)
    if 0 <= priority <= HIGHEST_PRIORITY:
        return []
    return [Problem("priority", f"it is {priority}", f"0 to {HIGHEST_PRIORITY} are allowed")]


def _condition_problems(where: str, condition: Any) -> list[Problem]:
    found = _operation_problems(where, condition, CONDITIONS, ("op", "args", "loop", "multiple"))
    if not found and condition.get("multiple", "any") not in COMBINATIONS:
        found.append(Problem(f"{where}.multiple", "it is not known", "one of " + ", ".join(COMBINATIONS)))
    return found


def _operation_problems(where: str, operation: Any, known: Mapping[str, Signature], keys: Sequence[str]) -> list[Problem]:
    if not isinstance(operation, Mapping) or not isinstance(operation.get("op"), str) or "args" not in operation:
        return [Problem(where, "it is no operation", 'give {"op": ..., "args": {...}}')]
    found = [
        Problem(f"{where}.{key[:64]}", "it is not known", "known are " + ", ".join(keys)) for key in operation if key not in keys
    ]
    name = parse_operator(operation["op"])[0] if known is CONDITIONS else operation["op"]
    signature = known.get(name)
    if signature is None:
        return [*found, Problem(f"{where}.op", f"there is no {name[:64]!r}", "one of " + ", ".join(known))]
    if not isinstance(operation["args"], Mapping | list):
        return [*found, Problem(f"{where}.args", "it is not an object", "give the arguments by name")]
    if not isinstance(operation.get("loop", []), Mapping | list):
        found.append(Problem(f"{where}.loop", "it is not a list", "give a list of items"))
    return found + _argument_problems(f"{where}.args", signature, operation["args"])


def _argument_problems(where: str, signature: Signature, given: Any) -> list[Problem]:
    arguments = signature.bind(given)
    takes = "it takes " + ", ".join(signature.names)
    found = [Problem(f"{where}.{name}", "it is missing", takes) for name in signature.required if name not in arguments]
    found += [Problem(f"{where}.{name[:64]}", "it is not known", takes) for name in arguments if name not in signature.names]
    if isinstance(given, list) and signature.required != ("values",) and len(given) > len(signature.names):
        found.append(Problem(where, f"there are {len(given)} arguments", takes))
    for name, check in _CHECKS.items():
        if name in signature.names and name in arguments and (wrong := check(arguments[name])):
            found.append(Problem(f"{where}.{name}", *wrong))
    return found


def _wrong_regex(value: Any) -> tuple[str, str] | None:
    try:
        re.compile(value)
    except (re.error, TypeError) as exc:
        return f"it is no regular expression ({exc})", "give one in Python's syntax"
    return None


def _wrong_values(value: Any) -> tuple[str, str] | None:
    return None if isinstance(value, list) else ("it is not a list", "give a list of values")


def _wrong_level(value: Any) -> tuple[str, str] | None:
    known = isinstance(value, str) and value.lower() in _LOG_LEVELS
    return None if known else ("it is no level", "one of " + ", ".join(_LOG_LEVELS))


_CHECKS = {"regex": _wrong_regex, "values": _wrong_values, "level": _wrong_level}
