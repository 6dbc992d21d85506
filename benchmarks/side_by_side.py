"""This service beside Ironic, in one run: rates, latencies, memory and start of both, and their ratios as a table.

Run it as ``python -m benchmarks.side_by_side --checks DIR [--only reads,writes,lives] [--seconds N]``. DIR has the checks that
speak to any Bare Metal API (``ironic_reference.py``, ``node_crud.py``, ``provision.py``), prepared by
``setup.sh ironic``; reads need ``wrk``. The servers run one after the other, each on a fresh database.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from metald.processes import Child

_PARTS = ("writes", "lives", "reads")
_READS = {"list of 100": "/v1/nodes?limit=100", "one node": "/v1/nodes/{node}", "detail of 100": "/v1/nodes/detail?limit=100"}
_CONNECTIONS = (1, 16, 64)
_REST = 1.0
"""Seconds between two rows of reads: what clients of the one have asked for when they hang up is not to be a load of the next."""
_STARTS = 3
"""Starts of each server, of which the fastest counts."""
_AS_INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}
"""An installed server has its modules compiled; where this is set, ours would be compiled at each start."""
_VERSION = "1.72"
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass
class Row:
    """One measurement: a rate (or a time, where less is better), latencies in milliseconds, and what went wrong."""

    value: float
    unit: str = "/s"
    median: float | None = None
    p99: float | None = None
    errors: str = ""

    def times_better(self, reference: Row) -> float:
        """How many times better than the reference's."""
        return self.value / reference.value if self.unit == "/s" else reference.value / self.value


@dataclass
class Server:
    """A running server and what was measured of it."""

    url: str
    pid: int
    rows: dict[str, Row] = field(default_factory=dict)

    def note_memory(self, when: str) -> None:
        """Resident memory of all its processes."""
        processes = [self.pid, *_children(self.pid)]
        self.rows[f"memory {when}"] = Row(sum(_resident(one) for one in processes) / 1024, "MiB")


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description="Compare this service with Ironic.")
    parser.add_argument("--checks", type=Path, required=True, help="the directory of the checks")
    parser.add_argument("--only", default=",".join(_PARTS), help=f"parts, with commas between them: {', '.join(_PARTS)}")
    parser.add_argument("--seconds", type=int, default=3, help="seconds for each row of reads (default: 3)")
    parser.add_argument("--nodes", type=int, default=100, help="nodes that are created, taken through their lives and deleted")
    given = parser.parse_args()
    measured = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, started in (("reference", reference), ("ours", ours)):
            with started(Path(directory), given.checks) as server:
                measure(server, given)
                measured[name] = server.rows
    print_table(measured["reference"], measured["ours"])


@contextlib.contextmanager
def reference(directory: Path, checks: Path) -> Iterator[Server]:
    """Ironic with its schema made beforehand."""
    port, home = _free_port(), directory / "reference"
    control = [sys.executable, str(checks / "ironic_reference.py")]
    stop = [*control, "stop", "--dir", str(home)]
    try:
        starts = []
        for number in range(_STARTS):
            if number:
                _output(stop)
            more = ["--keep-db"] if number else []
            arguments = ["--dir", str(home), "--port", str(port), "--settle", "1", *more]
            said = json.loads(_output([*control, "start", *arguments]).splitlines()[-1])
            starts.append(said["start_to_200_s"])
        server = Server(f"http://127.0.0.1:{port}", said["pid"])
        server.rows["start to first answer"] = Row(min(starts), "s")
        yield server
    finally:
        _output(stop)


@contextlib.contextmanager
def ours(directory: Path, checks: Path) -> Iterator[Server]:
    """metald, whose schema was made beforehand, too."""
    home, port = directory / "ours", _free_port()
    home.mkdir()
    command = [sys.executable, "-m", "metald", "serve", "--port", str(port), "--state-dir", str(home / "state")]
    with Child("metald", command, home, _AS_INSTALLED) as child:
        child.wait_for_line("metald ready: ", 60.0)
    starts = []
    for number in range(_STARTS):
        began = time.perf_counter()
        with Child("metald", command, home, _AS_INSTALLED) as child:
            while not _answers(port):
                time.sleep(0.01)
            starts.append(time.perf_counter() - began)
            if number == _STARTS - 1:
                server = Server(f"http://127.0.0.1:{port}", child.pid)
                server.rows["start to first answer"] = Row(min(starts), "s")
                time.sleep(1.0)
                yield server


