"""Request rates, memory and threads of a service: one line of JSON for each figure.

Run it as ``python -m benchmarks.service_rates [--nodes N] [--clients N]``.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.service import MeasuredService, run_service


def main() -> None:
    """Run all measurements in order."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service_rates", description="Measure a service.")
    parser.add_argument("--nodes", type=int, default=200, help="nodes to create, read and delete (default: 200)")
    parser.add_argument("--clients", type=int, default=10, help="number of concurrent clients (default: 10)")
    options = parser.parse_args()
    with run_service() as service:
        print_figures("start", seconds=service.seconds, mebibytes=service.mebibytes, threads=service.threads)
        measure_nodes(service, options.nodes, 1)
        measure_nodes(service, options.nodes, options.clients)
        measure_lifecycles(service, options.nodes // 2, options.clients)
        print_figures("afterwards", mebibytes=service.mebibytes, threads=service.threads)


def measure_nodes(service: MeasuredService, count: int, clients: int) -> None:
    """Measure creation, reading and deletion of nodes, with a new connection for each request."""
    client = service.client
    fields = {"driver": "fake-hardware", "properties": {"cpus": 4, "memory_mb": 8192}}
    nodes = measure_rate("create", count, clients, lambda _: client.create_node(fields)["uuid"])
    measure_rate("read one", count, clients, lambda number: client.get_node(nodes[number]))
    measure_rate("list details", 20, clients, lambda _: client.request("GET", "/v1/nodes/detail?limit=100"))
    measure_rate("delete", count, clients, lambda number: client.request("DELETE", f"/v1/nodes/{nodes[number]}"))


def measure_lifecycles(service: MeasuredService, count: int, clients: int) -> None:
    """Measure nodes from creation through deployment to deletion, polled by their clients."""
    measure_rate("whole lives", count, clients, lambda _: run_lifecycle(service))


def run_lifecycle(service: MeasuredService) -> None:
    """Create, deploy, undeploy and delete a node. Each thread has one simulated machine, which stays when the node is deleted."""
    client = service.client
    info = {"fake_machine": threading.current_thread().name}
    node = client.create_node({"driver": "fake-hardware", "driver_info": info})["uuid"]
    for verb, state in (("manage", "manageable"), ("provide", "available"), ("active", "active"), ("deleted", "available")):
        client.set_provision_state(node, verb)
        while (record := client.get_node(node))["provision_state"] != state or record["reservation"]:
            if record["last_error"]:
                raise RuntimeError(f"{verb}: {record['last_error']}")
            time.sleep(0.02)
    client.request("DELETE", f"/v1/nodes/{node}")


def measure_rate(what: str, count: int, clients: int, call: Callable[[int], Any]) -> list[Any]:
    """Call *call* with 0 to *count* - 1 from *clients* threads, and print the rate. Return the results."""
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
    times = {"median_ms": 1e3 * quantile(seconds, 0.5), "p99_ms": 1e3 * quantile(seconds, 0.99)}
    print_figures(what, count=count, clients=clients, per_second=count / elapsed, **times)
    return results


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value at *share* (0 to 1) of the sorted values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def print_figures(what: str, **figures: float) -> None:
    """Print one line of JSON."""
    print(json.dumps({"what": what, **{name: round(figure, 3) for name, figure in figures.items()}}), flush=True)


if __name__ == "__main__":
    main()
