"""What requests cost as the fleet grows: the same ones to services with 100, 1,000 and 10,000 nodes, in turns, in one run.

Run it as ``python -m benchmarks.growth [--sizes 100,1000,10000] [--rounds N]``. A line of JSON for each request has the processor
time of the service at each size, in microseconds (the least of the rounds, as what else goes on in the machine only adds to
it), and the ratio of the largest fleet's to the smallest's.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.service import Measured, running

_VERSION = "1.104"
_BATCH = 500
_TIMES = 10
_PROJECT = "0d1d2d3d4d5d6d7d8d9dadbdcdddedf0"
_FEW = 50
"""Nodes that a filter for something rare finds in every fleet; they are the last ones."""


def main() -> None:
    """Fill a service for each size and measure all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description="Measure what a growing fleet costs.")
    parser.add_argument("--sizes", default="100,1000,10000", help="nodes in each service, with commas between them")
    parser.add_argument("--rounds", type=int, default=20, help=f"turns of {_TIMES} requests (default: 20)")
    given = parser.parse_args()
    with ExitStack() as stack:
        quiet = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "quiet.conf"
        # What goes on in the background is not what a request costs.
        quiet.write_text("[conductor]\nsync_power_state_interval = 0\n", encoding="utf-8")
        sizes = [int(size) for size in given.sizes.split(",")]
        fleets = [Fleet(stack.enter_context(running("--config-file", str(quiet))), size) for size in sizes]
        for what in fleets[0].requests:
            least = [min(turns) for turns in zip(*(_turn(fleets, what) for _ in range(given.rounds)), strict=True)]
            figures = {f"us_at_{size}": round(spent) for size, spent in zip(sizes, least, strict=True)}
            print(json.dumps({"measure": what, **figures, "ratio": round(least[-1] / least[0], 2)}), flush=True)


def _turn(fleets: Sequence[Fleet], what: str) -> list[float]:
    return [fleet.spent(what) for fleet in fleets]


class Fleet:
    """A service with *size* nodes, and one connection to it."""

    def __init__(self, service: Measured, size: int) -> None:
        self._pid = service.pid
        self._connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
        for begin in range(0, size, _BATCH):
            nodes = [_node(number, size) for number in range(begin, min(begin + _BATCH, size))]
            results = self._request("POST", "/v1/bulk/nodes", {"nodes": nodes})["results"]
            assert all(result["status"] == 201 for result in results), results[0]
        middle = self._request("GET", f"/v1/nodes/node-{size // 2:05}")["uuid"]
        self.requests = _requests(middle)
        self._numbers: Iterator[int] = iter(range(10**9))

    def spent(self, what: str) -> float:
        """Microseconds of processor time that the service spends on one of these requests."""
        method, path, body = self.requests[what]
        before = self._processor_seconds()
        for _ in range(_TIMES):
            # A change that changes nothing would not be written.
            self._request(method, path, None if body is None else json.loads(body % next(self._numbers)))
        return 1e6 * (self._processor_seconds() - before) / _TIMES

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-OpenStack-Ironic-API-Version": _VERSION, "Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path} was answered with {answer.status}: {content[:300]!r}")
        return json.loads(content)

    def _processor_seconds(self) -> float:
        # The clock of another process, as clock_getcpuclockid(3) makes it on Linux.
        return time.clock_gettime(~self._pid << 3 | 2)


def _node(number: int, size: int) -> dict[str, Any]:
    rare = number >= size - _FEW
    values = {
        "name": f"node-{number:05}",
        "driver": "fake-hardware",
        "resource_class": "rare" if rare else "common",
        "properties": {"cpus": 8, "memory_mb": 16384, "local_gb": 100, "cpu_arch": "x86_64"},
        "extra": {"rack": f"r{number // 40}"},
    }
    if rare:
        return values | {"lessee": _PROJECT, "maintenance": True, "shard": "last", "parent_node": None}
    return values | ({"owner": _PROJECT} if number % 2 else {})


def _requests(node: str) -> dict[str, tuple[str, str, str | None]]:
    """What is measured -> method, path, and a body with room for a number."""
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
        **{what: ("GET", f"/v1/nodes?{query}", None) for what, query in pages.items()},
        "page of 100 with details": ("GET", "/v1/nodes/detail?limit=100", None),
        "PATCH": ("PATCH", f"/v1/nodes/{node}", '[{"op": "add", "path": "/extra/number", "value": %d}]'),
    }


if __name__ == "__main__":
    main()
