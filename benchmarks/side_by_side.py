"""This service compared with Ironic in one run: rates, latencies, memory and start-up time of both, and their ratios.

Run it as ``python -m benchmarks.side_by_side --checks DIR [--only reads,writes,lives] [--seconds N]``. DIR contains check scripts
for any Bare Metal API (``ironic_reference.py``, ``node_crud.py``, ``provision.py``), prepared by ``setup.sh ironic``. Reads need
``wrk``. The servers run one after the other, each with a fresh database.
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
_PAUSE_BETWEEN_ROWS_S = 1.0
"""Pause before a row of reads, so that aborted requests of the previous row do not count as load."""
_STARTS = 3
"""Number of starts of each server. The fastest one counts."""
_COMPILING_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": ""}
"""Environment in which Python caches byte code, as in an installation. Otherwise each start would compile our modules."""
_VERSION = "1.72"
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass
class Row:
    """One measurement: a rate or a time, latencies in milliseconds, and errors."""

    value: float
    unit: str = "/s"
    median: float | None = None
    p99: float | None = None
    errors: str = ""

    def improvement_over(self, reference: Row) -> float:
        """Return how many times better than the reference this value is."""
        return self.value / reference.value if self.unit == "/s" else reference.value / self.value


@dataclass
class Server:
    """A running server and its measurements."""

    url: str
    pid: int
    rows: dict[str, Row] = field(default_factory=dict)

    def record_memory(self, when: str) -> None:
        """Record the resident memory of all processes of the server."""
        pids = [self.pid, *_find_children(self.pid)]
        self.rows[f"memory {when}"] = Row(sum(_read_resident_kib(pid) for pid in pids) / 1024, "MiB")


def main() -> None:
    """Measure both servers and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description="Compare this service with Ironic.")
    parser.add_argument("--checks", type=Path, required=True, help="directory of the check scripts")
    parser.add_argument("--only", default=",".join(_PARTS), help=f"measurements, separated by commas: {', '.join(_PARTS)}")
    parser.add_argument("--seconds", type=int, default=3, help="seconds for each row of reads (default: 3)")
    parser.add_argument("--nodes", type=int, default=100, help="nodes to create, deploy and delete (default: 100)")
    options = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, start in (("reference", run_ironic), ("ours", run_metald)):
            with start(Path(directory), options.checks) as server:
                measure(server, options)
                rows[name] = server.rows
    print_table(rows["reference"], rows["ours"])


@contextlib.contextmanager
def run_ironic(directory: Path, checks: Path) -> Iterator[Server]:
    """Run Ironic within the block. Its schema is created before the measured starts."""
    port, home = _free_port(), directory / "reference"
    control = [sys.executable, str(checks / "ironic_reference.py")]
    stop = [*control, "stop", "--dir", str(home)]
    try:
        starts = []
        for number in range(_STARTS):
            if number:
                _run(stop)
            keep_database = ["--keep-db"] if number else []
            arguments = ["--dir", str(home), "--port", str(port), "--settle", "1", *keep_database]
            report = json.loads(_run([*control, "start", *arguments]).splitlines()[-1])
            starts.append(report["start_to_200_s"])
        server = Server(f"http://127.0.0.1:{port}", report["pid"])
        server.rows["start to first answer"] = Row(min(starts), "s")
        yield server
    finally:
        _run(stop)


@contextlib.contextmanager
def run_metald(directory: Path, checks: Path) -> Iterator[Server]:
    """Run metald within the block. Its schema is created before the measured starts."""
    home, port = directory / "ours", _free_port()
    home.mkdir()
    command = [sys.executable, "-m", "metald", "serve", "--port", str(port), "--state-dir", str(home / "state")]
    with Child("metald", command, home, _COMPILING_ENVIRONMENT) as child:
        child.wait_for_line("metald ready: ", 60.0)
    starts = []
    for number in range(_STARTS):
        begin = time.perf_counter()
        with Child("metald", command, home, _COMPILING_ENVIRONMENT) as child:
            while not _is_answering(port):
                time.sleep(0.01)
            starts.append(time.perf_counter() - begin)
            if number == _STARTS - 1:
                server = Server(f"http://127.0.0.1:{port}", child.pid)
                server.rows["start to first answer"] = Row(min(starts), "s")
                time.sleep(1.0)
                yield server


