"""A RabbitMQ of a test's own: Debian's, on free ports of loopback, with its data in a temporary directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

from fixtures import Fixture, TempDir

_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_SECONDS = 90.0


def missing() -> str | None:
    """Why there can be no broker here; None when there can."""
    for program in (_SERVER, "epmd"):
        if shutil.which(program) is None:
            return f"{program} is missing: apt-get install rabbitmq-server"
    return None


class RabbitMQ(Fixture):
    """A running broker at :attr:`url`; it can be restarted, and keeps its queues."""

    def _setUp(self) -> None:
        self._directory = Path(self.useFixture(TempDir()).path)
        self._node = f"test-{uuid.uuid4().hex[:8]}@localhost"
        self.port, self._distribution, self._names = _free_ports(3)
        self.url = f"rabbit://guest:guest@127.0.0.1:{self.port}/"
        (self._directory / "plugins").write_text("[].\n", encoding="ascii")
        (self._directory / "rabbitmq.conf").write_text(
            "disk_free_limit.absolute = 10MB\nlog.file.level = warning\nlog.console = false\n", encoding="ascii"
        )
        # The daemon that knows the names of nodes is our own as well: what a broker starts for itself would outlive it.
        command = ["epmd", "-port", str(self._names), "-address", "127.0.0.1"]
        names = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(_end, names)
        self._process: subprocess.Popen[bytes] | None = None
        self.addCleanup(self.stop)
        self.start()

    def start(self) -> None:
        """Start the broker, and return once it takes connections."""
        with (self._directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [_SERVER], env=self._environment(), stdout=output, stderr=output, cwd=self._directory, start_new_session=True
            )
        end = time.monotonic() + _SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"RabbitMQ does not start:\n{(self._directory / 'output').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Stop the broker, by default at once."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            process.wait()

    def restart(self) -> None:
        """Stop it in order and start it again, with what it kept.

        RabbitMQ 3.10 that is killed right after a quorum queue was made has no leader for that queue ever after.
        """
        self.stop(signal.SIGTERM)
        self.start()

    def _environment(self) -> dict[str, str]:
        own = str(self._directory)
        return {
            "PATH": os.environ["PATH"],
            "HOME": own,
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._names),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": f"{own}/data",
            "RABBITMQ_LOG_BASE": f"{own}/log",
            "RABBITMQ_CONFIG_FILE": f"{own}/rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{own}/plugins",
            "RABBITMQ_PID_FILE": f"{own}/pid",
            "RABBITMQ_CONF_ENV_FILE": f"{own}/none",
            # One scheduler is enough, and leaves the machine to the tests.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
        }

    def _answers(self) -> bool:
        """Whether it speaks AMQP: to a version that there is not it answers with the one that it has."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as probe:
                probe.sendall(b"AMQP\x00\x09\x09\x09")
                return probe.recv(4) == b"AMQP"
        except OSError:
            return False


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
