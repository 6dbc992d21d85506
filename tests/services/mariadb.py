"""A MariaDB of a test's own: Debian's, on a socket in a temporary directory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from fixtures import Fixture, TempDir

_SECONDS = 60.0
_SEARCHED = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))


def missing() -> str | None:
    """Why there can be no server here; None when there can."""
    found = all(shutil.which(program, path=_SEARCHED) for program in ("mariadbd", "mariadb-install-db", "mariadb"))
    return None if found else "MariaDB is missing: apt-get install mariadb-server"


class MariaDB(Fixture):
    """A running server with an empty database at :attr:`url`; it can be restarted, and keeps what it has."""

    def _setUp(self) -> None:
        self._directory = Path(self.useFixture(TempDir()).path)
        if os.getuid() == 0:  # the server refuses to run as root
            shutil.chown(self._directory, "mysql")
        # A server that starts clears the directory of temporary tables, those of others in /tmp as well.
        own = (f"--datadir={self._directory}/data", f"--tmpdir={self._directory}")
        user = () if os.getuid() else ("--user=mysql",)
        fresh = ("--auth-root-authentication-method=normal", "--skip-test-db")
        self._run("mariadb-install-db", "--no-defaults", *user, *own, *fresh)
        socket = self._directory / "socket"
        self._command = [
            self._path("mariadbd"), "--no-defaults", *user, *own, f"--socket={socket}", f"--pid-file={self._directory}/pid",
            "--skip-networking", "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--max-connections=400",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.addCleanup(self.stop)
        self.start()
        self._run(*self._ask("CREATE DATABASE test CHARACTER SET utf8mb4"))
        self.url = f"mariadb+pymysql://root@localhost/test?unix_socket={socket}"

    def start(self) -> None:
        """Start the server, and return once it answers."""
        with (self._directory / "log").open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        end = time.monotonic() + _SECONDS
        while True:
            try:
                return self._run(*self._ask("SELECT 1"))
            except AssertionError as exc:
                if self._process.poll() is not None or time.monotonic() > end:
                    log = (self._directory / "log").read_text(errors="replace")[-2000:]
                    raise AssertionError(f"MariaDB does not start: {exc}\n{log}") from None
            time.sleep(0.1)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Stop the server, by default at once."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait()

    def restart(self) -> None:
        """Cut all connections, and start again."""
        self.stop(signal.SIGTERM)
        self.start()

    def _ask(self, statement: str) -> tuple[str, ...]:
        return ("mariadb", "--no-defaults", "--user=root", f"--socket={self._directory}/socket", "--execute", statement)

    def _path(self, program: str) -> str:
        return shutil.which(program, path=_SEARCHED) or program

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([self._path(program), *arguments], capture_output=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise AssertionError(f"{program} failed: {(done.stderr or done.stdout).decode(errors='replace')[-2000:]}")
