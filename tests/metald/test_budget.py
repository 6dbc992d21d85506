"""Modules and memory of an idle metald. ``benchmarks`` measures its start-up time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testtools import TestCase

from tests.fixtures.metald_service import Service

MAX_MODULES = 720
MAX_RESIDENT_MIB = 110
HEAVY = frozenset({"alembic", "asyncio", "keystonemiddleware", "oslo_messaging", "rich", "sqlalchemy", "sushy", "tooz"})
"""Modules that only the features that need them may import."""


class BudgetTest(TestCase):
    """Limits on imported modules and memory."""

    def test_serve_imports_few_modules(self) -> None:
        """``metald serve`` imports a limited number of modules and none of the heavy ones."""
        imported = _output("import sys, metald.cli, metald.serve; print(*sys.modules)").split()
        self.assertEqual(set(), HEAVY.intersection(imported))
        self.assertLess(len(imported), MAX_MODULES)

    def test_the_command_line_imports_nothing_heavy(self) -> None:
        """Help and usage errors need no import of the runtime."""
        program = "import sys, metald.cli; print(*sorted({'baremetal_sdk', 'sqlalchemy', 'rich'} & sys.modules.keys()))"
        self.assertEqual("", _output(program).strip())

    def test_a_ready_service_is_small(self) -> None:
        """The resident memory of an idle service stays below the limit, even if it has just compiled its modules."""
        service = self.useFixture(Service())
        status = Path(f"/proc/{service.child.pid}/status").read_text(encoding="ascii")
        resident = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
        self.assertLess(resident, MAX_RESIDENT_MIB)


def _output(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
