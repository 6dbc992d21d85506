"""Lazy names of packages: the table, the annotations and ``__all__`` agree."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys

from testtools import TestCase

from tests import sources
from tests.sources import Source


def _lazy_packages() -> list[Source]:
    packages = (source for source in sources.sources("baremetal-sdk") if source.path.name == "__init__.py")
    return [source for source in packages if "lazy_exports" in source.text]


def _typed_names(source: Source) -> set[tuple[str, str]]:
    """Module and name of each import under ``if TYPE_CHECKING``."""
    blocks = [node for node in source.tree.body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {(str(node.module), alias.name) for node in imports for alias in node.names}


def _lazy_names(source: Source) -> set[tuple[str, str]]:
    """Module and name of each entry in the table that is given to ``lazy_exports``."""
    calls = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_exports"]
    table = ast.literal_eval(calls[0].args[1])
    return {(f"{source.module}.{module}", name) for module, names in table.items() for name in names}


class TestLazyExports(TestCase):
    def test_lazy_names_equal_the_names_for_type_checkers(self) -> None:
        """A type checker and the interpreter find the same names in the same modules."""
        packages = _lazy_packages()
        self.assertNotEqual([], packages)
        for source in packages:
            self.assertEqual(_typed_names(source), _lazy_names(source), source.shown)

    def test_lazy_names_are_public(self) -> None:
        """``__all__`` lists exactly the lazy names."""
        for source in _lazy_packages():
            names = {name for _, name in _lazy_names(source)}
            self.assertEqual(names, set(importlib.import_module(source.module).__all__), source.shown)

    def test_unknown_names_raise_attribute_error(self) -> None:
        """A name that a package does not offer is an ``AttributeError`` that names package and name."""
        for source in _lazy_packages():
            package = importlib.import_module(source.module)
            error = self.assertRaises(AttributeError, getattr, package, "absent_name")
            self.assertIn(source.module, str(error))
            self.assertIn("absent_name", str(error))

    def test_importing_the_runtime_imports_nothing_heavy(self) -> None:
        """``import baremetal_sdk`` loads no third-party package."""
        code = "import sys, baremetal_sdk; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(set(), {"oslo_config", "webob", "sqlalchemy", "stevedore", "cheroot"} & set(loaded))

    def test_importing_the_server_does_not_import_the_api(self) -> None:
        """``import baremetal_sdk.api.server`` loads no resource of the API, so that hosts can serve another application."""
        code = "import sys, baremetal_sdk.api.server; print(*(m for m in sys.modules if m.startswith('baremetal_sdk.api.')))"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(["baremetal_sdk.api.server"], loaded)
