"""How a check ends."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Violation(AssertionError):
    """A rule is broken. The message says by what, and what the contract asks for."""


class NotOffered(Exception):
    """The plugin has nothing that the rule is about. The message says what is not offered."""


class Verdict(StrEnum):
    """What a check found."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_OFFERED = "not offered"


class Result(NamedTuple):
    """The *verdict* on one rule; *detail* says why it is not "passed"."""

    name: str
    rule: str
    verdict: Verdict
    detail: str = ""


def demand(condition: object, broken: str) -> None:
    """Raise :class:`Violation` with what is *broken* unless the *condition* holds."""
    if not condition:
        raise Violation(broken)
