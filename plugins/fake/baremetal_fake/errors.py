"""Errors that the in-process client of a simulated BMC raises, as the device library of a real BMC would."""

from __future__ import annotations


class FakeBMCError(Exception):
    """Base of the errors of a simulated BMC."""


class LoginRefused(FakeBMCError):
    """Error of a login with wrong credentials, or with a fault of effect ``auth``."""


class SessionExpired(FakeBMCError):
    """Error of a session that has ended. The client has to log in again."""


class NoAnswer(FakeBMCError):
    """Error of a request without an answer before the deadline, or whose connection broke."""


class BMCBusy(FakeBMCError):
    """Error of a BMC that is busy, or whose table of sessions is full. The client has to try again later."""


class CommandRejected(FakeBMCError):
    """Error of a command that the BMC understood but did not carry out."""


class InvalidAnswer(FakeBMCError):
    """Error of an answer that a client cannot read."""
