"""The soak: its rule of growth, and a short run with a planted leak that it has to find."""

from __future__ import annotations

from testtools import TestCase

from benchmarks.processes import ProcessFigures
from benchmarks.soak.mixed_load import Growth, find_growth


class TestGrowth(TestCase):
    def test_a_warm_up_and_short_peaks_are_no_growth(self) -> None:
        """The first third does not count, and peaks do not change a median."""
        memory = [10.0 * number for number in range(10)] + [100.0, 150.0] * 1 + [100.0] * 17 + [150.0]
        samples = [ProcessFigures(value, 10, 20) for value in memory]
        self.assertEqual([], find_growth(samples, Growth())[1])

    def test_each_figure_that_grows_is_named(self) -> None:
        """A leak of descriptors, threads or memory is found."""
        samples = [ProcessFigures(100.0 + number, 10 + number, 20 + number) for number in range(90)]
        grown = find_growth(samples, Growth())[1]
        self.assertEqual(["mebibytes", "threads", "descriptors"], [text.split()[0] for text in grown])
