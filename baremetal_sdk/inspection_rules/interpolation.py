"""Interpolation of replacement fields in the arguments of rules: ``{node.name}``, ``{inventory[cpu][count]}``, ``{item}``.

The syntax is a safe subset of Python's format strings. It can read fields of the node by name, and members of all other
variables by index. It cannot read attributes of Python objects.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import Any

_FORMATTER = string.Formatter()
_FIELD = re.compile(r"(?P<root>[a-z_]+)(?P<attribute>\.[a-z_]+)?(?P<indexes>(\[[^\[\]]+\])*)", re.ASCII)
_INDEX = re.compile(r"\[([^\[\]]+)\]")
# Widths have up to three digits, so that a rule cannot create a text of gigabytes.
_SPECIFICATION = re.compile(r"[^0-9]{0,3}[0-9]{0,3}(\.[0-9]{1,3})?[a-zA-Z%]?", re.ASCII)
_CONVERSIONS: Mapping[str | None, Callable[[Any], Any]] = {None: lambda value: value, "s": str, "r": repr}


class _Missing(LookupError):
    """The replacement field of a text is invalid, or no variable has its value. The text then stays unchanged."""


def interpolate(value: Any, variables: Mapping[str, Any]) -> Any:
    """Return *value* with its replacement fields filled in, at any depth. A text with an unknown field stays unchanged."""
    if isinstance(value, str):
        return _interpolate_text(value, variables)
    if isinstance(value, Mapping):
        return {name: interpolate(item, variables) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [interpolate(item, variables) for item in value]
    return value


def _interpolate_text(text: str, variables: Mapping[str, Any]) -> str:
    if "{" not in text and "}" not in text:
        return text
    try:
        return "".join(_format_part(part, variables) for part in _FORMATTER.parse(text))
    except (_Missing, ValueError, TypeError):
        return text


def _format_part(part: tuple[str, str | None, str | None, str | None], variables: Mapping[str, Any]) -> str:
    literal, field, specification, conversion = part
    if field is None:
        return literal
    if conversion not in _CONVERSIONS or not _SPECIFICATION.fullmatch(specification or ""):
        raise _Missing(field)
    return literal + format(_CONVERSIONS[conversion](_look_up(field, variables)), specification or "")


def _look_up(field: str, variables: Mapping[str, Any]) -> Any:
    match = _FIELD.fullmatch(field)
    if match is None or match["root"] not in variables:
        raise _Missing(field)
    value = variables[match["root"]]
    # Only the node is read by names after a dot, and only once. It is a mapping, not an object with attributes.
    if (match["attribute"] is not None) != (match["root"] == "node"):
        raise _Missing(field)
    if match["attribute"] is not None:
        value = _member(value, match["attribute"][1:])
    for index in _INDEX.findall(match["indexes"]):
        value = _member(value, index)
    return value


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping) and name in value:
        return value[name]
    if isinstance(value, list | tuple) and name.isdigit() and int(name) < len(value):
        return value[int(name)]
    raise _Missing(name)
