"""Helper that repeats writes that failed because another writer changed the record first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from baremetal_sdk.errors import RevisionConflict

T = TypeVar("T")
MAX_ATTEMPTS = 5
"""Maximum number of times that an operation runs before its conflict is raised."""


def retry_on_revision_conflict(operation: Callable[[], T]) -> T:
    """Call *operation*, and call it again after each ``RevisionConflict``. Return its result.

    *operation* reads a record, computes changes from it, and writes them on the condition that the record still has the
    revision that was read. Raises ``RevisionConflict`` if other writers win :data:`MAX_ATTEMPTS` times in a row.
    """
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return operation()
        except RevisionConflict:
            continue
    return operation()
