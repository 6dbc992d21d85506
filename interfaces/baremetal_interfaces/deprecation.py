"""How something of the contract, or of a plugin, is taken back: announced with a date, and no sooner gone."""

from __future__ import annotations

import datetime
import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def deprecated(*, since: tuple[int, int], until: str, instead: str) -> Callable[[F], F]:
    """Announce that a function or method goes: deprecated *since* that version of the contract, there *until* a date at least.

    *until* is a date as ``2028-06-30``; ``ValueError`` where it is none. Whoever calls it is warned by a
    ``DeprecationWarning`` with the date and what to use *instead*. What is gone needs a new major version.
    """
    date = datetime.date.fromisoformat(until)

    def declare(function: F) -> F:
        text = f"{function.__qualname__} is deprecated since contract {since[0]}.{since[1]} and goes after {date}; use {instead}"

        @functools.wraps(function)
        def warned(*args: Any, **kwargs: Any) -> Any:
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        warned.__deprecated__ = text  # type: ignore[attr-defined]
        return cast("F", warned)

    return declare
