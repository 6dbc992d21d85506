"""Child processes of the demonstration."""

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
    """A process that is started, watched and stopped."""

    def start(self, program: str) -> Child:
        """Run a Python program."""
        directory = Path(self.useFixture(TempDir()).path)
        child = Child("program", [sys.executable, "-u", "-c", program], directory)
        self.addCleanup(child.stop)
        return child

    def test_the_rest_of_its_ready_line_is_given_back(self) -> None:
        """Lines before it are passed over."""
        child = self.start("print('hello'); print('ready: http://here'); input()")
        self.assertEqual("http://here", child.wait_for_line("ready: ", 30.0))

    def test_its_last_words_are_in_the_error_when_it_ends_early(self) -> None:
        """Who starts something that does not start is told why."""
        child = self.start("import sys; sys.exit('no room left')")
        with self.assertRaisesRegex(ChildFailed, r"(?s)exit code 1.*no room left"):
            child.wait_for_line("ready: ", 30.0)

    def test_waiting_for_it_is_bounded(self) -> None:
        """A process that says nothing is an error after the time that it was given."""
        child = self.start("import signal; signal.pause()")
        with self.assertRaisesRegex(ChildFailed, "not ready within 0.1 s"):
            child.wait_for_line("ready: ", 0.1)

    def test_a_process_that_will_not_end_is_killed_with_its_children(self) -> None:
        """After the time that it was given, nothing of it is left."""
        child = self.start(
            "import signal, subprocess, sys\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "grandchild = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
            "print('ready:', grandchild.pid)\n"
            "signal.pause()\n"
        )
        grandchild = int(child.wait_for_line("ready: ", 30.0))
        watched = os.pidfd_open(grandchild)
        self.addCleanup(os.close, watched)
        self.assertEqual(-signal.SIGKILL, child.stop(seconds=0.1))
        ended, _, _ = select.select([watched], [], [], 10.0)
        self.assertEqual([watched], ended)

    def test_stopping_what_has_ended_changes_nothing(self) -> None:
        """The exit code stays what it was."""
        child = self.start("raise SystemExit(3)")
        self.assertRaises(ChildFailed, child.wait_for_line, "ready: ", 30.0)
        self.assertEqual(3, child.stop())
        self.assertEqual(3, child.stop())
