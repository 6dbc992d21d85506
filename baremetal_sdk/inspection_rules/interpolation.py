"""Replacement fields in the arguments of rules: ``{node.name}``, ``{inventory[cpu][count]}``, ``{item}``.

The notation is that of Python's format strings, without its reach: of the node there are the fields that a rule may read,
and of everything else what an index leads to. No attribute of an object can be read.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import Any

_FORMATTER = string.Formatter()
_FIELD = re.compile(r"(?P<root>[a-z_]+)(?P<attribute>\.[a-z_]+)?(?P<indexes>(\[[^\[\]]+\])*)", re.ASCII)
_INDEX = re.compile(r"\[([^\[\]]+)\]")
_SPECIFICATION = re.compile(r"[^0-9]{0,3}[0-9]{0,3}(\.[0-9]{1,3})?[a-zA-Z%]?", re.ASCII)
_CONVERSIONS: Mapping[str | None, Callable[[Any], Any]] = {None: lambda value: value, "s": str, "r": repr}


class _Missing(LookupError):
    """A replacement field leads nowhere."""


def interpolate(value: Any, variables: Mapping[str, Any]) -> Any:
    """*value* with its replacement fields filled in, at any depth; a text of which a field leads nowhere stays as it is."""
    if isinstance(value, str):
        return _text(value, variables)
    if isinstance(value, Mapping):
        return {name: interpolate(item, variables) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [interpolate(item, variables) for item in value]
    return value


def _text(text: str, variables: Mapping[str, Any]) -> str:
    if "{" not in text and "}" not in text:
        return text
    try:
        return "".join(_part(part, variables) for part in _FORMATTER.parse(text))
    except (_Missing, ValueError, TypeError):
        return text


def _part(part: tuple[str, str | None, str | None, str | None], variables: Mapping[str, Any]) -> str:
    literal, field, specification, conversion = part
    if field is None:
        return literal
    if conversion not in _CONVERSIONS or not _SPECIFICATION.fullmatch(specification or ""):
        raise _Missing(field)
    return literal + format(_CONVERSIONS[conversion](_looked_up(field, variables)), specification or "")


def _looked_up(field: str, variables: Mapping[str, Any]) -> Any:
    found = _FIELD.fullmatch(field)
    if found is None or found["root"] not in variables:
        raise _Missing(field)
    value = variables[found["root"]]
    # Of the variables only the node is read by attributes; it is a mapping all the same.
    if (found["attribute"] is not None) != (found["root"] == "node"):
        raise _Missing(field)
    if found["attribute"] is not None:
        value = _member(value, found["attribute"][1:])
    for index in _INDEX.findall(found["indexes"]):
        value = _member(value, index)
    return value


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping) and name in value:
        return value[name]
    if isinstance(value, list | tuple) and name.isdigit() and int(name) < len(value):
        return value[int(name)]
    raise _Missing(name)
