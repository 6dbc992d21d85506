"""What a simulated BMC raises at its client, as the device library of a real one would."""

from __future__ import annotations


class FakeBMCError(Exception):
    """The simulated BMC did not do what it was asked to do."""


class LoginRefused(FakeBMCError):
    """The account or the password is wrong, or a fault plan says so."""


class SessionExpired(FakeBMCError):
    """The session is not known any more; a new login cures it."""


class NoAnswer(FakeBMCError):
    """Nothing came back in the time that there was, or the connection broke."""


class TryLater(FakeBMCError):
    """The BMC, or its table of sessions, is full."""


class Rejected(FakeBMCError):
    """The BMC understood the command and does not carry it out."""


class Nonsense(FakeBMCError):
    """The BMC answered something that no client can read."""
