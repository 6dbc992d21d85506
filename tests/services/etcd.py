"""An etcd of a test's own: Debian's, on free ports of loopback, with its data in a temporary directory."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from fixtures import Fixture, TempDir

_SECONDS = 30.0


def missing() -> str | None:
    """Why there can be no etcd here; None when there can."""
    return None if shutil.which("etcd") else "etcd is missing: apt-get install etcd-server"


class Etcd(Fixture):
    """A running server at :attr:`url`, as tooz writes it; it can be stopped and started again."""

    def _setUp(self) -> None:
        self._directory = Path(self.useFixture(TempDir()).path)
        with contextlib.ExitStack() as held:
            probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
            self.port, self._peers = (probe.getsockname()[1] for probe in probes)
        self.url = f"etcd3+http://127.0.0.1:{self.port}?membership_timeout=3&timeout=2"
        self._process: subprocess.Popen[bytes] | None = None
        self.addCleanup(self.stop)
        self.start()

    def start(self) -> None:
        """Start it, and return once it takes connections."""
        own, peers = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self._peers}"
        command = [
            "etcd", "--name", "one", "--data-dir", str(self._directory / "data"), "--unsafe-no-fsync",
            "--listen-client-urls", own, "--advertise-client-urls", own,
            "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"one={peers}",
        ]  # fmt: skip
        with (self._directory / "output").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, cwd=self._directory)
        end = time.monotonic() + _SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                return
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"etcd does not start:\n{(self._directory / 'output').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it at once."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()
