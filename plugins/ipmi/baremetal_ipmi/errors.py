"""What can go wrong at a BMC, told apart by what it means."""

from __future__ import annotations


class IPMIError(Exception):
    """Anything that goes wrong at a BMC. No message holds a secret."""


class LoginRefused(IPMIError):
    """The BMC does not accept the account, its password or its key, or the BMC does not know the password itself."""


class NoAnswer(IPMIError):
    """Nothing came back in time."""


class SessionLost(IPMIError):
    """The session has ended; a new login may cure it."""


class BMCFull(IPMIError):
    """The BMC has no room for one more session or command now."""


class CommandRefused(IPMIError):
    """The BMC took a command and said no; *code* is the completion code (IPMI 2.0, table 5-2)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
