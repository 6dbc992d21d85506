"""The errors of the contract: one small tree, an HTTP status on each class.

A plugin raises these, or subclasses of its own. Every message says what was wrong and what can be done, and never
holds a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong with an input: the *field*, what was *wrong* with it and what is *allowed*."""

    field: str
    wrong: str
    allowed: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.wrong}" + (f"; {self.allowed}" if self.allowed else "")


class BareMetalError(Exception):
    """The root of the tree. *details* are JSON values that travel with the error; *retry_after* is in seconds."""

    code: ClassVar[int] = 500
    """The HTTP status that stands for this error."""

    def __init__(self, message: str, *, retry_after: float | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.details = details

    def __str__(self) -> str:
        return self.message


class InvalidInput(BareMetalError):
    """What was given is wrong, and giving it again would be wrong again."""

    code = 400

    def __init__(self, message: str | Iterable[Problem], **details: Any) -> None:
        self.problems: tuple[Problem, ...] = () if isinstance(message, str) else tuple(message)
        text = message if isinstance(message, str) else ". ".join(str(problem) for problem in self.problems)
        super().__init__(text, **details)


class NotSupported(BareMetalError):
    """The driver of this node does not offer what was asked of it."""

    code = 400


class Forbidden(BareMetalError):
    """It is understood, and not allowed."""

    code = 403


class NotFound(BareMetalError):
    """There is no such thing."""

    code = 404


class Conflict(BareMetalError):
    """It cannot be done in the present state."""

    code = 409


class NodeLocked(Conflict):
    """Somebody holds a lease on the node. The details say who, for what and since when."""


class Busy(BareMetalError):
    """There is no room for this work now. *retry_after* says when to come back."""

    code = 503


class Cancelled(BareMetalError):
    """The task was told to stop, and did."""

    code = 409


class DriverError(BareMetalError):
    """A driver could not do what it was asked to do."""

    code = 500


class BMCUnreachable(DriverError):
    """Nothing answers at the BMC's address, or the connection broke."""


class AuthenticationFailed(DriverError):
    """The BMC refuses the credentials. No retry helps until they are changed."""


class BMCBusy(DriverError):
    """The BMC says that it cannot answer now."""

    code = 503


class UnexpectedAnswer(DriverError):
    """The BMC answered something that its protocol, or this driver, does not know."""


class DeadlineExceeded(DriverError):
    """The time that this call or its task had is over."""

    code = 504


class PowerStateFailure(DriverError):
    """The machine did not reach the power state that was asked for. Clients know it as a conflict."""

    code = 409
