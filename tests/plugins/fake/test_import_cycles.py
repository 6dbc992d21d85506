"""The import graph of baremetal_fake."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import testtools

from tests.sources import all_imports, sources

DISTRIBUTION = "baremetal-fake"


def import_graph(distribution: str) -> dict[str, set[str]]:
    """Return the modules of *distribution* with the modules of the same distribution that each imports.

    Imports inside functions and imports for annotations alone (``if TYPE_CHECKING``) count.
    """
    files = list(sources(distribution))
    modules = {source.module for source in files}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for source in files:
        for _, name in all_imports(source):
            # "package.module.Name" names an object of the module; "package.module" names the module itself.
            imported = name if name in modules else name.rpartition(".")[0]
            if imported in modules:
                graph[source.module].add(imported)
    return graph


class TestImportCycles(testtools.TestCase):
    def test_no_module_imports_itself_through_others(self) -> None:
        """The modules of baremetal_fake have no import cycle, imports for annotations included."""
        graph = import_graph(DISTRIBUTION)
        try:
            list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            self.fail("import cycle: " + " -> ".join(error.args[1]))

    def test_the_graph_includes_the_modules_of_each_service(self) -> None:
        """The graph holds the arrows between the modules that once formed cycles."""
        graph = import_graph(DISTRIBUTION)
        self.assertIn("baremetal_fake.ipmi.commands", graph["baremetal_fake.ipmi.bmc"])
        self.assertIn("baremetal_fake.ipmi.event_log", graph["baremetal_fake.ipmi.commands"])
        self.assertIn("baremetal_fake.redfish.exchange", graph["baremetal_fake.redfish.routing"])
        self.assertIn("baremetal_fake.redfish.task_table", graph["baremetal_fake.redfish.exchange"])
