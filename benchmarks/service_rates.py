"""What a service does in a second over HTTP, and what it weighs: one line of JSON for each figure.

Run it as ``python -m benchmarks.service_rates [--nodes N] [--clients N]``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.service import Measured, running


def main() -> None:
    """Measure everything, one thing after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service_rates", description="Measure a service.")
    parser.add_argument("--nodes", type=int, default=200, help="nodes to create, read and delete (default: 200)")
    parser.add_argument("--clients", type=int, default=10, help="clients at the same time (default: 10)")
    given = parser.parse_args()
    with running() as service:
        tell("start", seconds=service.seconds, mebibytes=service.mebibytes, threads=service.threads)
        measure_nodes(service, given.nodes, 1)
        measure_nodes(service, given.nodes, given.clients)
        measure_lives(service, given.nodes // 2, given.clients)
        tell("afterwards", mebibytes=service.mebibytes, threads=service.threads)


def measure_nodes(service: Measured, count: int, clients: int) -> None:
    """Rates of creation, reading and deletion, over a new connection for each request."""
    client = service.client
    fields = {"driver": "fake-hardware", "properties": {"cpus": 4, "memory_mb": 8192}}
    nodes = rate("create", count, clients, lambda _: client.create_node(fields)["uuid"])
    rate("read one", count, clients, lambda number: client.get_node(nodes[number]))
    rate("list details", 20, clients, lambda _: client.request("GET", "/v1/nodes/detail?limit=100"))
    rate("delete", count, clients, lambda number: client.request("DELETE", f"/v1/nodes/{nodes[number]}"))


def measure_lives(service: Measured, count: int, clients: int) -> None:
    """Nodes from enrolment through deployment to deletion, each polled by its client."""
    rate("whole lives", count, clients, lambda _: live(service))


def live(service: Measured) -> None:
    """Take one simulated machine through its life."""
    client = service.client
    node = client.create_node({"driver": "fake-hardware"})["uuid"]
    for verb, goal in (("manage", "manageable"), ("provide", "available"), ("active", "active"), ("deleted", "available")):
        client.set_provision_state(node, verb)
        while (found := client.get_node(node))["provision_state"] != goal or found["reservation"]:
            if found["last_error"]:
                raise RuntimeError(f"{verb}: {found['last_error']}")
            time.sleep(0.02)
    client.request("DELETE", f"/v1/nodes/{node}")


def rate(what: str, count: int, clients: int, call: Callable[[int], Any]) -> list[Any]:
    """Call *count* times with the numbers from 0 on, *clients* at a time, and tell how many that is a second."""
    seconds: list[float] = []

    def timed(number: int) -> Any:
        begin = time.perf_counter()
        try:
            return call(number)
        finally:
            seconds.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        results = list(threads.map(timed, range(count)))
    elapsed = time.perf_counter() - begin
    times = {"median_ms": 1e3 * share(seconds, 0.5), "p99_ms": 1e3 * share(seconds, 0.99)}
    tell(what, count=count, clients=clients, per_second=count / elapsed, **times)
    return results


def share(values: Iterable[float], part: float) -> float:
    """The value that *part* of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def tell(what: str, **figures: float) -> None:
    """Print one line."""
    print(json.dumps({"what": what, **{name: round(figure, 3) for name, figure in figures.items()}}), flush=True)


if __name__ == "__main__":
    main()
