"""Errors of logins, sessions and commands at a BMC, one class for each kind of failure."""

from __future__ import annotations


class IPMIError(Exception):
    """Base class of the errors of a BMC. The message contains no secrets."""


class LoginRefused(IPMIError):
    """The BMC refused the account, its password or its key, or did not prove that it knows the password."""


class LevelRefused(IPMIError):
    """The BMC does not grant the privilege level that the login asked for. It did not refuse the account."""


class SuiteRefused(IPMIError):
    """The BMC does not accept a cipher suite that this login may use."""


class NoAnswer(IPMIError):
    """Nothing answers at the address of the BMC."""


class CommandUnanswered(IPMIError):
    """The BMC was reached before and did not answer this message, or a controller behind it did not.

    A command may have been carried out.
    """


class TargetUnanswered(CommandUnanswered):
    """The BMC has forwarded a command to a controller behind it, and the controller did not answer. The session stays valid."""


class SessionLost(IPMIError):
    """The session has ended, and the command was not sent. The caller has to log in again."""


class BMCFull(IPMIError):
    """The BMC temporarily has no capacity for another session or command."""


class CommandRefused(IPMIError):
    """The BMC refused a command; *code* is the completion code (IPMI 2.0, table 5-2)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
