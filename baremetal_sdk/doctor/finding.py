"""Results of an examination."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARN = "warn"
    """It works, but it may fail under load or after a change."""
    FAIL = "fail"
    """Something does not work."""


@dataclass(frozen=True)
class Finding:
    """Result of one check: its name, severity, description, and remedy (empty if nothing is wrong)."""

    name: str
    outcome: Outcome
    what: str
    remedy: str = ""


def ok(name: str, what: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(name, Outcome.OK, what)


def warn(name: str, what: str, remedy: str) -> Finding:
    """Return a finding about a possible problem."""
    return Finding(name, Outcome.WARN, what, remedy)


def fail(name: str, what: str, remedy: str) -> Finding:
    """Return a finding about something that does not work."""
    return Finding(name, Outcome.FAIL, what, remedy)
