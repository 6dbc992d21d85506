"""Imports of the contract: standard library only, light, and without cycles."""

from __future__ import annotations

import ast
import subprocess
import sys

from testtools import TestCase

import baremetal_interfaces
from baremetal_interfaces.exports import MODULES
from tests import sources
from tests.import_graph import build_import_graph, find_import_cycle

PROGRAM = """
import sys
before = set(sys.modules)
import baremetal_interfaces
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(name for name in new if name not in sys.stdlib_module_names and name != "baremetal_interfaces"))
print(sorted(name for name in ("ssl", "http", "socket", "asyncio", "testtools") if name in set(sys.modules) - before))
"""


PLUGIN = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""
"""Program that imports all modules of a plugin and prints the loaded top-level packages."""

RUNTIME = {"alembic", "baremetal_sdk", "cheroot", "eventlet", "futurist", "metald", "sqlalchemy", "testtools", "webob"}
"""Packages that a plugin must not load."""


class TestImportCycles(TestCase):
    """Imports between the modules of the contract."""

    def test_contract_has_no_import_cycle(self) -> None:
        """No module of the contract imports itself through others, type annotations included."""
        graph = build_import_graph(sources.sources("baremetal-interfaces"))
        self.assertGreater(len(graph), 50)
        self.assertEqual([], find_import_cycle(graph))

    def test_type_annotations_count(self) -> None:
        """A cycle through an import under TYPE_CHECKING or inside a function is found."""
        graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
        self.assertEqual({"a", "b", "c"}, set(find_import_cycle(graph)))
        imported = build_import_graph(sources.sources("baremetal-interfaces"))
        self.assertIn("baremetal_interfaces.task", imported["baremetal_interfaces.interface"])
        self.assertIn("baremetal_interfaces.http.tls", imported["baremetal_interfaces.local"])


class TestImports(TestCase):
    """Modules that an import of the contract or of a plugin loads."""

    def test_import_loads_only_light_standard_modules(self) -> None:
        """The import of the contract loads no third-party module, no TLS, no network and no test library."""
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual("[]\n[]\n", done.stdout, done.stderr)

    def test_all_public_names_load_only_light_standard_modules(self) -> None:
        """The import of all public names loads no third-party module, no TLS and no network."""
        everything = PROGRAM.replace("import baremetal_interfaces\n", "from baremetal_interfaces import *\n")
        self.assertNotEqual(PROGRAM, everything)
        done = subprocess.run([sys.executable, "-c", everything], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual("[]\n[]\n", done.stdout, done.stderr)

    def test_plugin_loads_no_part_of_the_runtime(self) -> None:
        """All modules of each plugin together load neither the runtime nor its dependencies."""
        for plugin in ("baremetal_fake", "baremetal_redfish", "baremetal_ipmi"):
            command = [sys.executable, "-c", PLUGIN, plugin]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            loaded = set(ast.literal_eval(done.stdout or "[]"))
            self.assertIn("baremetal_interfaces", loaded, done.stderr)
            self.assertEqual(set(), loaded & RUNTIME, plugin)
            self.assertEqual(set(), {name for name in loaded if name.startswith("oslo")}, plugin)

    def test_lazy_exports_match_the_public_names(self) -> None:
        """Each name of ``__all__`` is in the table of exports and can be imported; other names raise AttributeError."""
        named = {name for names in MODULES.values() for name in names}
        self.assertEqual(sorted(baremetal_interfaces.__all__), sorted(named))
        for name in named:
            self.assertIsNotNone(getattr(baremetal_interfaces, name))
        self.assertFalse(hasattr(baremetal_interfaces, "NoSuchInterface"))
