"""An example of the documentation as a process of its own, on a database of its own."""

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
SOON = 60.0


class Host(Fixture):
    """``EXAMPLE --config-file FILE`` with the file's text; *program* takes the place of the example's own."""

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
        """Write the configuration file: *text* goes into [DEFAULT], up to its first section."""
        database = f"connection = sqlite:///{self.directory}/nodes.sqlite\nsecret_key_file = {self.directory}/key\n"
        self.config.write_text(f"[DEFAULT]\nhost = ours\n{text}\n[database]\n{database}[api]\nport = 0\n", encoding="utf-8")

    def ready(self) -> BareMetalClient:
        """A client, once it serves; again, once it serves again."""
        return BareMetalClient(self.child.wait_for_line("ready: ", SOON))

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self.child.log.read_text(encoding="utf-8")

    def store(self) -> Store:
        """Its database, to look at when it has ended."""
        return open_store(f"sqlite:///{self.directory}/nodes.sqlite")


def until(look: Callable[[], Any], seconds: float = SOON) -> Any:
    """What *look* gives as soon as that is true; fails after *seconds*. Asks a peer in another process, which cannot tell."""
    patience = threading.Event()
    for _ in range(int(seconds / 0.02)):
        found = look()
        if found:
            return found
        patience.wait(0.02)
    raise AssertionError(f"not so within {seconds:g} s")
