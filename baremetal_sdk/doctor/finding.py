"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works, and something may go wrong under load or after a change."""
    FAIL = "fail"
    """Something does not work."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its name, how bad it is, what was found, and what to do about it."""

    name: str
    outcome: Outcome
    what: str
    remedy: str = ""


def ok(name: str, what: str) -> Finding:
    """Nothing is wrong."""
    return Finding(name, Outcome.OK, what)


def warn(name: str, what: str, remedy: str) -> Finding:
    """Something may go wrong."""
    return Finding(name, Outcome.WARN, what, remedy)


def fail(name: str, what: str, remedy: str) -> Finding:
    """Something does not work."""
    return Finding(name, Outcome.FAIL, what, remedy)
