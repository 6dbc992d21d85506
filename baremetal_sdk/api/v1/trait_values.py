"""Types of traits in requests: the checks of their form, and their JSON schemas."""

from __future__ import annotations

import re
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.types import ARRAY, InvalidValue, ValueType, text

_NAMESPACES = ("COMPUTE", "CUSTOM", "HW", "MISC", "OWNER", "STORAGE")
_PATTERN = re.compile(rf"({'|'.join(_NAMESPACES)})_[A-Z0-9_]+", re.ASCII)
_ALLOWED = (
    "a trait starts with CUSTOM_ or, if it is a standard trait, with one of "
    + ", ".join(f"{namespace}_" for namespace in _NAMESPACES if namespace != "CUSTOM")
    + "; capital letters, digits and underscores follow; the maximum length is 255 characters"
)


def _parse_trait(value: Any) -> str:
    name: str = text(255, 1).parse(value)
    if not _PATTERN.fullmatch(name):
        raise InvalidValue(f"{name[:64]!r} is not a trait", _ALLOWED)
    return name


def _parse_traits(value: Any) -> list[str]:
    return sorted({_parse_trait(name) for name in ARRAY.parse(value)})


TRAIT = ValueType(_parse_trait, {"type": "string", "pattern": f"^{_PATTERN.pattern}$", "minLength": 1, "maxLength": 255})
TRAITS = ValueType(_parse_traits, {"type": "array", "items": TRAIT.schema})
"""A list of traits. Handlers get it sorted and without duplicates."""


def parse_path_trait(value: str) -> str:
    """Return the trait *value* from a path. Raises ``InvalidInput`` if it does not have the form of a trait."""
    try:
        return _parse_trait(value)
    except InvalidValue as exc:
        raise InvalidInput([Problem("trait", exc.wrong, exc.allowed)]) from None
