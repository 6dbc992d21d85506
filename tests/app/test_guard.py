"""Nothing that patches threads gets into the process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from metald.processes import Child
from tests.app.service import READY_SECONDS

_SERVE = """
import atexit, sys
from metald.cli import main

def tell():
    print("modules:", *sorted({"eventlet", "gevent"} & sys.modules.keys()))

atexit.register(tell)
sys.exit(main(["serve", "--port", "0", "--state-dir", sys.argv[1]]))
"""


class GuardTest(TestCase):
    """metald in an environment in which Eventlet and gevent are installed."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        for name in ("eventlet", "gevent"):
            package = self.directory / "site" / name
            package.mkdir(parents=True)
            (package / "__init__.py").write_text("", encoding="utf-8")

    def run_with_them(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program that could import them."""
        whole = f"import sys; sys.path.insert(0, {str(self.directory / 'site')!r})\n{program}"
        return subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, timeout=60, check=False)

    def test_they_can_be_imported_without_the_guard(self) -> None:
        """The packages of this test are there to be found."""
        self.assertEqual(0, self.run_with_them("import eventlet, gevent").returncode)

    def test_their_import_is_refused(self) -> None:
        """Whoever tries gets an ImportError that says why, as if the package were not installed."""
        for module in ("eventlet", "gevent", "eventlet.green.socket"):
            ended = self.run_with_them(f"from metald.guard import refuse\nrefuse()\nimport {module}")
            self.assertEqual(1, ended.returncode)
            self.assertIn("ImportError: metald runs on native threads", ended.stderr)

    def test_a_process_that_has_them_already_is_told_so(self) -> None:
        """What was imported before cannot be taken back: metald does not start."""
        ended = self.run_with_them("import eventlet\nfrom metald.cli import main\nsys.exit(main(['serve']))")
        self.assertEqual(1, ended.returncode)
        self.assertIn("eventlet was imported before", ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)

    def test_a_running_service_has_none_of_them(self) -> None:
        """From its start to its end, no part of metald, nor of what it uses, has imported one of them."""
        program = f"import sys; sys.path.insert(0, {str(self.directory / 'site')!r})\n{_SERVE}"
        child = Child("guarded", [sys.executable, "-u", "-c", program, str(self.directory / "state")], self.directory)
        self.addCleanup(child.stop)
        child.wait_for_line("metald ready: ", READY_SECONDS)
        child.send(signal.SIGTERM)
        self.assertEqual("", child.wait_for_line("modules:", 90.0))
        self.assertEqual(0, child.wait(90.0))
