"""Translation of the contract's errors into Ironic's, and of clients' texts into values of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

from ironic.common import exception

from baremetal_interfaces import BareMetalError, InvalidInput, NotSupported, PowerStateFailure

E = TypeVar("E", bound=StrEnum)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate errors of the contract that leave the ``with`` block into Ironic's. Other exceptions pass."""
    try:
        yield
    except BareMetalError as exc:
        raise _translate(exc) from None


def parse_choice(values: type[E], name: str, given: str) -> E:
    """Return the contract's value for the text *given* by a client. Raises InvalidParameterValue, which names *name*."""
    try:
        return values(given)
    except ValueError:
        allowed = ", ".join(value.value for value in values)
        raise exception.InvalidParameterValue(f"{name}: {given!r} is not valid; one of {allowed}") from None


def _translate(exc: BareMetalError) -> Exception:
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
    # Ironic formats the message with the % operator.
    translated: Exception = error(message.replace("%", "%%"))
    return translated
