"""Imports within the ipmi plugin."""

from __future__ import annotations

from testtools import TestCase

from tests.import_graph import build_import_graph, find_import_cycle
from tests.sources import sources


class TestImportCycles(TestCase):
    """Modules can be read in an order in which each needs only those before it."""

    def test_no_import_cycle(self) -> None:
        """No module imports itself through others, type annotations included."""
        graph = build_import_graph(sources("baremetal-ipmi"))
        self.assertGreater(len(graph), 10)
        self.assertEqual([], find_import_cycle(graph))
