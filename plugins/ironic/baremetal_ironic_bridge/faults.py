"""Errors of the contract as Ironic's, and what Ironic passes on unchecked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

from ironic.common import exception

from baremetal_interfaces import BareMetalError, InvalidInput, NotSupported, PowerStateFailure

E = TypeVar("E", bound=StrEnum)


@contextmanager
def as_ironic() -> Iterator[None]:
    """Raise what is raised within the block as the error that Ironic's conductor and clients know."""
    try:
        yield
    except BareMetalError as exc:
        raise _translated(exc) from None


def known(values: type[E], name: str, given: str) -> E:
    """The value of the contract for the text that a client has *given* as its *name*."""
    try:
        return values(given)
    except ValueError:
        allowed = ", ".join(one.value for one in values)
        raise exception.InvalidParameterValue(f"{name}: {given!r} is not valid; one of {allowed}") from None


def _translated(exc: BareMetalError) -> Exception:
    message = str(exc)
    if isinstance(exc, InvalidInput):
        missing = exc.problems and all(problem.wrong == "is required" for problem in exc.problems)
        error = exception.MissingParameterValue if missing else exception.InvalidParameterValue
    elif isinstance(exc, NotSupported):
        error = exception.UnsupportedDriverExtension
    elif isinstance(exc, PowerStateFailure):
        error = exception.PowerStateFailure
    else:
        error = exception.DriverOperationError
    # A percent sign in a message of somebody else's is no place for a value.
    translated: Exception = error(message.replace("%", "%%"))
    return translated
