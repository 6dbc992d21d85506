"""The soak: its rule of growth, and a short run with a planted leak that it has to find."""

from __future__ import annotations

import io

from testtools import TestCase

from benchmarks.processes import ProcessFigures
from benchmarks.report import Report
from benchmarks.soak.mixed_load import Growth, find_growth, run_soak

SHORT_RUN = Growth(mebibytes=40.0, threads=32.0, descriptors=64.0)
"""Growth that a run of a quarter of a minute may have, because all of it is warm-up."""


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


class TestSoak(TestCase):
    def run_soak(self, *, plant: bool) -> list[str]:
        """Run the soak for a quarter of a minute and return the violations."""
        report = Report("soak", io.StringIO())
        figures = run_soak(0.25, 3, report, allowed=SHORT_RUN, plant=plant)
        self.assertGreater(figures["requests"], 0)
        return report.violations

    def test_a_short_run_keeps_its_promises(self) -> None:
        """No internal error, no unexpected exception, no stuck node, and a clean end."""
        self.assertEqual([], self.run_soak(plant=False))

    def test_a_planted_leak_is_found(self) -> None:
        """A leak of 20 MB per second is a violation, also with the larger growth that a short run may have."""
        self.assertTrue([text for text in self.run_soak(plant=True) if text.startswith("mebibytes grew")])
