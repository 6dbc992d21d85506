"""``metald conductor`` and ``metald api`` as processes with one database; each conductor has a loopback address of its own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from fixtures import Fixture, TempDir

from metald.processes import Child

READY_SECONDS = 90.0


class MetaldProcesses(Fixture):
    """Starts conductors and APIs, and stops them at the end of the test.

    *options* are configuration options: section -> option -> value. The default transport is JSON-RPC.
    """

    def __init__(self, database_url: str, options: Mapping[str, Mapping[str, str]] | None = None) -> None:
        super().__init__()
        self._database_url = database_url
        self._options = options or {}

    def _setUp(self) -> None:
        self.directory = Path(self.useFixture(TempDir()).path)
        with socket.create_server(("", 0)) as probe:  # a port that is free on every address
            self._port = probe.getsockname()[1]

    def start_conductor(self, number: int, release: Path | None = None) -> Child:
        """Start conductor *number* (from 1), with the code of *release* if given, and wait until it is ready."""
        return self._start("conductor", number, release)[0]

    def start_api(self, number: int, release: Path | None = None) -> tuple[Child, str]:
        """Start an API and wait until it is ready. Return its process and URL."""
        return self._start("api", number, release)

    @property
    def log(self) -> str:
        """The output of all processes."""
        return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in sorted(self.directory.glob("*.log")))

    def _start(self, part: str, number: int, release: Path | None) -> tuple[Child, str]:
        # Without -P, Python would import from the working directory before the release.
        command = [sys.executable, "-P", "-m", "metald", part, "--config-file", str(self._write_config(part, number))]
        environment = {} if release is None else {"PYTHONPATH": str(release)}
        child = Child(f"{part}-{number}", command, self.directory, environment)
        self.addCleanup(child.stop, 5.0)
        return child, child.wait_for_line("metald ready: ", READY_SECONDS)

    def _write_config(self, part: str, number: int) -> Path:
        address = f"127.0.0.{number}"
        sections: dict[str, dict[str, str]] = {
            "DEFAULT": {"rpc_transport": "json-rpc", "host": address},
            "api": {"port": "0"},
            "json_rpc": {"host_ip": address, "port": str(self._port)},
            "conductor": {"heartbeat_interval": "1", "sync_power_state_interval": "0"},
            "database": {"connection": self._database_url, "secret_key_file": f"{self.directory}/key"},
            "metrics": {"endpoint": "none"},
        }
        for name, options in self._options.items():
            sections.setdefault(name, {}).update(options)
        file = self.directory / f"{part}-{number}.conf"
        with file.open("w", encoding="ascii") as output:
            for name, options in sections.items():
                print(f"[{name}]", *(f"{option} = {value}" for option, value in options.items()), sep="\n", file=output)
        return file
