"""What metald costs before it has done anything; the seconds of a start are a measurement, in ``benchmarks``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testtools import TestCase

from tests.app.service import Service

MODULES = 700
MEBIBYTES = 110
HEAVY = frozenset({"alembic", "asyncio", "keystonemiddleware", "oslo_messaging", "rich", "sqlalchemy", "sushy", "tooz"})
"""What is imported by those that need it, and not before."""


class BudgetTest(TestCase):
    """Start-up time and memory."""

    def test_what_serving_needs_is_not_much(self) -> None:
        """An operator who types a command does not wait for imports."""
        imported = _output("import sys, metald.cli, metald.serve; print(*sys.modules)").split()
        self.assertEqual(set(), HEAVY.intersection(imported))
        self.assertLess(len(imported), MODULES)

    def test_the_command_line_alone_imports_nothing_heavy(self) -> None:
        """Help and mistakes are answered without the runtime."""
        program = "import sys, metald.cli; print(*sorted({'baremetal_sdk', 'sqlalchemy', 'rich'} & sys.modules.keys()))"
        self.assertEqual("", _output(program).strip())

    def test_a_service_that_is_ready_is_small(self) -> None:
        """The resident memory of a service with nothing to do, one that has just compiled its modules included."""
        service = self.useFixture(Service())
        status = Path(f"/proc/{service.child.pid}/status").read_text(encoding="ascii")
        resident = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
        self.assertLess(resident, MEBIBYTES)


def _output(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
