"""Retry of writes that are conditional on the revision of a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from baremetal_sdk.errors import RevisionConflict

T = TypeVar("T")
MAX_ATTEMPTS = 5
"""How often an operation runs before its conflict is reported."""


def retry_on_revision_conflict(operation: Callable[[], T]) -> T:
    """Call *operation* until it succeeds without a conflict, and return its result.

    *operation* reads a record, computes changes from it, and writes them on the condition that the record still has the
    revision that was read. Raises ``RevisionConflict`` if other writers win :data:`MAX_ATTEMPTS` times in a row.
    """
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return operation()
        except RevisionConflict:
            continue
    return operation()
