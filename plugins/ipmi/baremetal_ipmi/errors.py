"""Errors of a BMC, one class for each kind of failure."""

from __future__ import annotations


class IPMIError(Exception):
    """Failure at a BMC. The message contains no secrets."""


class LoginRefused(IPMIError):
    """The BMC refused the account, its password or its key, or did not prove that it knows the password."""


class NoAnswer(IPMIError):
    """The BMC did not answer in time."""


class SessionLost(IPMIError):
    """The session has ended; the caller has to log in again."""


class BMCFull(IPMIError):
    """The BMC temporarily has no capacity for another session or command."""


class CommandRefused(IPMIError):
    """The BMC refused a command; *code* is the completion code (IPMI 2.0, table 5-2)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
