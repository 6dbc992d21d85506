"""Time that survives jumps of the wall clock."""

from __future__ import annotations

from testtools import TestCase

from baremetal_interfaces.steady_time import MAX_CORRECTION_RATE, SteadyTime

HOUR, MONTH = 3600.0, 30 * 86400.0


class SteadyTimeTest(TestCase):
    """Rules for a wall clock that jumps while real time passes."""

    def setUp(self) -> None:
        super().setUp()
        self.jump = self.elapsed = 0.0
        self.start = 1_800_000_000.0
        self.steady = SteadyTime(lambda: self.start + self.elapsed + self.jump, lambda: self.elapsed)

    def test_it_is_the_wall_clock_as_long_as_that_runs_evenly(self) -> None:
        """Without jumps the time is that of the wall clock."""
        for _ in range(10):
            self.elapsed += 7.5
            self.assertAlmostEqual(self.start + self.elapsed, self.steady.read(), places=5)

    def test_a_jump_changes_no_duration(self) -> None:
        """After a jump by hours or months in any direction, durations are wrong by 5 percent at most, and never negative."""
        for jump in (HOUR, -HOUR, MONTH, -12 * MONTH):
            before = self.steady.read()
            self.jump += jump
            self.assertAlmostEqual(before, self.steady.read(), places=5)
            self.elapsed += 60.0
            duration = self.steady.read() - before
            self.assertLessEqual(abs(duration - 60.0), 60.0 * MAX_CORRECTION_RATE + 0.001)

    def test_it_returns_to_the_wall_clock(self) -> None:
        """A jump of a minute is made up within 20 minutes, however often the time is read."""
        self.steady.read()
        self.jump = 60.0
        for _ in range(1200):
            self.elapsed += 1.0
            self.steady.read()
        self.assertAlmostEqual(self.start + self.elapsed + self.jump, self.steady.read(), places=3)
