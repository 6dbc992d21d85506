"""Imports of the store package stay light."""

from __future__ import annotations

import subprocess
import sys

from testtools import TestCase

from baremetal_sdk import store

HEAVY = {"sqlalchemy", "alembic", "cryptography"}
_CODE = "import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"


def imported_packages(module: str) -> set[str]:
    """Return the top-level packages that an interpreter has loaded after the import of *module*."""
    code = _CODE.format(module=module)
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


class TestImports(TestCase):
    def test_protocol_and_records_import_nothing_heavy(self) -> None:
        """The import of the protocol, of the records or of the store in memory loads no database toolkit and no cryptography."""
        for module in ("store", "store.protocol", "store.records.kinds", "store.memory.store", "store.factory"):
            self.assertEqual(set(), HEAVY & imported_packages(f"baremetal_sdk.{module}"), module)

    def test_public_names_are_found(self) -> None:
        """Each public name of the package can be imported from it."""
        for name in store.__all__:
            self.assertIsNotNone(getattr(store, name), name)