def measure(server: Server, given: argparse.Namespace) -> None:
    """Take all measurements of one server."""
    parts = set(given.only.split(","))
    server.note_memory("idle")
    if "writes" in parts:
        for clients in (1, 10):
            writes(server, given, clients)
    if "lives" in parts:
        lives(server, given)
    if "reads" in parts:
        reads(server, given)
    time.sleep(_REST)
    server.note_memory("afterwards")


def writes(server: Server, given: argparse.Namespace, clients: int) -> None:
    """Create and delete nodes."""
    said = _output(_python(given, "node_crud.py", "--url", server.url, "--n", given.nodes, "--threads", clients))
    for line in map(json.loads, said.splitlines()):
        server.rows[f"{line['op']}, {clients} clients"] = Row(
            line["per_s"], "/s", line["p50_ms"], line["p99_ms"], str(line["errors"] or "")
        )


def lives(server: Server, given: argparse.Namespace) -> None:
    """Take nodes through manage, provide, active and deleted, all at once."""
    said = _output(_python(given, "provision.py", "--url", server.url, "--n", given.nodes))
    for line in map(json.loads, said.splitlines()):
        wrong = {code: count for code, count in line.get("http", {}).items() if not code.startswith(("2", "409"))}
        unit = f"{line['phase']} of {given.nodes} at once"
        server.rows[unit] = Row(line["s"], "s", errors=str(wrong or ""))


def reads(server: Server, given: argparse.Namespace) -> None:
    """Read one node, a list and a detail over 1, 16 and 64 connections."""
    _output(_python(given, "node_crud.py", "--url", server.url, "--n", 100, "--threads", 4, "--keep", "--prefix", "kept"))
    connection = HTTPConnection(server.url.partition("://")[2])
    connection.request("GET", "/v1/nodes?limit=1")
    node = json.loads(connection.getresponse().read())["nodes"][0]["uuid"]
    for what, path in _READS.items():
        for count in _CONNECTIONS:
            time.sleep(_REST)
            server.rows[f"{what}, {count} connections"] = _read(server.url + path.format(node=node), count, given.seconds)


def _read(url: str, connections: int, seconds: int) -> Row:
    """What wrk says of so many connections that ask for *url* all the time."""
    load = [f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
    said = _output(["wrk", *load, "-H", f"X-OpenStack-Ironic-API-Version: {_VERSION}", url])
    times = {name: _milliseconds(found) for name, found in re.findall(r"^ +(50|99)% +(\S+)", said, re.MULTILINE)}
    rate = re.search(r"Requests/sec: +([\d.]+)", said)
    errors = "; ".join(re.findall(r"(?:Socket errors|Non-2xx).*", said))
    return Row(float(rate[1]), "/s", times["50"], times["99"], errors)  # type: ignore[index]


def print_table(reference: dict[str, Row], ours: dict[str, Row]) -> None:
    """One line for each measurement; the last column says what is not as it shall be."""
    print(f"{'':34}{'reference':>12}{'ours':>12}{'times':>8}  {'median':>10}{'our p99':>10}  (ms)")
    for name, row in ours.items():
        before = reference[name]
        latency = f"{before.median or 0:>10.1f}{row.p99 or 0:>10.1f}" if row.median is not None else " " * 20
        late = "p99 is late" if row.p99 is not None and before.median is not None and row.p99 > before.median else ""
        print(
            f"{name:34}{before.value:>10.1f}{before.unit:<3}{row.value:>9.1f}{row.unit:<3}{row.times_better(before):>6.1f}  "
            f"{latency}  {' '.join(filter(None, (late, row.errors)))}"
        )
    print(json.dumps({name: round(row.times_better(reference[name]), 2) for name, row in ours.items()}))


def _python(given: argparse.Namespace, script: str, *arguments: Any) -> list[str]:
    return [sys.executable, str(given.checks / script), *map(str, arguments)]


def _output(command: list[str]) -> str:
    # What lets us run from here must not lead others to our packages.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | _AS_INSTALLED
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def _milliseconds(duration: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", duration).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/v1/")
        return connection.getresponse().status == 200
    return False


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text(encoding="ascii").split()):
            found += [child, *_children(child)]
    return found


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


if __name__ == "__main__":
    main()
