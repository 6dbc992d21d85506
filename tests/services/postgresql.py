"""A PostgreSQL of a test's own: Debian's, on a socket in a temporary directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from fixtures import Fixture, TempDir


def missing() -> str | None:
    """Why there can be no server here; None when there can."""
    return None if _programs() else "PostgreSQL is missing: apt-get install postgresql"


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return found[-1] if found else None


class PostgreSQL(Fixture):
    """A running server with an empty database at :attr:`url`; it can be restarted, and keeps what it has."""

    def _setUp(self) -> None:
        self._directory = Path(self.useFixture(TempDir()).path)
        if os.getuid() == 0:  # the server refuses to run as root
            shutil.chown(self._directory, "postgres")
        data = self._directory / "data"
        self._run("initdb", "-D", str(data), "-A", "trust", "-U", "test", "--no-sync")
        with (data / "postgresql.conf").open("a", encoding="ascii") as options:
            options.write(f"listen_addresses = ''\nunix_socket_directories = '{self._directory}'\nmax_connections = 300\n")
        self.addCleanup(self._control, "stop", "-m", "immediate")
        self._control("start")
        self._run("createdb", "-h", str(self._directory), "-U", "test", "test")
        self.url = f"postgresql+psycopg://test@/test?host={self._directory}"

    def restart(self) -> None:
        """Cut all connections, and start again."""
        self._control("restart", "-m", "fast")

    def _control(self, *action: str) -> None:
        data = self._directory / "data"
        self._run("pg_ctl", "-D", str(data), "-l", str(data / "log"), "-w", *action)

    def _run(self, program: str, *arguments: str) -> None:
        programs = _programs()
        assert programs is not None
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        done = subprocess.run(
            [*user, str(programs / program), *arguments],
            cwd=self._directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"{program} failed: {done.stderr.decode(errors='replace')[-2000:]}")
