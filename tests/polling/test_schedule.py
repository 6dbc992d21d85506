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

    def test_what_is_taken_is_given_to_nobody_else_until_it_is_due_again(self) -> None:
        """Not even after its interval: whoever has it says when."""
        self.clock.turn(60)
        self.assertEqual(["a", "b"], sorted(self.schedule.take_due()))
        self.clock.turn(100)
        self.assertEqual([], self.schedule.take_due())
        self.schedule.again("a")
        self.clock.turn(67)
        self.assertEqual(["a"], self.schedule.take_due())

    def test_the_backlog_counts_what_is_due(self) -> None:
        """And what is overdue longest says for how long."""
        self.assertEqual((0, 0.0), (self.schedule.backlog(), self.schedule.overdue()))
        self.clock.turn(70)
        self.assertEqual(2, self.schedule.backlog())
        self.assertTrue(10 <= self.schedule.overdue() <= 70)

    def test_what_was_dropped_while_it_was_taken_stays_so(self) -> None:
        """A node that is deleted during its observation does not come back."""
        self.clock.turn(60)
        self.schedule.take_due()
        self.schedule.keep(["b"])
        self.schedule.again("a", 0.0)
        self.schedule.again("b", 0.0)
        self.assertEqual(["b"], self.schedule.take_due())
