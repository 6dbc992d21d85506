"""Rules for JSON values from BMCs, agents, plugins and clients, which must hold before they are stored, and repairs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from baremetal_interfaces.errors import Problem
from baremetal_interfaces.text import clean_text

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
"""The integers that 64 bits can hold, with and without a sign. Encoders of JSON refuse others."""
MAX_DEPTH = 56
"""Maximum nesting of objects and lists. Messages between processes can be nested a little deeper, so that they have room."""
MAX_VALUES = 100_000
"""Maximum number of values in one document, including all nested ones."""
MAX_LENGTH = 8 * 2**20
"""Maximum number of characters of one document as JSON text."""

_MAX_WALK_DEPTH = 200
"""Depth below which values are neither checked nor repaired. Encoders refuse them."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Text of the json module that can stand for a value outside of the rules: an escaped NUL, an escaped surrogate, or an integer
# of more than 18 digits. Most documents have none of them, so that one search replaces a walk over all values.
_SUSPECT = re.compile(r"\\u0000|\\ud[89a-f]|[0-9]{19}")


def encode_json(value: Any, field: str) -> str:
    """Return *value* as JSON text for a database, in ASCII.

    Raises :class:`JSONValueError`, which names the place of the wrong value below *field*, for a value that cannot be stored
    or shown later: see :func:`find_problem`.
    """
    try:
        text = json.dumps(value, allow_nan=False, default=_to_plain, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as exc:
        problem = find_problem(value, field)
        # The error texts of the json module contain no value, which may be a secret.
        raise JSONValueError(problem or Problem(field, f"it is not JSON ({exc})", "allowed are JSON values")) from None
    if len(text) > MAX_LENGTH:
        raise JSONValueError(Problem(field, f"it has {len(text)} characters as JSON", f"allowed are {MAX_LENGTH}"))
    # A document with few brackets and commas is within the other limits.
    is_small = text.count("[") + text.count("{") <= MAX_DEPTH and text.count(",") < MAX_VALUES // 2
    if not is_small or _SUSPECT.search(text):
        problem = find_problem(value, field)
        if problem is not None:
            raise JSONValueError(problem)
    return text


class JSONValueError(ValueError):
    """A value is not JSON that can be stored and shown. :attr:`problem` names the place and the rule."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def find_problem(value: Any, field: str, *, limited: bool = True) -> Problem | None:
    """Return the first value within *value* that breaks a rule for JSON, or None. *field* is the name of the whole.

    Integers have at most 64 bits, numbers are finite, and text and keys have neither NUL nor halves of surrogate pairs. With
    *limited*, depth and number of values are limited, and all values have types of JSON.
    """
    for number, (place, depth, item) in enumerate(_walk(value, field)):
        if limited and number >= MAX_VALUES:
            return Problem(field, f"it has more than {MAX_VALUES} values", "send fewer values")
        wrong = _find_wrong(item) if limited or isinstance(item, str | int | float) else None
        if limited and depth > MAX_DEPTH:
            wrong = f"it is nested more than {MAX_DEPTH} levels deep", "use fewer levels"
        if wrong is not None:
            return Problem(clean_text(place, 200), *wrong)
    return None


def _walk(value: Any, field: str) -> Iterator[tuple[str, int, Any]]:
    """Yield place, depth and content of *value*, of all keys and of all values in it, in the order of the document."""
    # An own stack, because recursion on hostile input could exhaust that of the interpreter.
    stack: list[tuple[str, int, Any]] = [(field, 0, value)]
    while stack:
        place, depth, item = stack.pop()
        yield place, depth, item
        if depth > _MAX_WALK_DEPTH:
            continue
        if isinstance(item, Mapping):
            yield from ((f"key {key!r} of {place}", depth, key) for key in item if not str(key).isprintable())
            stack.extend((f"{place}/{key}", depth + 1, item[key]) for key in reversed(list(item)))
        elif isinstance(item, list | tuple):
            stack.extend((f"{place}/{index}", depth + 1, item[index]) for index in reversed(range(len(item))))


def _find_wrong(item: Any) -> tuple[str, str] | None:
    """Return what is wrong with one value, without the values in it, and what is allowed."""
    if isinstance(item, str):
        if "\0" in item:
            return "it contains a NUL character", "leave it out"
        match = None if item.isascii() else _LONE_SURROGATE.search(item)
        if match is not None:
            return f"its character {match.start()} is half of a surrogate pair", "use whole characters"
    elif item is None or isinstance(item, bool | Mapping | list | tuple):
        return None
    elif isinstance(item, int):
        if not MIN_INTEGER <= item <= MAX_INTEGER:
            return "it is an integer of more than 64 bits", f"allowed is {MIN_INTEGER} to {MAX_INTEGER}"
    elif isinstance(item, float):
        if not math.isfinite(item):
            return f"it is {item}", "allowed are finite numbers"
    else:
        return f"it is of type {type(item).__name__}", "allowed are JSON values"
    return None


def clean_json(value: Any, max_depth: int = MAX_DEPTH) -> Any:
    """Return *value* with repairs of everything that cannot be shown as JSON.

    Text and keys are repaired as in :func:`clean_texts`. Integers of more than 64 bits, numbers that are not finite, and objects
    and lists that are nested deeper than *max_depth* become None. Values of types that JSON does not have stay.
    """
    return _clean(value, max_depth, _clean_number)


def clean_texts(value: Any) -> Any:
    """Return *value* with visible escapes for NUL and halves of surrogate pairs in text and keys, see :func:`clean_string`."""
    return _clean(value, _MAX_WALK_DEPTH, lambda number: number)


def _clean(value: Any, depth: int, clean_number: Callable[[Any], Any]) -> Any:
    if isinstance(value, str):
        return clean_string(value)
    if isinstance(value, int | float):
        return clean_number(value)
    if isinstance(value, Mapping):
        if depth <= 0:
            return None
        return {clean_string(str(key)): _clean(item, depth - 1, clean_number) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item, depth - 1, clean_number) for item in value] if depth > 0 else None
    return value


def _clean_number(number: float) -> float | None:
    return number if _find_wrong(number) is None else None


def clean_string(text: str) -> str:
    """Return *text* with visible escapes in place of NUL and halves of surrogate pairs, which cannot be stored or encoded."""
    if text.isascii() and "\0" not in text:
        return str(text)
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).replace("\0", "\\x00")


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value is of type {type(value).__name__}")
