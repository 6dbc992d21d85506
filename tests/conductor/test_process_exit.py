"""A bounded stop is a bounded end of the process: real processes whose threads, exit hooks or logs block for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from testtools import TestCase

PATIENCE_S = 60.0
_STUCK = """
import atexit, sys, threading
from baremetal_sdk.conductor.process_exit import end_process_within
threading.Thread(target=threading.Event().wait, name="stuck-{kind}", daemon={daemon}).start()
if {daemon}:
    atexit.register(threading.Event().wait)
end_process_within(0.5)
print("main has ended", flush=True)
"""
_HOST = """
import logging, sys
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.config.conductor_sections import ConductorOptions
logging.basicConfig(stream=sys.stderr, level=logging.INFO)
conductor = Conductor(ConductorConfig(host="test", conductor=ConductorOptions(graceful_shutdown_timeout={timeout})))
def ready():
    print("ready", flush=True)
    if {block}:
        logging.info("x" * 1_000_000)
conductor.run(ready=ready)
print("returned", flush=True)
"""


class TestEnd(TestCase):
    def run_script(self, script: str) -> tuple[int, str]:
        """Run a script and return its exit code and its log."""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual("main has ended\n", done.stdout)
        return done.returncode, done.stderr

    def test_a_thread_that_never_ends_is_named_and_left(self) -> None:
        """The exit code tells that a thread was running, and the log has its name."""
        code, log = self.run_script(_STUCK.format(kind="thread", daemon=False))
        self.assertEqual(3, code)
        self.assertIn("stuck-thread", log)

    def test_an_exit_hook_that_never_ends_is_left(self) -> None:
        """The process ends although a library's exit hook waits for ever."""
        code, log = self.run_script(_STUCK.format(kind="hook", daemon=True))
        self.assertEqual(3, code)
        self.assertIn("did not end", log)


class TestBlockedLog(TestCase):
    """A host application whose standard error is a pipe that nobody reads."""

    def start_host(self, timeout: float, *, block: bool) -> subprocess.Popen[str]:
        """Start the host and wait until its conductor is ready. With *block*, the main thread then blocks in a write."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        script = _HOST.format(timeout=timeout, block=block)
        host = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=writer, text=True)
        os.close(writer)
        assert host.stdout is not None
        self.addCleanup(host.stdout.close)
        self.addCleanup(host.wait)
        self.addCleanup(host.kill)
        self.assertEqual("ready\n", host.stdout.readline())
        return host

    def test_a_stop_ends_although_the_main_thread_is_blocked(self) -> None:
        """SIGTERM ends the process a few seconds after its timeout, with the exit code for an unfinished stop."""
        host = self.start_host(1.0, block=True)
        host.send_signal(signal.SIGTERM)
        self.assertEqual(3, host.wait(PATIENCE_S))

    def test_a_second_signal_ends_the_process_at_once(self) -> None:
        """The second SIGTERM works long before the timeout, although the main thread is blocked in a write to the log."""
        host = self.start_host(10 * PATIENCE_S, block=True)
        host.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # two equal signals at the same time are one signal
        host.send_signal(signal.SIGTERM)
        self.assertEqual(128 + signal.SIGTERM, host.wait(PATIENCE_S))

    def test_a_host_that_is_not_blocked_goes_on_after_run(self) -> None:
        """After an orderly stop, the watchdog of the signals ends nothing."""
        host = self.start_host(10.0, block=False)
        host.send_signal(signal.SIGTERM)
        assert host.stdout is not None
        self.assertEqual("returned\n", host.stdout.readline())
        self.assertEqual(0, host.wait(PATIENCE_S))
