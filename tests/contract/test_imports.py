"""The contract costs nothing but the standard library."""

from __future__ import annotations

import subprocess
import sys

from testtools import TestCase

import baremetal_interfaces
from baremetal_interfaces.exports import MODULES

PROGRAM = """
import sys
before = set(sys.modules)
import baremetal_interfaces
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(name for name in new if name not in sys.stdlib_module_names and name != "baremetal_interfaces"))
print(sorted(name for name in ("ssl", "http", "socket", "asyncio", "testtools") if name in set(sys.modules) - before))
"""


class TestImports(TestCase):
    """Importing is cheap."""

    def test_only_the_standard_library_is_loaded_and_nothing_heavy_of_it(self) -> None:
        """A fresh interpreter that imports the contract loads no third-party module, no TLS, no network and no test library."""
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual("[]\n[]\n", done.stdout, done.stderr)

    def test_public_names_are_there_and_no_others(self) -> None:
        """Each is found when it is asked for, from the module that the table names; anything else is an AttributeError."""
        named = {name for names in MODULES.values() for name in names}
        self.assertEqual(sorted(baremetal_interfaces.__all__), sorted(named))
        for name in named:
            self.assertIsNotNone(getattr(baremetal_interfaces, name))
        self.assertFalse(hasattr(baremetal_interfaces, "NoSuchInterface"))
