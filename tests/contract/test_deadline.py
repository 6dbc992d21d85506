"""Deadlines, on a manual clock."""

from __future__ import annotations

from testtools import TestCase

from baremetal_interfaces import Deadline, DeadlineExceeded


class TestDeadline(TestCase):
    """Deadline"""

    def setUp(self) -> None:
        super().setUp()
        self.now = 100.0
        self.deadline = Deadline.after(10.0, lambda: self.now)

    def test_remaining_time_is_never_negative(self) -> None:
        """remaining() decreases to 0 and stays there."""
        self.assertEqual(10.0, self.deadline.remaining())
        self.now += 4
        self.assertEqual(6.0, self.deadline.remaining())
        self.now += 60
        self.assertEqual(0.0, self.deadline.remaining())

    def test_deadline_expires_at_its_time(self) -> None:
        """check() raises from the deadline on, and the error names the operation."""
        self.deadline.check("a login")
        self.assertFalse(self.deadline.expired)
        self.now += 10
        self.assertTrue(self.deadline.expired)
        error = self.assertRaises(DeadlineExceeded, self.deadline.check, "a login")
        self.assertIn("a login", str(error))

    def test_within_never_extends_a_deadline(self) -> None:
        """within() returns the earlier of two deadlines, on the same clock."""
        self.assertEqual(3.0, self.deadline.within(3.0).remaining())
        self.assertEqual(10.0, self.deadline.within(30.0).remaining())
        shorter = self.deadline.within(3.0)
        self.now += 3
        self.assertTrue(shorter.expired)
