"""Deadlines, on a clock that is turned by hand."""

from __future__ import annotations

from testtools import TestCase

from baremetal_interfaces import Deadline, DeadlineExceeded


class TestDeadline(TestCase):
    """A point in time by which work has to be over."""

    def setUp(self) -> None:
        super().setUp()
        self.now = 100.0
        self.deadline = Deadline.after(10.0, lambda: self.now)

    def test_what_remains_shrinks_to_zero_and_stays_there(self) -> None:
        """Nobody is told to wait for a negative time."""
        self.assertEqual(10.0, self.deadline.remaining())
        self.now += 4
        self.assertEqual(6.0, self.deadline.remaining())
        self.now += 60
        self.assertEqual(0.0, self.deadline.remaining())

    def test_it_has_expired_at_the_very_moment(self) -> None:
        """check() raises from then on, and says what was going on."""
        self.deadline.check("a login")
        self.assertFalse(self.deadline.expired)
        self.now += 10
        self.assertTrue(self.deadline.expired)
        error = self.assertRaises(DeadlineExceeded, self.deadline.check, "a login")
        self.assertIn("a login", str(error))

    def test_a_part_never_ends_after_the_whole(self) -> None:
        """within() takes whichever comes first, on the same clock."""
        self.assertEqual(3.0, self.deadline.within(3.0).remaining())
        self.assertEqual(10.0, self.deadline.within(30.0).remaining())
        part = self.deadline.within(3.0)
        self.now += 3
        self.assertTrue(part.expired)
