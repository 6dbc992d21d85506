"""Short runs of the soak, also with a planted leak that it has to find."""

from __future__ import annotations

import io

from testtools import TestCase

from benchmarks.report import Report
from benchmarks.soak.mixed_load import Growth, run_soak

SHORT_RUN = Growth(mebibytes=40.0, threads=32.0, descriptors=64.0)
"""Growth that a run of a quarter of a minute may have, because all of it is warm-up."""


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
