"""Comparisons of JSON values. Python considers true, 1 and 1.0 equal; JSON does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def is_equal(one: Any, other: Any) -> bool:
    """Return whether two values are equal as RFC 6902, section 4.6, defines it: numbers by value, true and 1 are different."""
    return _compare(one, other, lambda a, b: isinstance(a, bool) == isinstance(b, bool) and bool(a == b))


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values have the same JSON text, apart from the order of keys: 1, 1.0 and true are all different."""
    return _compare(one, other, lambda a, b: _number_type(a) is _number_type(b) and bool(a == b))


def _compare(one: Any, other: Any, is_equal_scalar: Callable[[Any, Any], bool]) -> bool:
    if isinstance(one, Mapping):
        if not isinstance(other, Mapping) or one.keys() != other.keys():
            return False
        return all(_compare(item, other[key], is_equal_scalar) for key, item in one.items())
    if _is_list(one):
        if not _is_list(other) or len(one) != len(other):
            return False
        return all(_compare(item, present, is_equal_scalar) for item, present in zip(one, other, strict=True))
    return is_equal_scalar(one, other)


def _is_list(value: Any) -> bool:
    # Records have tuples in place of lists.
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _number_type(value: Any) -> type | None:
    return next((kind for kind in (bool, int, float) if isinstance(value, kind)), None)
