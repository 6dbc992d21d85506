"""Language of inspection rules: conditions and actions with their arguments, and the validation of rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import Problem

PHASES = ("main",)
COMBINATIONS = ("any", "all", "first", "last")
"""Ways to combine the results of a condition for the items of its loop."""
HIGHEST_PRIORITY = 9999
_LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True)
class Signature:
    """Names of the arguments of a condition or an action, in the order that a list of arguments uses."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all arguments."""
        return self.required + self.optional

    def bind(self, arguments: Any) -> dict[str, Any]:
        """Return *arguments* by name. Rules of older Ironic releases pass them as a list, in the order of this signature."""
        if isinstance(arguments, Mapping):
            return dict(arguments)
        if self.required == ("values",):
            # The list has either the values themselves or one list of values.
            is_nested = len(arguments) == 1 and isinstance(arguments[0], list)
            return {"values": list(arguments[0] if is_nested else arguments)}
        return dict(zip(self.names, arguments, strict=False))


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
    """Return the name of a condition's operator, and whether an exclamation mark before it inverts the result."""
    return (op[1:].strip(), True) if op.startswith("!") else (op, False)


def find_problems(rule: Mapping[str, Any]) -> list[Problem]:
    """Return all problems that make *rule* invalid, each with the place in the rule. A valid rule has none."""
    problems = _number_problems(rule)
    if rule.get("phase", PHASES[0]) not in PHASES:
        problems.append(Problem("phase", f"unknown phase {str(rule['phase'])[:64]!r}", "use one of " + ", ".join(PHASES)))
    for number, condition in enumerate(rule.get("conditions") or ()):
        problems += _condition_problems(f"conditions[{number}]", condition)
    actions = rule.get("actions") or ()
    if not actions:
        problems.append(Problem("actions", "missing", "add one or more actions"))
    for number, action in enumerate(actions):
        problems += _operation_problems(f"actions[{number}]", action, ACTIONS, ("op", "args", "loop"))
    return problems


def _number_problems(rule: Mapping[str, Any]) -> list[Problem]:
    priority = rule.get("priority", 0)
    if 0 <= priority <= HIGHEST_PRIORITY:
        return []
    return [Problem("priority", f"{priority} is out of range", f"use 0 to {HIGHEST_PRIORITY}")]


def _condition_problems(where: str, condition: Any) -> list[Problem]:
    problems = _operation_problems(where, condition, CONDITIONS, ("op", "args", "loop", "multiple"))
    if not problems and condition.get("multiple", "any") not in COMBINATIONS:
        problems.append(Problem(f"{where}.multiple", "unknown value", "use one of " + ", ".join(COMBINATIONS)))
    return problems


def _operation_problems(where: str, operation: Any, signatures: Mapping[str, Signature], keys: Sequence[str]) -> list[Problem]:
    if not isinstance(operation, Mapping) or not isinstance(operation.get("op"), str) or "args" not in operation:
        return [Problem(where, "not an operation", 'use {"op": ..., "args": {...}}')]
    problems = [
        Problem(f"{where}.{key[:64]}", "unknown member", "use only " + ", ".join(keys)) for key in operation if key not in keys
    ]
    name = parse_operator(operation["op"])[0] if signatures is CONDITIONS else operation["op"]
    signature = signatures.get(name)
    if signature is None:
        return [*problems, Problem(f"{where}.op", f"unknown operation {name[:64]!r}", "use one of " + ", ".join(signatures))]
    if not isinstance(operation["args"], Mapping | list):
        return [*problems, Problem(f"{where}.args", "not an object", "pass the arguments by name")]
    if not isinstance(operation.get("loop", []), Mapping | list):
        problems.append(Problem(f"{where}.loop", "not a list", "use a list of items"))
    return problems + _argument_problems(f"{where}.args", signature, operation["args"])


def _argument_problems(where: str, signature: Signature, raw_arguments: Any) -> list[Problem]:
    arguments = signature.bind(raw_arguments)
    allowed = "allowed arguments: " + ", ".join(signature.names)
    problems = [Problem(f"{where}.{name}", "missing", allowed) for name in signature.required if name not in arguments]
    problems += [
        Problem(f"{where}.{name[:64]}", "unknown argument", allowed) for name in arguments if name not in signature.names
    ]
    if isinstance(raw_arguments, list) and signature.required != ("values",) and len(raw_arguments) > len(signature.names):
        problems.append(Problem(where, f"{len(raw_arguments)} arguments are too many", allowed))
    for name, check in _CHECKS.items():
        if name in signature.names and name in arguments and (wrong := check(arguments[name])):
            problems.append(Problem(f"{where}.{name}", *wrong))
    return problems


def _find_regex_problem(value: Any) -> tuple[str, str] | None:
    try:
        re.compile(value)
    except (re.error, TypeError) as exc:
        return f"not a regular expression ({exc})", "use the syntax of Python"
    return None


def _find_values_problem(value: Any) -> tuple[str, str] | None:
    return None if isinstance(value, list) else ("not a list", "use a list of values")


def _find_level_problem(value: Any) -> tuple[str, str] | None:
    known = isinstance(value, str) and value.lower() in _LOG_LEVELS
    return None if known else ("unknown log level", "use one of " + ", ".join(_LOG_LEVELS))


_CHECKS = {"regex": _find_regex_problem, "values": _find_values_problem, "level": _find_level_problem}
