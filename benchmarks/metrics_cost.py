"""What metrics cost a request: two services in one run, with and without them, in turns; one line of JSON for each figure.

Run it as ``python -m benchmarks.metrics_cost [--rounds N]``. It gives the processor time of the service for each request, in
microseconds, and its ratio: the least of the rounds, as what else goes on in the machine only adds to it.
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

from benchmarks.service import Measured, running

_HEADERS = {"X-OpenStack-Ironic-API-Version": "1.80", "Content-Type": "application/json"}
_NODE = json.dumps({"driver": "fake-hardware"})


def main() -> None:
    """Measure reads and creates."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics_cost", description="Measure what metrics cost.")
    parser.add_argument("--rounds", type=int, default=60, help="turns of each service (default: 60)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory:
        without = Path(directory) / "without.conf"
        without.write_text("[metrics]\nendpoint = none\n", encoding="utf-8")
        with running("--config-file", str(without)) as bare, running() as metered:
            compare("read", Client(bare).read, Client(metered).read, rounds, 100)
            compare("create", Client(bare).create, Client(metered).create, rounds, 20)


class Client:
    """One connection to a service."""

    def __init__(self, service: Measured) -> None:
        self._pid = service.pid
        self._connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=30)
        self._node = service.client.create_node({"driver": "fake-hardware"})["uuid"]

    def read(self, times: int) -> float:
        """Microseconds of processor time for each read of a node."""
        return self._spent("GET", f"/v1/nodes/{self._node}", None, times)

    def create(self, times: int) -> float:
        """Microseconds of processor time for each node that is created."""
        return self._spent("POST", "/v1/nodes", _NODE, times)

    def _spent(self, method: str, path: str, body: str | None, times: int) -> float:
        before = self._processor_seconds()
        for _ in range(times):
            self._connection.request(method, path, body, _HEADERS)
            answer = self._connection.getresponse()
            answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path} was answered with {answer.status}")
        return 1e6 * (self._processor_seconds() - before) / times

    def _processor_seconds(self) -> float:
        # The clock of another process, as clock_getcpuclockid(3) makes it on Linux.
        return time.clock_gettime(~self._pid << 3 | 2)


def compare(what: str, bare: Callable[[int], float], metered: Callable[[int], float], rounds: int, times: int) -> None:
    """Let both do the same in turns, and tell."""
    bare(times), metered(times)
    turns = [(bare(times), metered(times)) for _ in range(rounds)]
    without, with_metrics = (min(one[side] for one in turns) for side in (0, 1))
    figures = {"none_us": round(without, 1), "metrics_us": round(with_metrics, 1), "ratio": round(with_metrics / without, 3)}
    print(json.dumps({"measure": what, **figures}), flush=True)


if __name__ == "__main__":
    main()
