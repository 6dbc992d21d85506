"""The examples in the documentation are run."""

from __future__ import annotations

import doctest
from pathlib import Path

from testtools import TestCase

SOURCE = Path(__file__).parent.parent / "doc" / "source"
PAGES = sorted(page for page in SOURCE.rglob("*.rst") if ">>>" in page.read_text(encoding="utf-8"))


class TestExamples(TestCase):
    def test_every_example_does_what_the_page_says(self) -> None:
        """Each example that a page shows with its result has that result."""
        self.assertNotEqual([], PAGES)
        for page in PAGES:
            outcome = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
            self.assertEqual(0, outcome.failed, page)
            self.assertGreater(outcome.attempted, 0, page)
