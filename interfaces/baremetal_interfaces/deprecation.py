"""Deprecation of functions of the contract or of a plugin, with the earliest date of removal."""

from __future__ import annotations

import datetime
import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def deprecated(*, since: tuple[int, int], until: str, instead: str) -> Callable[[F], F]:
    """Mark a function or method as deprecated: each call issues a ``DeprecationWarning`` that names the replacement.

    *since* is the version of the contract that deprecates it. *until* is a date, such as ``2028-06-30``; the function is not
    removed before it. *instead* names the replacement. Raises ``ValueError`` if *until* is not a date. The removal itself needs
    a new major version of the contract.
    """
    date = datetime.date.fromisoformat(until)

    def decorate(function: F) -> F:
        version = f"contract {since[0]}.{since[1]}"
        text = f"{function.__qualname__} is deprecated since {version} and may be removed after {date}; use {instead}"

        @functools.wraps(function)
        def warn_and_call(*args: Any, **kwargs: Any) -> Any:
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        warn_and_call.__deprecated__ = text  # type: ignore[attr-defined]
        return cast("F", warn_and_call)

    return decorate
