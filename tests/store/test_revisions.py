"""The retry of writes that are conditional on a revision."""

from __future__ import annotations

from collections.abc import Callable

from testtools import TestCase

from baremetal_sdk.errors import InvalidState, RevisionConflict
from baremetal_sdk.store.revisions import MAX_ATTEMPTS, retry_on_revision_conflict


def conflict_times(conflicts: int, calls: list[int]) -> Callable[[], str]:
    """Return an operation that fails *conflicts* times with a conflict, and adds each call to *calls*."""

    def operation() -> str:
        calls.append(len(calls))
        if len(calls) <= conflicts:
            raise RevisionConflict("the record has another revision")
        return "written"

    return operation


class TestRetry(TestCase):
    def test_conflict_is_retried(self) -> None:
        """An operation runs again after each conflict, and its result is returned."""
        calls: list[int] = []
        self.assertEqual("written", retry_on_revision_conflict(conflict_times(MAX_ATTEMPTS - 1, calls)))
        self.assertEqual(MAX_ATTEMPTS, len(calls))

    def test_conflict_is_raised_after_the_last_attempt(self) -> None:
        """After MAX_ATTEMPTS conflicts in a row, the conflict is raised."""
        calls: list[int] = []
        self.assertRaises(RevisionConflict, retry_on_revision_conflict, conflict_times(MAX_ATTEMPTS, calls))
        self.assertEqual(MAX_ATTEMPTS, len(calls))

    def test_other_errors_are_not_retried(self) -> None:
        """An error that is no conflict is raised at once."""
        calls: list[int] = []

        def fail() -> None:
            calls.append(1)
            raise InvalidState("the state forbids the change")

        self.assertRaises(InvalidState, retry_on_revision_conflict, fail)
        self.assertEqual([1], calls)
