"""The examples on the pages of the documentation work."""

from __future__ import annotations

import doctest
from pathlib import Path

from testtools import TestCase

SOURCE = Path(__file__).parent.parent / "doc" / "source"
PAGES = sorted(page for page in SOURCE.rglob("*.rst") if ">>>" in page.read_text(encoding="utf-8"))


class TestExamples(TestCase):
    """Examples with ``>>>``."""

    def test_every_example_has_the_result_that_the_page_shows(self) -> None:
        """Each example has the result that the page shows."""
        self.assertNotEqual([], PAGES)
        for page in PAGES:
            result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
            self.assertEqual(0, result.failed, page)
            self.assertGreater(result.attempted, 0, page)
