"""Child processes of metald."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from metald.processes import Child, ChildFailed


class ChildTest(TestCase):
    """Start, ready line and stop of a process."""

    def start(self, program: str) -> Child:
        """Run a Python program."""
        directory = Path(self.useFixture(TempDir()).path)
        child = Child("program", [sys.executable, "-u", "-c", program], directory)
        self.addCleanup(child.stop)
        return child

    def test_the_rest_of_the_ready_line_is_returned(self) -> None:
        """Lines before the ready line are skipped."""
        child = self.start("print('hello'); print('ready: http://here'); input()")
        self.assertEqual("http://here", child.wait_for_line("ready: ", 30.0))

    def test_the_error_of_an_early_end_contains_the_output(self) -> None:
        """If the process ends before its ready line, the error has the exit code and the last lines of output."""
        child = self.start("import sys; sys.exit('no room left')")
        with self.assertRaisesRegex(ChildFailed, r"(?s)exit code 1.*no room left"):
            child.wait_for_line("ready: ", 30.0)

    def test_the_wait_for_the_ready_line_is_bounded(self) -> None:
        """A process without output is an error after the timeout."""
        child = self.start("import signal; signal.pause()")
        with self.assertRaisesRegex(ChildFailed, "not ready within 0.1 s"):
            child.wait_for_line("ready: ", 0.1)

    def test_a_process_that_ignores_sigterm_is_killed_with_its_children(self) -> None:
        """After the timeout the whole session of the process is killed."""
        child = self.start(
            "import signal, subprocess, sys\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "grandchild = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
            "print('ready:', grandchild.pid)\n"
            "signal.pause()\n"
        )
        grandchild = int(child.wait_for_line("ready: ", 30.0))
        descriptor = os.pidfd_open(grandchild)
        self.addCleanup(os.close, descriptor)
        self.assertEqual(-signal.SIGKILL, child.stop(seconds=0.1))
        ended, _, _ = select.select([descriptor], [], [], 10.0)
        self.assertEqual([descriptor], ended)

    def test_stop_after_the_end_returns_the_same_exit_code(self) -> None:
        """The exit code does not change."""
        child = self.start("raise SystemExit(3)")
        self.assertRaises(ChildFailed, child.wait_for_line, "ready: ", 30.0)
        self.assertEqual(3, child.stop())
        self.assertEqual(3, child.stop())
