"""Findings: the results of the checks of an examination."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARN = "warn"
    """The examined thing works, but may fail under load or after a change."""
    FAIL = "fail"
    """The examined thing does not work."""


@dataclass(frozen=True)
class Finding:
    """Result of one check: its name, severity, description, and remedy (empty if nothing is wrong)."""

    name: str
    outcome: Outcome
    what: str
    remedy: str = ""


def ok(name: str, what: str) -> Finding:
    """Return a finding of the check *name* without a problem. *what* describes the state."""
    return Finding(name, Outcome.OK, what)


def warn(name: str, what: str, remedy: str) -> Finding:
    """Return a finding of the check *name* about a possible problem, with its remedy."""
    return Finding(name, Outcome.WARN, what, remedy)


def fail(name: str, what: str, remedy: str) -> Finding:
    """Return a finding of the check *name* about a thing that does not work, with its remedy."""
    return Finding(name, Outcome.FAIL, what, remedy)
