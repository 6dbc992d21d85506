"""CPU time that metrics add to a request: services with and without metrics, measured alternately in one run.

Run it as ``python -m benchmarks.metrics_cost [--rounds N]``. Each line of JSON has the CPU time of the service for one request in
microseconds, and the ratio. Each figure is the minimum of the rounds, because other load on the machine only adds to it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.service import MeasuredService, run_service

_HEADERS = {"X-OpenStack-Ironic-API-Version": "1.80", "Content-Type": "application/json"}
_NODE = json.dumps({"driver": "fake-hardware"})


def main() -> None:
    """Measure reads and creations."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics_cost", description="Measure what metrics cost.")
    parser.add_argument("--rounds", type=int, default=60, help="number of rounds of each service (default: 60)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory:
        without = Path(directory) / "without.conf"
        without.write_text("[metrics]\nendpoint = none\n", encoding="utf-8")
        with run_service("--config-file", str(without)) as bare, run_service() as metered:
            bare_client, metered_client = MeasuringClient(bare), MeasuringClient(metered)
            compare("read", bare_client.read, metered_client.read, rounds=rounds, times=100)
            compare("create", bare_client.create, metered_client.create, rounds=rounds, times=20)


class MeasuringClient:
    """A connection to a service that measures the CPU time of the service."""

    def __init__(self, service: MeasuredService) -> None:
        self._pid = service.pid
        self._connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=30)
        self._node = service.client.create_node({"driver": "fake-hardware"})["uuid"]

    def read(self, times: int) -> float:
        """Return the CPU time in microseconds for each read of a node."""
        return self._measure("GET", f"/v1/nodes/{self._node}", None, times)

    def create(self, times: int) -> float:
        """Return the CPU time in microseconds for each creation of a node."""
        return self._measure("POST", "/v1/nodes", _NODE, times)

    def _measure(self, method: str, path: str, body: str | None, times: int) -> float:
        before = self._cpu_seconds()
        for _ in range(times):
            self._connection.request(method, path, body, _HEADERS)
            response = self._connection.getresponse()
            response.read()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path} failed with {response.status}")
        return 1e6 * (self._cpu_seconds() - before) / times

    def _cpu_seconds(self) -> float:
        # The CPU clock of another process, as clock_getcpuclockid(3) computes its ID on Linux.
        return time.clock_gettime(~self._pid << 3 | 2)


def compare(name: str, bare: Callable[[int], float], metered: Callable[[int], float], *, rounds: int, times: int) -> None:
    """Measure both services alternately, and print the figures."""
    bare(times), metered(times)
    results = [(bare(times), metered(times)) for _ in range(rounds)]
    without, with_metrics = (min(times) for times in zip(*results, strict=True))
    figures = {"none_us": round(without, 1), "metrics_us": round(with_metrics, 1), "ratio": round(with_metrics / without, 3)}
    print(json.dumps({"measure": name, **figures}), flush=True)


if __name__ == "__main__":
    main()
