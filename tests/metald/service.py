"""``metald serve`` as a separate process, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from fixtures import Fixture, TempDir

from metald.client import BareMetalClient
from metald.processes import Child

READY_SECONDS = 60.0


def metald(*arguments: str, seconds: float = 60.0, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``metald`` until it ends, and return its output and exit code."""
    command = [sys.executable, "-m", "metald", *arguments]
    environment = {**os.environ, **(extra or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, check=False)


class Service(Fixture):
    """A service on a free loopback port that stops at the end of the test."""

    def __init__(self, *arguments: str, state: Path | None = None, extra: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.arguments = arguments
        self._state = state
        self._extra = extra
        self.url = ""

    def _setUp(self) -> None:
        self.directory = Path(self.useFixture(TempDir()).path)
        self.state = self._state or self.directory / "state"
        command = [sys.executable, "-m", "metald", "serve", "--port", "0", "--state-dir", str(self.state), *self.arguments]
        self.child = Child("metald", command, self.directory, self._extra)
        self.addCleanup(self.child.stop)
        self.url = self.child.wait_for_line("metald ready: ", READY_SECONDS)

    @cached_property
    def client(self) -> BareMetalClient:
        """A client of the service, if the service speaks HTTP."""
        return BareMetalClient(self.url)

    def wait_for_log(self, text: str, seconds: float = 20.0) -> None:
        """Wait until the log contains *text*. Fail after *seconds*."""
        pause = threading.Event()
        end = time.monotonic() + seconds
        while text not in self.log:
            if time.monotonic() > end:
                raise AssertionError(f"{text!r} is not in the log after {seconds:g} s:\n{self.log}")
            pause.wait(0.05)

    @property
    def log(self) -> str:
        """The standard error and standard output of the service."""
        return self.child.log.read_text(encoding="utf-8")
