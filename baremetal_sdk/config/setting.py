"""Declaration of an option as a field of a dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

HELP = "help"
"""Key of an option's help text in the metadata of its field."""


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Iterable[str] = (),
    secret: bool = False,
) -> Any:
    """Declare an option: its default, what it does with its unit, its bounds, and whether it is shown to nobody."""
    metadata = {HELP: help, "min": minimum, "max": maximum, "choices": tuple(choices)}
    if isinstance(default, tuple | dict):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)
