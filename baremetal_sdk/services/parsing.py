"""Parser for texts in requests whose values are members of enumerations of the contract."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from baremetal_interfaces import InvalidInput

E = TypeVar("E", bound=Enum)


def parse_enum(values: type[E], text: str, field: str) -> E:
    """Return the member of enumeration *values* for *text*. Raises ``InvalidInput`` with *field* and the allowed values."""
    try:
        return values(text)
    except ValueError:
        allowed = ", ".join(str(value.value) for value in values)
        raise InvalidInput(f"{field}: {text!r} is not known; it has to be one of {allowed}") from None
