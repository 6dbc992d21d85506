"""Evaluation of the conditions of inspection rules."""

from __future__ import annotations

import ipaddress
import itertools
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from baremetal_interfaces import InvalidInput
from baremetal_sdk.inspection_rules.interpolation import interpolate
from baremetal_sdk.inspection_rules.language import CONDITIONS, parse_operator


def conditions_hold(conditions: Iterable[Mapping[str, Any]], variables: Mapping[str, Any]) -> bool:
    """Return whether all *conditions* of a rule hold for *variables*. Raises ``InvalidInput`` for values of a wrong type."""
    return all(_holds(condition, variables) for condition in conditions)


def list_items(loop: Any) -> list[Any]:
    """Return the items of *loop*, the member ``loop`` of a condition or an action. A JSON object is a single item."""
    return [loop] if isinstance(loop, Mapping) else list(loop)


def interpolate_arguments(arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a condition or an action with their replacement fields filled in.

    The argument ``regex`` is unchanged, because braces have another meaning in regular expressions.
    """
    return {name: value if name == "regex" else interpolate(value, variables) for name, value in arguments.items()}


def _holds(condition: Mapping[str, Any], variables: Mapping[str, Any]) -> bool:
    if not condition.get("loop"):
        return _evaluate(condition, variables)
    combination = condition.get("multiple", "any")
    results: list[bool] = []
    for item in list_items(condition["loop"]):
        # An interpolated item is text, so all values are compared as text.
        results.append(_evaluate(condition, {**variables, "item": item}, force_strings=True))
        if combination == "first" and results[-1]:
            return True
    if combination == "last":
        return results[-1]
    if combination == "first":
        return results[0]
    return all(results) if combination == "all" else any(results)


def _evaluate(condition: Mapping[str, Any], variables: Mapping[str, Any], *, force_strings: bool = False) -> bool:
    name, inverted = parse_operator(condition["op"])
    signature = CONDITIONS[name]
    arguments = interpolate_arguments(signature.bind(condition["args"]), variables)
    if force_strings and "force_strings" in signature.names:
        arguments["force_strings"] = True
    try:
        result = bool(_OPERATORS[name](**arguments))
    except (TypeError, ValueError) as exc:
        raise InvalidInput(f"cannot evaluate condition {condition['op']!r}: {exc}") from exc
    return result is not inverted


def _comparison(compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def check(values: Sequence[Any], force_strings: bool = False) -> bool:
        operands = [str(value) for value in values] if force_strings else list(values)
        return all(compare(left, right) for left, right in itertools.pairwise(operands))

    return check


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", "None", "[]", "{}", [], {}, ())


def _is_true(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() in ("yes", "true")
    return bool(value) if isinstance(value, int | float) else False


def _is_false(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() in ("no", "false")
    return not value if isinstance(value, int | float) else value is None


def _in_net(address: str, subnet: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(subnet, strict=False)


_OPERATORS: Mapping[str, Callable[..., bool]] = {
    "eq": _comparison(operator.eq),
    "lt": _comparison(operator.lt),
    "gt": _comparison(operator.gt),
    "is-empty": _is_empty,
    "is-none": lambda value: value is None or value == "None",
    "is-true": _is_true,
    "is-false": _is_false,
    "in-net": _in_net,
    "matches": lambda value, regex: re.fullmatch(regex, str(value)) is not None,
    "contains": lambda value, regex: re.search(regex, str(value)) is not None,
    "one-of": lambda value, values: value in values,
}
