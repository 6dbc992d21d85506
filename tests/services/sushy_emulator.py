"""The Redfish emulator of sushy-tools, with its simulated systems, as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import bcrypt

_STARTED = re.compile(r"Running on (https?://[^\s]+)")


class SushyEmulator:
    """A running emulator. ``with SushyEmulator(systems=4) as emulator: emulator.url, emulator.system_ids``.

    It listens on a free port of 127.0.0.1 and keeps its state in a directory that goes with it. A change of power takes
    effect after a random 1 to 11 seconds, as it comes; *power_seconds* pins that. With an *account*, a name and a
    password, it asks for basic authentication; with *certificate*, the paths of a certificate and a key, it speaks TLS.
    *features* is the emulator's feature set: full, vmedia or minimum.
    """

    def __init__(
        self,
        systems: int = 1,
        *,
        account: tuple[str, str] | None = None,
        certificate: tuple[str, str] | None = None,
        power_seconds: int | None = None,
        features: str = "full",
        start_timeout: float = 60.0,
    ) -> None:
        self.system_ids = [str(uuid.uuid5(uuid.NAMESPACE_OID, f"system {number}")) for number in range(systems)]
        self.addresses = {identity: f"52:54:00:00:00:{number:02x}" for number, identity in enumerate(self.system_ids)}
        self.url = ""
        self._account = account
        self._certificate = certificate
        self._power_seconds = power_seconds
        self._features = features
        self._start_timeout = start_timeout
        self._started = threading.Event()
        self._lines: list[str] = []
        self._directory = tempfile.TemporaryDirectory(prefix="sushy-emulator-")
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def system_path(self, index: int = 0) -> str:
        """The path of one system."""
        return f"/redfish/v1/Systems/{self.system_ids[index]}"

    @property
    def output(self) -> str:
        """What the emulator has said so far."""
        return "\n".join(self._lines)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "sushy_tools.emulator.main", "--fake", "--config", self._write_config()]
        environment = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment, "PYTHONUNBUFFERED": "1", "TMPDIR": self._directory.name},
            cwd=self._directory.name,
        )
        self._reader = threading.Thread(target=self._read, name="sushy-emulator output", daemon=True)
        self._reader.start()
        self._started.wait(self._start_timeout)
        if not self.url:
            self.stop()
            raise RuntimeError(f"the emulator did not start:\n{self.output}")

    def stop(self) -> None:
        """Stop it and remove what it kept."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            if self._reader is not None:
                self._reader.join(30)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
        self._directory.cleanup()

    def _read(self) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        for line in process.stdout:
            self._lines.append(line.rstrip())
            found = _STARTED.search(line)
            if found:
                self.url = found[1].rstrip("/")
                self._started.set()
        self._started.set()

    def _write_config(self) -> str:
        directory = Path(self._directory.name)
        settings: dict[str, Any] = {
            "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
            "SUSHY_EMULATOR_LISTEN_PORT": 0,
            "SUSHY_EMULATOR_STATE_DIR": str(directory / "state"),
            "SUSHY_EMULATOR_FEATURE_SET": self._features,
            "SUSHY_EMULATOR_FAKE_SYSTEMS": [self._system(number) for number in range(len(self.system_ids))],
        }
        if self._account is not None:
            name, password = self._account
            digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
            (directory / "accounts").write_text(f"{name}:{digest}\n")
            settings["SUSHY_EMULATOR_AUTH_FILE"] = str(directory / "accounts")
        if self._certificate is not None:
            settings["SUSHY_EMULATOR_SSL_CERT"], settings["SUSHY_EMULATOR_SSL_KEY"] = self._certificate
        lines = [f"{name} = {value!r}" for name, value in settings.items()]
        if self._power_seconds is not None:
            # The configuration is Python, and the emulator draws its delay of this module.
            lines += ["import random", f"random.randint = lambda least, most: {self._power_seconds}"]
        (directory / "emulator.conf").write_text("\n".join(lines) + "\n")
        return str(directory / "emulator.conf")

    def _system(self, number: int) -> dict[str, Any]:
        identity = self.system_ids[number]
        return {
            "uuid": identity,
            "name": f"system-{number}",
            "power_state": "Off",
            "external_notifier": False,
            "nics": [{"mac": self.addresses[identity], "ip": f"192.0.2.{number + 1}"}],
        }
