"""The import guard against Eventlet and gevent."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from metald.processes import Child
from tests.fixtures.metald_service import READY_SECONDS

_SERVE = """
import atexit, sys
from metald.cli import main

def report():
    print("modules:", *sorted({"eventlet", "gevent"} & sys.modules.keys()))

atexit.register(report)
sys.exit(main(["serve", "--port", "0", "--state-dir", sys.argv[1]]))
"""


class GuardTest(TestCase):
    """metald in an environment with Eventlet and gevent."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        for name in ("eventlet", "gevent"):
            package = self.directory / "site" / name
            package.mkdir(parents=True)
            (package / "__init__.py").write_text("", encoding="utf-8")

    def run_program(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program that can import the packages."""
        whole = f"import sys; sys.path.insert(0, {str(self.directory / 'site')!r})\n{program}"
        return subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, timeout=60, check=False)

    def test_the_packages_can_be_imported_without_the_guard(self) -> None:
        """The test setup makes both packages importable."""
        self.assertEqual(0, self.run_program("import eventlet, gevent").returncode)

    def test_the_guard_refuses_their_import(self) -> None:
        """The import raises ``ImportError`` with the reason, as if the package were not installed."""
        for module in ("eventlet", "gevent", "eventlet.green.socket"):
            ended = self.run_program(f"from metald.import_guard import refuse_imports\nrefuse_imports()\nimport {module}")
            self.assertEqual(1, ended.returncode)
            package = module.partition(".")[0]
            self.assertIn(f"ImportError: cannot import {package}: metald runs on native threads", ended.stderr)

    def test_metald_refuses_to_start_after_their_import(self) -> None:
        """An import before the start of metald cannot be undone, so metald does not start."""
        ended = self.run_program("import eventlet\nfrom metald.cli import main\nsys.exit(main(['serve']))")
        self.assertEqual(1, ended.returncode)
        self.assertIn("eventlet is already imported", ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)

    def test_a_running_service_imports_none_of_them(self) -> None:
        """Neither metald nor its libraries import one of the packages between start and end."""
        program = f"import sys; sys.path.insert(0, {str(self.directory / 'site')!r})\n{_SERVE}"
        child = Child("guarded", [sys.executable, "-u", "-c", program, str(self.directory / "state")], self.directory)
        self.addCleanup(child.stop)
        child.wait_for_line("metald ready: ", READY_SECONDS)
        child.send(signal.SIGTERM)
        self.assertEqual("", child.wait_for_line("modules:", 90.0))
        self.assertEqual(0, child.wait(90.0))
