"""A service under measurement: metald as a separate process with a fresh state directory."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from metald.client import BareMetalClient
from metald.processes import Child


@dataclass(frozen=True)
class MeasuredService:
    """A running service. *seconds* is the time from its start to its ready line."""

    url: str
    client: BareMetalClient
    pid: int
    seconds: float

    @property
    def mebibytes(self) -> float:
        """The resident memory."""
        return self._status("VmRSS:") / 1024

    @property
    def threads(self) -> int:
        """The number of threads."""
        return self._status("Threads:")

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


@contextmanager
def run_service(*options: str) -> Iterator[MeasuredService]:
    """Run ``metald serve`` with *options* within the block."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "metald", "serve", "--port", "0", "--state-dir", f"{directory}/state", *options]
        begin = time.perf_counter()
        with Child("metald", command, Path(directory)) as child:
            url = child.wait_for_line("metald ready: ", 60.0)
            yield MeasuredService(url, BareMetalClient(url), child.pid, time.perf_counter() - begin)
