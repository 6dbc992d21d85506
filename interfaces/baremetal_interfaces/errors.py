"""The errors of the contract, each with an HTTP status.

A plugin raises these classes or subclasses of them. A message names the problem and the remedy, and never contains a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple


class Problem(NamedTuple):
    """One problem of an input: the *field* as a path, what is *wrong* with its value, and what is *allowed* there."""

    field: str
    wrong: str
    allowed: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.wrong}" + (f"; {self.allowed}" if self.allowed else "")


class BareMetalError(Exception):
    """Base class of all errors of the contract.

    *message* is the text for clients. *details* are JSON values that go to clients with it. *retry_after* is the number of
    seconds after which a retry makes sense, or None.
    """

    code: ClassVar[int] = 500
    """The HTTP status of responses that report this error."""

    def __init__(self, message: str, *, retry_after: float | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.details = details

    def __str__(self) -> str:
        return self.message


class InvalidInput(BareMetalError):
    """The input is invalid, and a retry with the same input would fail again.

    *message* is a text, or the problems; :attr:`problems` then holds them.
    """

    code = 400

    def __init__(self, message: str | Iterable[Problem], **details: Any) -> None:
        self.problems: tuple[Problem, ...] = () if isinstance(message, str) else tuple(message)
        text = message if isinstance(message, str) else ". ".join(str(problem) for problem in self.problems)
        super().__init__(text, **details)


class NotSupported(BareMetalError):
    """The driver of the node does not offer the requested operation."""

    code = 400


class Forbidden(BareMetalError):
    """The request is valid, and the caller is not allowed to make it."""

    code = 403


class NotFound(BareMetalError):
    """The requested object does not exist."""

    code = 404


class Conflict(BareMetalError):
    """The request is not possible in the current state of the node."""

    code = 409


class NodeLocked(Conflict):
    """Another task holds the lease of the node. The details name its holder, its purpose and its start."""


class Busy(BareMetalError):
    """The service has no capacity for this work now. Retry after *retry_after* seconds."""

    code = 503


class Cancelled(BareMetalError):
    """The task was cancelled and has stopped."""

    code = 409


class DriverError(BareMetalError):
    """A driver could not carry out an operation. Base class of all errors of BMCs."""

    code = 500


class BMCUnreachable(DriverError):
    """The BMC does not answer at its address, or the connection to it broke."""


class RequestUnanswered(BMCUnreachable):
    """The BMC was reached and did not answer this request, or a controller or system behind the BMC did not.

    The runtime counts this against the session and the part behind the BMC that the request was for. Nodes that use the BMC in
    another way are not affected.
    """


class HostUnresolved(BMCUnreachable):
    """The host name of the BMC was not resolved, which says nothing about the BMC."""


class AuthenticationFailed(DriverError):
    """The BMC rejects the credentials. A retry cannot succeed until they are changed."""


class BMCBusy(DriverError):
    """The BMC reports that it cannot answer now."""

    code = 503


class UnexpectedAnswer(DriverError):
    """The response of the BMC violates its protocol, or the driver does not know it."""


class DeadlineExceeded(DriverError):
    """The deadline of the call or of its task has passed."""

    code = 504


class PowerStateFailure(DriverError):
    """The machine did not reach the requested power state. Clients get status 409, as from Ironic."""

    code = 409
