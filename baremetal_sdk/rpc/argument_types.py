"""Checks that the arguments of RPC methods have the annotated types.

A message can contain any value. Without this check, a wrong type would fail somewhere inside the method, as an internal error.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from baremetal_interfaces import Problem
from baremetal_sdk.errors import InvalidArguments

_INTEGERS = range(-(2**63), 2**63)
"""The integers that all databases can store."""
_SEQUENCES = (list, tuple)
_ITERABLES = (list, tuple, set, frozenset)
_NAMES = {type(None): "null", str: "text", bool: "true or false", int: "an integer", float: "a number"}


def check_fields(record: type, values: Mapping[str, Any], *, complete: bool = False) -> None:
    """Raise ``InvalidArguments`` unless *values* are fields of a record class and have their types.

    With *complete*, the fields without a default have to be there, except ``uuid``, which a service can choose.
    """
    hints = _field_types(record)
    problems = [Problem(str(name)[:64], "is no such field", "leave it out") for name in values if name not in hints]
    problems += find_problems({name: value for name, value in values.items() if name in hints}, hints)
    if complete:
        missing = (name for name in _required_fields(record) if name not in values)
        problems += [Problem(name, "is missing", "a value is required") for name in missing]
    if problems:
        raise InvalidArguments(problems)


def find_problems(values: Mapping[str, Any], hints: Mapping[str, Any]) -> list[Problem]:
    """Return the problem of each value whose type is not the annotated one. Names without an annotation are not checked."""
    return [
        Problem(name, f"has the wrong type ({type(value).__name__})", f"allowed: {_describe(hints[name])}")
        for name, value in values.items()
        if name in hints and not matches(value, hints[name])
    ]


def matches(value: Any, hint: Any) -> bool:
    """Return whether *value* has the annotated type. Annotations that describe no type of a message match everything."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return matches(value, inside[0])
    if origin in (Union, types.UnionType):
        return any(matches(value, member) for member in inside)
    if origin is Literal:
        return any(type(value) is type(member) and value == member for member in inside)
    if is_typeddict(hint):
        return _matches_typed_dict(value, hint)
    return _matches_plain(value, hint) if origin is None else _matches_container(value, origin, inside)


def _matches_plain(value: Any, hint: Any) -> bool:
    if hint is Any or hint is object or not isinstance(hint, type) or isinstance(hint, TypeVar):
        return True
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and value in _INTEGERS
    if hint is str:
        return isinstance(value, str) and "\0" not in value and not _has_surrogate(value)
    return isinstance(value, hint)


def _matches_container(value: Any, origin: Any, inside: Sequence[Any]) -> bool:
    if origin in (collections.abc.Mapping, dict):
        key, item = inside
        if not isinstance(value, Mapping):
            return False
        return all(matches(name, key) and matches(element, item) for name, element in value.items())
    allowed: tuple[type[Collection[Any]], ...] = _SEQUENCES
    if origin in (collections.abc.Iterable, collections.abc.Collection):
        allowed = _ITERABLES
    elif origin in (set, frozenset, collections.abc.Set):
        allowed = (set, frozenset)
    return isinstance(value, allowed) and all(matches(element, inside[0]) for element in value)


def _matches_typed_dict(value: Any, hint: Any) -> bool:
    hints = get_type_hints(hint)
    if not isinstance(value, Mapping) or not hint.__required_keys__ <= value.keys():
        return False
    # A caller of a later release may send members that this release does not know.
    return all(matches(element, hints.get(name, Any)) for name, element in value.items())


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _describe(hint: Any) -> str:
    return " or ".join(_describe_members(hint))


def _describe_members(hint: Any) -> Iterator[str]:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from _describe_members(inside[0])
    elif origin in (Union, types.UnionType):
        for member in inside:
            yield from _describe_members(member)
    elif origin is Literal:
        yield from map(str, inside)
    elif origin in (collections.abc.Mapping, dict) or is_typeddict(hint):
        yield "an object"
    elif origin is not None and isinstance(origin, type) and issubclass(origin, Iterable):
        yield "a list"
    else:
        yield _NAMES.get(hint, getattr(hint, "__name__", str(hint)))


@cache
def _field_types(record: type) -> Mapping[str, Any]:
    return get_type_hints(record, include_extras=True)


@cache
def _required_fields(record: type) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in dataclasses.fields(record)
        if field.default is field.default_factory is dataclasses.MISSING and field.name != "uuid"
    )
