"""The import graph of baremetal_fake."""

from __future__ import annotations

import testtools

from tests.import_graph import build_import_graph, find_import_cycle
from tests.sources import sources

DISTRIBUTION = "baremetal-fake"


class TestImportCycles(testtools.TestCase):
    def test_no_module_imports_itself_through_others(self) -> None:
        """The modules of baremetal_fake have no import cycle, imports for annotations included."""
        graph = build_import_graph(sources(DISTRIBUTION))
        self.assertEqual([], find_import_cycle(graph))

    def test_the_graph_includes_the_modules_of_each_service(self) -> None:
        """The graph holds the arrows between the modules that once formed cycles."""
        graph = build_import_graph(sources(DISTRIBUTION))
        self.assertIn("baremetal_fake.ipmi.commands", graph["baremetal_fake.ipmi.bmc"])
        self.assertIn("baremetal_fake.ipmi.event_log", graph["baremetal_fake.ipmi.commands"])
        self.assertIn("baremetal_fake.redfish.exchange", graph["baremetal_fake.redfish.routing"])
        self.assertIn("baremetal_fake.redfish.task_table", graph["baremetal_fake.redfish.exchange"])
