"""Errors of the in-process client of a simulated BMC. They stand for those of a device library."""

from __future__ import annotations


class FakeBMCError(Exception):
    """Base of the errors that a client of a simulated BMC raises."""


class LoginRefused(FakeBMCError):
    """Error raised when the BMC refuses the credentials of a login or a command."""


class SessionExpired(FakeBMCError):
    """Error raised when the session has ended. The client must log in again."""


class NoAnswer(FakeBMCError):
    """Error raised when the BMC does not answer before the deadline, or the connection breaks."""


class BMCBusy(FakeBMCError):
    """Error raised when the BMC is busy. The client must try again later."""


class CommandRejected(FakeBMCError):
    """Error raised when the BMC answers a command with an error and does not carry it out."""


class InvalidAnswer(FakeBMCError):
    """Error raised when the client cannot read the answer of the BMC."""
