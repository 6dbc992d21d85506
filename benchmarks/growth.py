"""CPU time of requests as the fleet grows: services with 100, 1,000 and 10,000 nodes, measured alternately in one run.

Run it as ``python -m benchmarks.growth [--sizes 100,1000,10000] [--rounds N]``. Each request yields a line of JSON with the CPU
time of the service in microseconds at each size, and the ratio of the largest fleet to the smallest. Each figure is the minimum
of the rounds, because other load on the machine only adds to it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.service import MeasuredService, run_service

_VERSION = "1.104"
_BATCH_SIZE = 500
_REQUESTS_PER_ROUND = 10
_PROJECT = "0d1d2d3d4d5d6d7d8d9dadbdcdddedf0"
_RARE_NODES = 50
"""Number of nodes that a filter for a rare property finds in every fleet. They are the last nodes."""


def main() -> None:
    """Measure the requests at services of all sizes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description="Measure what a growing fleet costs.")
    parser.add_argument("--sizes", default="100,1000,10000", help="numbers of nodes, separated by commas")
    parser.add_argument("--rounds", type=int, default=20, help=f"rounds of {_REQUESTS_PER_ROUND} requests (default: 20)")
    options = parser.parse_args()
    with ExitStack() as stack:
        quiet = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "quiet.conf"
        # Background work would count as CPU time of the requests.
        quiet.write_text("[conductor]\nsync_power_state_interval = 0\n", encoding="utf-8")
        sizes = [int(size) for size in options.sizes.split(",")]
        services = [FilledService(stack.enter_context(run_service("--config-file", str(quiet))), size) for size in sizes]
        for name in services[0].requests:
            rounds = [[service.measure(name) for service in services] for _ in range(options.rounds)]
            minimums = [min(times) for times in zip(*rounds, strict=True)]
            figures = {f"us_at_{size}": round(minimum) for size, minimum in zip(sizes, minimums, strict=True)}
            print(json.dumps({"measure": name, **figures, "ratio": round(minimums[-1] / minimums[0], 2)}), flush=True)


class FilledService:
    """A service with *size* nodes, and a connection to it."""

    def __init__(self, service: MeasuredService, size: int) -> None:
        self._pid = service.pid
        self._connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
        for begin in range(0, size, _BATCH_SIZE):
            nodes = [_build_node(number, size) for number in range(begin, min(begin + _BATCH_SIZE, size))]
            results = self._request("POST", "/v1/bulk/nodes", {"nodes": nodes})["results"]
            assert all(result["status"] == 201 for result in results), results[0]
        middle = self._request("GET", f"/v1/nodes/node-{size // 2:05}")["uuid"]
        self.requests = _build_requests(middle)
        self._numbers: Iterator[int] = iter(range(10**9))

    def measure(self, name: str) -> float:
        """Return the CPU time in microseconds that the service spends on one request."""
        method, path, body = self.requests[name]
        before = self._cpu_seconds()
        for _ in range(_REQUESTS_PER_ROUND):
            # A new number in each body: the service would not write an unchanged value.
            self._request(method, path, None if body is None else json.loads(body % next(self._numbers)))
        return 1e6 * (self._cpu_seconds() - before) / _REQUESTS_PER_ROUND

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-OpenStack-Ironic-API-Version": _VERSION, "Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path} failed with {response.status}: {content[:300]!r}")
        return json.loads(content)

    def _cpu_seconds(self) -> float:
        # The CPU clock of another process, as clock_getcpuclockid(3) computes its ID on Linux.
        return time.clock_gettime(~self._pid << 3 | 2)


def _build_node(number: int, size: int) -> dict[str, Any]:
    is_rare = number >= size - _RARE_NODES
    values = {
        "name": f"node-{number:05}",
        "driver": "fake-hardware",
        "resource_class": "rare" if is_rare else "common",
        "properties": {"cpus": 8, "memory_mb": 16384, "local_gb": 100, "cpu_arch": "x86_64"},
        "extra": {"rack": f"r{number // 40}"},
    }
    if is_rare:
        return values | {"lessee": _PROJECT, "maintenance": True, "shard": "last", "parent_node": None}
    return values | ({"owner": _PROJECT} if number % 2 else {})


def _build_requests(node: str) -> dict[str, tuple[str, str, str | None]]:
    """Return the measured requests by name: method, path, and body with a placeholder for a number."""
    pages = {
        "page of 100": "limit=100",
        "page of 100 from the middle": f"limit=50&marker={node}",
        "page of 50, last first": "limit=50&sort_dir=desc",
        "page of 50 by name": "limit=50&sort_key=name",
        "page of 50 by state from the middle": f"limit=50&sort_key=provision_state&marker={node}",
        "filtered, what most have": "limit=50&driver=fake-hardware&provision_state=enroll",
        "filtered, what few have": "limit=50&resource_class=rare",
        "filtered, few in maintenance": "limit=50&maintenance=true",
        "filtered, few with a shard": "limit=50&sharded=true",
        "filtered, none with an instance": "limit=50&associated=true",
        "filtered by owner": f"limit=20&owner={_PROJECT}",
        "filtered by project": f"limit=20&project={_PROJECT}",
    }
    return {
        "one node": ("GET", f"/v1/nodes/{node}", None),
        **{name: ("GET", f"/v1/nodes?{query}", None) for name, query in pages.items()},
        "page of 100 with details": ("GET", "/v1/nodes/detail?limit=100", None),
        "PATCH": ("PATCH", f"/v1/nodes/{node}", '[{"op": "add", "path": "/extra/number", "value": %d}]'),
    }


if __name__ == "__main__":
    main()
