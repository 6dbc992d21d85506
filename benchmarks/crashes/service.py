"""A service that keeps its database over kills and restarts."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from metald.processes import Child

READY_TIMEOUT_S = 60.0


class CrashableService:
    """``metald serve`` with its files in *directory*. *database* is its URL; None selects SQLite in the state directory.

    *options* are the lines of further sections of the configuration file, and *environment* has additional variables.
    """

    def __init__(
        self, directory: Path, database: str | None = None, options: str = "", environment: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.environment = environment
        self.url = ""
        self._child: Child | None = None
        self._config = directory / "metald.conf"
        connection = "" if database is None else f"connection = {database}\nsecret_key_file = {directory}/key\n"
        self._config.write_text(
            "[conductor]\nsync_power_state_interval = 5\nlease_duration = 10\nheartbeat_interval = 2\n"
            f"[metrics]\nendpoint = none\n[database]\n{connection}{options}",
            encoding="utf-8",
        )

    def __enter__(self) -> CrashableService:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.stop()

    def start(self) -> float:
        """Start the service and return the seconds until it was ready."""
        begin = time.monotonic()
        arguments = ["serve", "--port", "0", "--config-file", str(self._config), "--state-dir", str(self.state)]
        self._child = Child("metald", [sys.executable, "-m", "metald", *arguments], self.directory, self.environment)
        self.url = self._child.wait_for_line("metald ready: ", READY_TIMEOUT_S)
        return time.monotonic() - begin

    def kill(self) -> None:
        """Kill the service with SIGKILL and wait for its end."""
        assert self._child is not None
        self._child.send(signal.SIGKILL)
        self._child.stop()

    def check_database(self) -> list[str]:
        """Return the findings of ``metald db check``."""
        options = ["--config-file", str(self._config), "--state-dir", str(self.state)]
        command = [sys.executable, "-m", "metald", "db", "check", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=READY_TIMEOUT_S)
        return [] if done.returncode == 0 else [f"metald db check: {(done.stdout + done.stderr)[-300:]}"]

    @property
    def pid(self) -> int:
        """Process ID of the running service."""
        assert self._child is not None
        return self._child.pid

    @property
    def log(self) -> str:
        """The output of all runs."""
        return (self.directory / "metald.log").read_text(encoding="utf-8", errors="replace")
