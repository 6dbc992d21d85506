"""Helper that repeats writes that failed because another writer changed the record first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from baremetal_sdk.errors import RevisionConflict

T = TypeVar("T")
MAX_ATTEMPTS = 20
"""Maximum number of times that an operation runs before its conflict is raised."""
_PAUSE_STEP_S = 0.002
"""Seconds by which the upper bound of the random pause grows with each conflict after the first."""


def retry_on_revision_conflict(operation: Callable[[], T]) -> T:
    """Call *operation*, and call it again after each ``RevisionConflict``. Return its result.

    *operation* reads a record, computes changes from it, and writes them on the condition that the record still has the
    revision that was read. Raises ``RevisionConflict`` if other writers win :data:`MAX_ATTEMPTS` times in a row.
    """
    for conflicts in range(MAX_ATTEMPTS - 1):
        try:
            return operation()
        except RevisionConflict:
            # At once after the first conflict. Several writers of one record then spread out, so that each gets its turn.
            time.sleep(random.uniform(0.0, _PAUSE_STEP_S * conflicts))
    return operation()
