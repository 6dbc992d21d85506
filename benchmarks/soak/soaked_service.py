"""A service over HTTPS whose log is a pipe, with the actions of an operator and failures around it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from tests.fixtures.certificates import write_certificate

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0
_LEAK = """
import threading, time
_kept = []
def _leak():
    while True:
        _kept.append(bytearray(b"x" * 1_600_000))
        time.sleep(0.05)
threading.Thread(target=_leak, daemon=True).start()
"""
"""Lines that run before metald: a leak of about 20 MB per second. The harness has to find it."""


class SoakedService:
    """``metald serve`` with its files in *directory* and the given database. It stops at the end of the block."""

    def __init__(self, directory: Path, database: str | None, options: str, *, plant: bool = False) -> None:
        self._directory = directory
        self._pair = write_certificate(directory, "localhost")
        self._reading = threading.Event()
        self._ready = threading.Event()
        self._lines: list[str] = []
        self.url = ""
        config = directory / "metald.conf"
        connection = "" if database is None else f"[database]\nconnection = {database}\nsecret_key_file = {directory}/key\n"
        config.write_text(
            f"[api]\nenable_ssl_api = true\ncert_file = {self._pair[0]}\nkey_file = {self._pair[1]}\n{connection}{options}",
            encoding="utf-8",
        )
        self._arguments = ["serve", "--port", "0", "--config-file", str(config), "--state-dir", str(directory / "state")]
        self._script = f"import sys\n{_LEAK if plant else ''}\nfrom metald.cli import main\nsys.exit(main())"

    def __enter__(self) -> SoakedService:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", self._script, *self._arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        self._reading.set()
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), name="log-reader", daemon=True)
        self._reader.start()
        if not self._ready.wait(READY_TIMEOUT_S):
            self._process.kill()
            raise AssertionError(f"the service is not ready: {self.log[-2000:]}")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Send SIGTERM and return the exit code; kill the process if it does not end in time."""
        self._reading.set()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(5.0)
        return code

    def reload(self) -> None:
        """Send SIGHUP."""
        self._process.send_signal(signal.SIGHUP)

    def replace_certificate(self) -> None:
        """Write a new certificate and its key, and send SIGHUP."""
        new = self._directory / "new"
        new.mkdir(exist_ok=True)
        for file, old in zip(write_certificate(new, "localhost"), self._pair, strict=True):
            os.replace(file, old)
        self.reload()

    def stall_log(self, stalled: bool) -> None:
        """Stop reading the log, or continue to read it."""
        if stalled:
            self._reading.clear()
        else:
            self._reading.set()

    @property
    def pid(self) -> int:
        """Process ID of the service."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True while the service runs."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """The output of the service."""
        return "\n".join(self._lines)

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._reading.wait()
                found = re.match(r"metald ready: (\S+)", line)
                if found:
                    self.url = found[1]
                    self._ready.set()
                self._lines.append(line.rstrip("\n"))
