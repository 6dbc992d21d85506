"""What metald costs before it has done anything.

Others use the machine, too: it is processor time that is measured, and the best of five that counts.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testtools import TestCase

from tests.app.service import Service

SECONDS = 0.7
MEBIBYTES = 90

_IMPORT = """
import time
begin = time.process_time()
import metald.cli, metald.serve
print(time.process_time() - begin)
"""


class BudgetTest(TestCase):
    """Start-up time and memory."""

    def test_what_serving_needs_is_imported_in_time(self) -> None:
        """An operator who types a command does not wait for imports."""
        seconds = [float(_output(_IMPORT)) for _ in range(5)]
        self.assertLess(min(seconds), SECONDS, seconds)

    def test_the_command_line_alone_imports_nothing_heavy(self) -> None:
        """Help and mistakes are answered without the runtime."""
        program = "import sys, metald.cli; print(*sorted({'baremetal_sdk', 'sqlalchemy', 'rich'} & sys.modules.keys()))"
        self.assertEqual("", _output(program).strip())

    def test_a_service_that_is_ready_is_small(self) -> None:
        """The resident memory of a service with nothing to do."""
        service = self.useFixture(Service())
        status = Path(f"/proc/{service.child.pid}/status").read_text(encoding="ascii")
        resident = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
        self.assertLess(resident, MEBIBYTES)


def _output(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