def measure(server: Server, options: argparse.Namespace) -> None:
    """Run the selected measurements of one server."""
    parts = set(options.only.split(","))
    server.record_memory("idle")
    if "writes" in parts:
        for clients in (1, 10):
            measure_writes(server, options, clients)
    if "lives" in parts:
        measure_lifecycles(server, options)
    if "reads" in parts:
        measure_reads(server, options)
    time.sleep(_PAUSE_BETWEEN_ROWS_S)
    server.record_memory("afterwards")


def measure_writes(server: Server, options: argparse.Namespace, clients: int) -> None:
    """Measure creation and deletion of nodes."""
    output = _run(_check_command(options, "node_crud.py", "--url", server.url, "--n", options.nodes, "--threads", clients))
    for line in map(json.loads, output.splitlines()):
        server.rows[f"{line['op']}, {clients} clients"] = Row(
            line["per_s"], "/s", line["p50_ms"], line["p99_ms"], str(line["errors"] or "")
        )


def measure_lifecycles(server: Server, options: argparse.Namespace) -> None:
    """Measure manage, provide, active and deleted, each for all nodes at once."""
    output = _run(_check_command(options, "provision.py", "--url", server.url, "--n", options.nodes))
    for line in map(json.loads, output.splitlines()):
        errors = {code: count for code, count in line.get("http", {}).items() if not code.startswith(("2", "409"))}
        name = f"{line['phase']} of {options.nodes} at once"
        server.rows[name] = Row(line["s"], "s", errors=str(errors or ""))


def measure_reads(server: Server, options: argparse.Namespace) -> None:
    """Measure reads of one node, a list and a detailed list, each over 1, 16 and 64 connections."""
    _run(_check_command(options, "node_crud.py", "--url", server.url, "--n", 100, "--threads", 4, "--keep", "--prefix", "kept"))
    connection = HTTPConnection(server.url.partition("://")[2])
    connection.request("GET", "/v1/nodes?limit=1")
    node = json.loads(connection.getresponse().read())["nodes"][0]["uuid"]
    for what, path in _READS.items():
        for count in _CONNECTIONS:
            time.sleep(_PAUSE_BETWEEN_ROWS_S)
            server.rows[f"{what}, {count} connections"] = _measure_read(
                server.url + path.format(node=node), count, options.seconds
            )


def _measure_read(url: str, connections: int, seconds: int) -> Row:
    """Run wrk with *connections* connections and return its figures."""
    load = [f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
    output = _run(["wrk", *load, "-H", f"X-OpenStack-Ironic-API-Version: {_VERSION}", url])
    times = {name: _to_milliseconds(value) for name, value in re.findall(r"^ +(50|99)% +(\S+)", output, re.MULTILINE)}
    rate = re.search(r"Requests/sec: +([\d.]+)", output)
    errors = "; ".join(re.findall(r"(?:Socket errors|Non-2xx).*", output))
    return Row(float(rate[1]), "/s", times["50"], times["99"], errors)  # type: ignore[index]


def print_table(reference: dict[str, Row], ours: dict[str, Row]) -> None:
    """Print one line per measurement. The last column has errors and latencies above those of the reference."""
    print(f"{'':34}{'reference':>12}{'ours':>12}{'times':>8}  {'median':>10}{'our p99':>10}  (ms)")
    for name, row in ours.items():
        before = reference[name]
        latency = f"{before.median or 0:>10.1f}{row.p99 or 0:>10.1f}" if row.median is not None else " " * 20
        late = "p99 is late" if row.p99 is not None and before.median is not None and row.p99 > before.median else ""
        print(
            f"{name:34}{before.value:>10.1f}{before.unit:<3}{row.value:>9.1f}{row.unit:<3}{row.improvement_over(before):>6.1f}  "
            f"{latency}  {' '.join(filter(None, (late, row.errors)))}"
        )
    print(json.dumps({name: round(row.improvement_over(reference[name]), 2) for name, row in ours.items()}))


def _check_command(options: argparse.Namespace, script: str, *arguments: Any) -> list[str]:
    return [sys.executable, str(options.checks / script), *map(str, arguments)]


def _run(command: list[str]) -> str:
    # PYTHONPATH of this process would make the other server import our packages.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | _COMPILING_ENVIRONMENT
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def _to_milliseconds(duration: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", duration).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _is_answering(port: int) -> bool:
    with contextlib.suppress(OSError):
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/v1/")
        return connection.getresponse().status == 200
    return False


def _find_children(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text(encoding="ascii").split()):
            children += [child, *_find_children(child)]
    return children


def _read_resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


if __name__ == "__main__":
    main()
