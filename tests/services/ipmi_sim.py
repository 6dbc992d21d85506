"""OpenIPMI's simulator as a BMC on loopback: IPMI 2.0, one machine, whose power and boot device are kept in files."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

BINARY = "ipmi_sim"
USERNAME, PASSWORD = "ipmiusr", "t3st/&word"
START_SECONDS = 20.0
START_ATTEMPTS = 3

CHASSIS = """#!/bin/sh
# Called by the simulator with a controller's address, "get" or "set", and names (and values).
cd '{directory}' || exit 1
shift; operation=$1; shift
case $operation in
get)
    for name in "$@"; do
        case $name in
            power) echo "power:$(cat power)" ;;
            boot) echo "boot:$(cat boot)" ;;
            *) exit 1 ;;
        esac
    done ;;
set)
    while [ $# -gt 0 ]; do
        echo "$1 $2" >> commands
        case $1 in
            power) [ -e stuck ] || echo "$2" > power ;;
            boot) echo "$2" > boot ;;
            shutdown) [ -e stuck ] || echo 0 > power ;;
            reset) ;;
            *) exit 1 ;;
        esac
        shift 2
    done ;;
check) ;;
esac
exit 0
"""

LAN = """name "{name}"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{directory}/chassis 0x20"
  startnow false
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "{username}" "{password}" admin 10 none md2 md5 straight
"""

EMULATOR = """mc_setbmc 0x20
mc_add 0x20 0 has-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
sensor_add 0x20 0 0 35 1
mc_enable 0x20
mc_add 0x30 0 no-device-sdrs 0x11 2 3 0x9f 0x1291 0xf03 persist_sdr
mc_enable 0x30
"""
"""The BMC, and a satellite controller behind it, which has no chassis."""


def installed() -> bool:
    """Whether there is a simulator on this machine."""
    return shutil.which(BINARY) is not None


class IPMISimulator:
    """A context manager that starts the simulator and stops it. The machine is off at first."""

    host = "127.0.0.1"

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="ipmi-sim-"))
        (self.directory / "state.d").mkdir()
        self._write("power", "0\n")
        self._write("boot", "none\n")
        self._write("commands", "")
        self._write("chassis", CHASSIS.format(directory=self.directory)).chmod(0o755)
        self._write("emulator", EMULATOR)
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def stop(self) -> None:
        """End the simulator: from now on nothing listens."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def driver_info(self) -> dict[str, object]:
        """What reaches the machine."""
        return {
            "ipmi_address": self.host,
            "ipmi_port": self.port,
            "ipmi_username": USERNAME,
            "ipmi_password": PASSWORD,
            "ipmi_cipher_suite": 3,
        }

    @property
    def running(self) -> bool:
        """Whether the machine is on."""
        return (self.directory / "power").read_text().strip() == "1"

    @property
    def commands(self) -> list[str]:
        """What the machine was told to do, in order: the name and its value."""
        return (self.directory / "commands").read_text().splitlines()

    def ignore_power_commands(self) -> None:
        """From now on the machine stays as it is."""
        self._write("stuck", "")

    def _write(self, name: str, content: str) -> Path:
        path = self.directory / name
        path.write_text(content)
        return path

    def _start(self) -> None:
        for _ in range(START_ATTEMPTS):
            if self._listens():
                return
            self.stop()
        raise RuntimeError(f"{BINARY} did not start: {(self.directory / 'log').read_text()}")

    def _listens(self) -> bool:
        """Whether it answers on a port that was free a moment ago, and that somebody else may have taken since."""
        self.port = _free_port()
        values = {"name": "sim", "port": self.port, "directory": self.directory, "username": USERNAME, "password": PASSWORD}
        self._write("lan", LAN.format(**values))
        command = [BINARY, "-c", "lan", "-f", "emulator", "-s", "state.d", "-n"]
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                return False
        return True

    def _answers(self) -> bool:
        """Whether a presence ping (RMCP, ASF) comes back within a moment."""
        ping = bytes([6, 0, 0xFF, 6, 0, 0, 0x11, 0xBE, 0x80, 0, 0, 0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.1)
            probe.connect((self.host, self.port))
            try:
                probe.send(ping)
                return bool(probe.recv(100))
            except TimeoutError:
                return False
            except ConnectionRefusedError:
                time.sleep(0.02)  # the pace of asking, not a hope: the loop around it has a bound
                return False


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
