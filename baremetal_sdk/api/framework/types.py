"""Types of query parameters and body fields: the parsing of a value and its JSON schema.

A type gets a value from JSON or a query string. It returns the value for the handler or raises :class:`InvalidValue`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_TRUE = frozenset({"true", "yes", "on", "1", "t", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "f", "n"})
_NAME = re.compile(r"[A-Za-z0-9\-._~]{1,255}", re.ASCII)
NAME_PATTERN = f"^{_NAME.pattern}$"
"""The form of names, as a JSON schema pattern."""
_HOST_NAME = re.compile(r"(?=.{1,255}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)
_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_UUID_CHARACTERS = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", re.ASCII)


class InvalidValue(ValueError):
    """Error of an invalid value. *wrong* is the reason, *allowed* describes the allowed values."""

    def __init__(self, wrong: str, allowed: str) -> None:
        super().__init__(f"{wrong}; {allowed}")
        self.wrong = wrong
        self.allowed = allowed


@dataclass(frozen=True)
class ValueType:
    """The type of a query parameter or body field.

    *parse* checks and converts a value, and raises :class:`InvalidValue`. *schema* is the JSON schema for the OpenAPI document.
    """

    parse: Callable[[Any], Any]
    schema: Mapping[str, Any]

    @property
    def is_list(self) -> bool:
        """True if the value is a list. A query string may then give several parameters, each with one or more items."""
        return self.schema.get("type") == "array"


def _quote(value: Any) -> str:
    quoted = repr(value)
    return quoted if len(quoted) <= 64 else quoted[:61] + "..."


def nullable(inner: ValueType) -> ValueType:
    """Return a type with the values of *inner* and null, which handlers get as None."""
    return ValueType(lambda value: None if value is None else inner.parse(value), {"anyOf": [inner.schema, {"type": "null"}]})


def text(maximum: int = 255, minimum: int = 0) -> ValueType:
    """Return the type of text with *minimum* to *maximum* characters."""

    def parse(value: Any) -> str:
        if not isinstance(value, str):
            raise InvalidValue(f"{_quote(value)} is not text", "use a string")
        if not minimum <= len(value) <= maximum:
            raise InvalidValue(f"has {len(value)} characters", f"use {minimum} to {maximum} characters")
        return value

    return ValueType(parse, {"type": "string", "minLength": minimum, "maxLength": maximum})


def choice(*values: str) -> ValueType:
    """Return the type of text that is one of *values*."""

    def parse(value: Any) -> str:
        if value not in values:
            raise InvalidValue(f"{_quote(value)} is not an allowed value", "use one of " + ", ".join(values))
        return str(value)

    return ValueType(parse, {"type": "string", "enum": list(values)})


def integer(minimum: int | None = None, maximum: int | None = None) -> ValueType:
    """Return the type of integers from *minimum* to *maximum*. None means no limit.

    A value may be a number or a text with digits, because query parameters are text.
    """
    if maximum is None:
        allowed = "use an integer" if minimum is None else f"use an integer of {minimum} or more"
    else:
        allowed = f"use an integer of {maximum} or less" if minimum is None else f"use an integer from {minimum} to {maximum}"

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise InvalidValue(f"{_quote(value)} is not an integer", allowed)
        try:
            number = int(value)
        except ValueError:
            raise InvalidValue(f"{_quote(value)} is not an integer", allowed) from None
        if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
            raise InvalidValue(f"{number} is out of range", allowed)
        return number

    bounds = {name: bound for name, bound in (("minimum", minimum), ("maximum", maximum)) if bound is not None}
    return ValueType(parse, {"type": "integer", **bounds})


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    spelled = str(value).strip().lower() if isinstance(value, str | int) else ""
    if spelled in _TRUE:
        return True
    if spelled in _FALSE:
        return False
    raise InvalidValue(f"{_quote(value)} is neither true nor false", "use true or false")


def canonical_uuid(value: Any) -> str | None:
    """Return *value* as a UUID in lower case with hyphens, or None if it is not a UUID."""
    if not isinstance(value, str):
        return None
    # Most UUIDs are in this form already, and uuid.UUID is slow.
    if _CANONICAL_UUID.fullmatch(value):
        return value
    return str(uuid.UUID(value)) if _UUID_CHARACTERS.fullmatch(value) else None


def _uuid(value: Any) -> str:
    canonical = canonical_uuid(value)
    if canonical is None:
        raise InvalidValue(f"{_quote(value)} is not a UUID", "use a UUID such as 1be26c0b-03f2-4d2e-ae87-c02d7f33c123")
    return canonical


def is_name(value: Any) -> bool:
    """Return whether *value* has the form of a name: letters, digits and ``-._~``."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def is_host_name(value: str) -> bool:
    """Return whether *value* has the form of a host name. Before microversion 1.10, names of nodes must be host names."""
    return _HOST_NAME.fullmatch(value) is not None


def _uuid_or_name(value: Any) -> str:
    canonical = canonical_uuid(value)
    if canonical is not None:
        return canonical
    if not is_name(value):
        raise InvalidValue(f"{_quote(value)} is neither a UUID nor a name", "use a UUID, or up to 255 letters, digits and -._~")
    return str(value)


def _mac(value: Any) -> str:
    address = value.lower() if isinstance(value, str) else ""
    if not _MAC.fullmatch(address):
        raise InvalidValue(f"{_quote(value)} is not a MAC address", "use six hexadecimal bytes separated by colons")
    return address


def _strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        value = ",".join(str(item) for item in value)
    if not isinstance(value, str):
        raise InvalidValue(f"{_quote(value)} is not a list of words", "use a list of strings, or words separated by commas")
    words = (word.strip() for word in value.split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidValue(f"{_quote(value)} is not an object", "use a JSON object")
    return value


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidValue(f"{_quote(value)} is not a list", "use a JSON array")
    return value


TEXT = text()
BOOLEAN = ValueType(_boolean, {"type": "boolean"})
INTEGER = integer()
UUID = ValueType(_uuid, {"type": "string", "format": "uuid"})
UUID_OR_NAME = ValueType(_uuid_or_name, {"type": "string", "pattern": NAME_PATTERN})
MAC = ValueType(_mac, {"type": "string", "pattern": "^" + _MAC.pattern + "$"})
_WORD: Mapping[str, Any] = {"type": "string", "pattern": "^[^,]+$"}
STRINGS = ValueType(_strings, {"type": "array", "items": _WORD})
"""A list of words, in JSON a list or a text with commas, in a query string a text with commas. Handlers get a tuple.

A query string may repeat the parameter. Its texts are then one list.
"""
OBJECT = ValueType(_object, {"type": "object"})
ARRAY = ValueType(_array, {"type": "array"})
ANY = ValueType(lambda value: value, {})
