"""Declaration of a configuration option as a field of a dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

HELP = "help"
"""Key of an option's help text in the metadata of its field."""
CHANGE_WHEN = "change_when"
"""Key of the advice to operators in the metadata of an option's field."""


def setting(
    default: Any,
    help: str,
    *,
    change_when: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Iterable[str] = (),
    secret: bool = False,
) -> Any:
    """Return a dataclass field that declares a configuration option.

    *help* says what the option sets, its unit, and the meaning of special values. *change_when* completes the sentence
    "Change it when ..." for operators. *minimum* and *maximum* are inclusive. The value of a *secret* option does not appear
    in the ``repr`` of the dataclass or in logs.
    """
    metadata = {HELP: help, CHANGE_WHEN: change_when, "min": minimum, "max": maximum, "choices": tuple(choices)}
    if isinstance(default, tuple | dict):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)
