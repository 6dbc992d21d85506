"""Outcomes of the conformance kit's checks: verdicts, results, and the exceptions that rules raise."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Violation(AssertionError):
    """A rule is broken. The message names the violation and the requirement of the contract."""


class NotOffered(Exception):
    """The rule cannot be checked, because the plugin does not offer its subject. The message says what is missing."""


class Verdict(StrEnum):
    """The possible outcomes of the check of one rule."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_OFFERED = "not offered"


class Result(NamedTuple):
    """The *verdict* on the rule *name*. *rule* is its sentence; *detail* is the reason for any verdict but "passed"."""

    name: str
    rule: str
    verdict: Verdict
    detail: str = ""


def demand(condition: object, broken: str) -> None:
    """Raise :class:`Violation` with the message *broken* unless *condition* is true."""
    if not condition:
        raise Violation(broken)
