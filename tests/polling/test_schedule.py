"""Each key of a schedule is due once per interval."""

from __future__ import annotations

from testtools import TestCase

from baremetal_sdk.polling.schedule import Schedule
from baremetal_sdk.testing import ManualClock


class TestSchedule(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.schedule = Schedule(60.0, self.clock)
        self.schedule.keep(["a", "b"])

    def test_a_taken_key_is_not_due_until_it_is_rescheduled(self) -> None:
        """A taken key is not due again, not even after its interval, until the caller reschedules it."""
        self.clock.turn(60)
        self.assertEqual(["a", "b"], sorted(self.schedule.take_due()))
        self.clock.turn(100)
        self.assertEqual([], self.schedule.take_due())
        self.schedule.again("a")
        self.clock.turn(67)
        self.assertEqual(["a"], self.schedule.take_due())

    def test_the_backlog_counts_due_keys(self) -> None:
        """``backlog`` counts the due keys, and ``overdue`` returns the age of the oldest."""
        self.assertEqual((0, 0.0), (self.schedule.backlog(), self.schedule.overdue()))
        self.clock.turn(70)
        self.assertEqual(2, self.schedule.backlog())
        self.assertTrue(10 <= self.schedule.overdue() <= 70)

    def test_a_key_that_is_dropped_while_taken_stays_dropped(self) -> None:
        """A node that is deleted during its poll does not return to the schedule."""
        self.clock.turn(60)
        self.schedule.take_due()
        self.schedule.keep(["b"])
        self.schedule.again("a", 0.0)
        self.schedule.again("b", 0.0)
        self.assertEqual(["b"], self.schedule.take_due())
