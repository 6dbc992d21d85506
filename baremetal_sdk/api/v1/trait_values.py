"""What the name of a trait may be."""

from __future__ import annotations

import re
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.types import ARRAY, InvalidValue, ValueType, text

_SPACES = ("COMPUTE", "CUSTOM", "HW", "MISC", "OWNER", "STORAGE")
_TRAIT = re.compile(rf"({'|'.join(_SPACES)})_[A-Z0-9_]+", re.ASCII)
_ALLOWED = "a trait is CUSTOM_, or one of " + ", ".join(f"{space}_" for space in _SPACES if space != "CUSTOM")
_ALLOWED += " for standard ones, with capital letters, digits and underscores behind it, 255 characters at most"


def _trait(value: Any) -> str:
    name: str = text(255, 1).parse(value)
    if not _TRAIT.fullmatch(name):
        raise InvalidValue(f"{name[:64]!r} is not a trait", _ALLOWED)
    return name


def _traits(value: Any) -> list[str]:
    return sorted({_trait(one) for one in ARRAY.parse(value)})


TRAIT = ValueType(_trait, {"type": "string", "pattern": f"^{_TRAIT.pattern}$", "minLength": 1, "maxLength": 255})
TRAITS = ValueType(_traits, {"type": "array", "items": TRAIT.schema})


def trait_of_path(value: str) -> str:
    """A trait that a path names. Raises ``InvalidInput``."""
    try:
        return _trait(value)
    except InvalidValue as exc:
        raise InvalidInput([Problem("trait", exc.wrong, exc.allowed)]) from None
