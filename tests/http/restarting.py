"""A service on a socket that outlives it, as under systemd: what is done to it while clients ask."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.http.certificates import write_certificate

GRACE = 30.0
"""Seconds that a stop may take."""
_PASS = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="api")
os.execv(sys.executable, [sys.executable, "-m", "metald", "serve", *sys.argv[2:]])
"""


class Restarted:
    """``metald serve`` over HTTPS, with files in *directory*."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pair = write_certificate(directory, "localhost")
        self._config = directory / "metald.conf"
        self._config.write_text(
            "[api]\nsystemd_socket = api\nenable_ssl_api = true\n"
            f"cert_file = {self._pair[0]}\nkey_file = {self._pair[1]}\n"
            f"[conductor]\ngraceful_shutdown_timeout = {GRACE}\nsync_power_state_interval = 0\n"
        )
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = int(self._listener.getsockname()[1])
        self.log = directory / "log"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._listener.close()

    def start(self) -> None:
        """Start it, and return when it is ready."""
        state = str(self._directory / "state")
        arguments = [str(self._listener.fileno()), "--config-file", str(self._config), "--state-dir", state]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PASS, *arguments],
                pass_fds=[self._listener.fileno()],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        if not self._process.stdout.readline().startswith("metald ready: "):
            raise AssertionError(self.log.read_text())

    def stop(self) -> float:
        """Send SIGTERM; the seconds that the end takes. The exit code has to be 0."""
        process, self._process = self._process, None
        assert process is not None
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(GRACE + 10)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            if process.stdout is not None:
                process.stdout.close()
        if code != 0:
            raise AssertionError(f"exit code {code}\n{self.log.read_text()[-3000:]}")
        return time.monotonic() - began

    def reload(self) -> None:
        """Send SIGHUP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def rotate(self) -> None:
        """Put a new certificate and key in place of those that there are, and send SIGHUP."""
        new = self._directory / "new"
        new.mkdir(exist_ok=True)
        for file, old in zip(write_certificate(new, "localhost"), self._pair, strict=True):
            os.replace(file, old)
        self.reload()

    def restart(self) -> None:
        """Stop it and start it again; meanwhile clients wait on the socket."""
        self.stop()
        self.start()

    def changes(self) -> list[Callable[[], None]]:
        """What operators do."""
        return [self.reload, self.rotate, self.restart]
