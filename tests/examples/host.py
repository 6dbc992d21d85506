"""Fixture that runs an example of the documentation in a separate process with a separate database."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fixtures import Fixture, TempDir

from baremetal_sdk.store.factory import open_store
from baremetal_sdk.store.protocol import Store
from metald.client import BareMetalClient
from metald.processes import Child
from tests.sources import ROOT

EXAMPLES = ROOT / "doc" / "source" / "examples"
TIMEOUT_S = 60.0
"""Seconds to wait for another process."""


class Host(Fixture):
    """The process ``EXAMPLE --config-file FILE``. *text* goes into the file; *program* replaces the example's program."""

    def __init__(self, example: str, text: str = "", program: str | None = None) -> None:
        super().__init__()
        self._command = ["-c", program] if program else [str(EXAMPLES / example)]
        self._text = text

    def _setUp(self) -> None:
        self.directory = Path(self.useFixture(TempDir()).path)
        self.config = self.directory / "ours.conf"
        self.configure(self._text)
        command = [sys.executable, *self._command, "--config-file", str(self.config)]
        self.child = Child("host", command, self.directory, {"PYTHONPATH": ":".join([str(EXAMPLES), *filter(None, sys.path)])})
        self.addCleanup(self.child.stop)

    def configure(self, text: str) -> None:
        """Write the configuration file. *text* goes into [DEFAULT], up to its first section."""
        database = f"connection = sqlite:///{self.directory}/nodes.sqlite\nsecret_key_file = {self.directory}/key\n"
        self.config.write_text(f"[DEFAULT]\nhost = ours\n{text}\n[database]\n{database}[api]\nport = 0\n", encoding="utf-8")

    def wait_until_ready(self) -> BareMetalClient:
        """Wait until the process serves, for the first time or again, and return a client."""
        return BareMetalClient(self.child.wait_for_line("ready: ", TIMEOUT_S))

    @property
    def log(self) -> str:
        """Output of the process."""
        return self.child.log.read_text(encoding="utf-8")

    def open_store(self) -> Store:
        """Open the database of the process, for checks after its end."""
        return open_store(f"sqlite:///{self.directory}/nodes.sqlite")


def wait_until(read: Callable[[], Any], seconds: float = TIMEOUT_S) -> Any:
    """Poll *read* until its result is true and return the result. Raise AssertionError after *seconds*.

    The condition is in another process, which cannot notify the test, so the test has to poll.
    """
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        result = read()
        if result:
            return result
        pause.wait(0.02)
    raise AssertionError(f"the condition was not true within {seconds:g} s")
