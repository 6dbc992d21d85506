"""Measurements of the promises of power sync, each with its limits and a comparison in the same run.

Run it as ``python -m benchmarks.power_proofs rate|slow|https|ipmi|dead|interval [--nodes N]``. The line of JSON has the limit,
whether it was met, and the load of the machine before and after. Other load on the machine makes the figures meaningless.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.config import APIConfig, ConductorOptions, DatabaseConfig
from baremetal_sdk.testing import settle
from benchmarks import power_sync
from benchmarks.fleet import Fleet, run_fleet
from benchmarks.readers import probe_latency
from metald.garbage_collection import tune_garbage_collector

DEPLOYS = 100


def main() -> None:
    """Run the selected proof and print its line."""
    options = _parse_arguments()
    power_sync.raise_descriptor_limit()
    tune_garbage_collector()  # as metald does once it is ready
    load_before = os.getloadavg()[0]
    figures = PROOFS[options.proof](options)
    load = [round(load_before, 1), round(os.getloadavg()[0], 1)]
    print(json.dumps({"proof": options.proof, **figures, "load_before_and_after": load}), flush=True)


def prove_rate(options: argparse.Namespace) -> dict[str, Any]:
    """Measure reads per second, memory and API latency at full speed with 100 ms per answer, and the rate of a bare loop."""
    with run_fleet(_fleet_options(options, latency=0.1)) as fleet:
        figures = _measure_full_speed(fleet, options)
        figures["bare"] = round(len(fleet.live) / power_sync.measure_bare_loop(fleet))
    figures["share_of_bare"] = round(figures["rate"] / figures["bare"], 2)
    met = figures["rate"] >= 1500 and figures["peak_mib"] < 250 and figures["api_p99_ms"] < 50 and figures["share_of_bare"] >= 0.8
    return {**figures, "asked": "rate >= 1500, peak < 250 MiB, p99 < 50 ms, 80 % of bare", "met": met}


def prove_slow(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the seconds for one read of every node with 1 s per answer."""
    fleet_options = _fleet_options(options, latency=1.0)
    with run_fleet(fleet_options) as fleet, _run_power_sync(fleet, interval=1.0, workers=1000) as (conductor, _):
        sync = conductor.components.power_sync
        power_sync.wait_until(lambda: sync.answers >= len(fleet.live))
        before, begin = sync.answers, time.perf_counter()
        power_sync.wait_until(lambda: sync.answers >= before + len(fleet.live))
        seconds = time.perf_counter() - begin
    return {"nodes": len(fleet.live), "seconds": round(seconds, 1), "asked": "within 20 s", "met": seconds < 20}


def prove_https(options: argparse.Namespace) -> dict[str, Any]:
    """Measure rate and memory over kept-alive TLS connections."""
    with run_fleet(_fleet_options(options, latency=0.1, tls=True)) as fleet:
        figures = _measure_full_speed(fleet, options)
    met = figures["rate"] >= 500 and figures["peak_mib"] < 1024
    return {**figures, "asked": "rate >= 500, peak < 1 GiB", "met": met}


def prove_ipmi(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the rate over kept-alive RMCP+ sessions."""
    with run_fleet(_fleet_options(options, latency=0.1, ipmi=True)) as fleet:
        figures = _measure_full_speed(fleet, options)
        figures["bare"] = round(len(fleet.live) / power_sync.measure_bare_loop(fleet))
    return {**figures, "asked": "rate >= 300", "met": figures["rate"] >= 300}


def prove_dead(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the effect of 5 % dead and 1 % hung BMCs on the rate, and the longest delay of a live node."""
    with run_fleet(_fleet_options(options, latency=0.1)) as fleet:
        without = _measure_full_speed(fleet, options)["rate"]
    with run_fleet(_fleet_options(options, latency=0.1, dead=0.05, hung=0.01)) as fleet:
        share = _measure_full_speed(fleet, options)["rate"] / without
        latest = _measure_longest_delay(fleet, options)
    asked = f"80 % of the rate without, and no live node later than its interval of {options.interval:g} s"
    met = share > 0.8 and latest < options.interval
    return {"rate_without": without, "share_with": round(share, 2), "latest_s": round(latest, 2), "asked": asked, "met": met}


def prove_interval(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the effect of one read of every node per minute on API latency and deployment time."""
    with run_fleet(_fleet_options(options, latency=0.1)) as fleet, _enroll_fleet(fleet) as (base, nodes):
        machines = _create_deployable_nodes(base)
        alone = _measure_api_and_deployments(base, nodes, machines, interval=0.0, options=options)
        beside = _measure_api_and_deployments(base, nodes, machines, interval=60.0, options=options)
    p99, deploys = beside[0] / alone[0], beside[1] / alone[1]
    return {
        "nodes": len(nodes),
        "p99_ms": [alone[0], beside[0]],
        "p99_times": round(p99, 2),
        "deploys_s": [round(alone[1], 1), round(beside[1], 1)],
        "deploys_times": round(deploys, 2),
        "asked": "p99 at most 3 times that of an idle service, deploys at most 1.5 times their time alone",
        "met": p99 <= 3 and deploys <= 1.5,
    }


PROOFS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "rate": prove_rate,
    "slow": prove_slow,
    "https": prove_https,
    "ipmi": prove_ipmi,
    "dead": prove_dead,
    "interval": prove_interval,
}
_DEFAULT_NODES = {"rate": 1000, "slow": 10_000, "https": 10_000, "ipmi": 1000, "dead": 1000, "interval": 10_000}


def _measure_full_speed(fleet: Fleet, options: argparse.Namespace) -> dict[str, Any]:
    with _run_power_sync(fleet, interval=max(0.2, len(fleet.driver_infos) / 5000), workers=300) as (conductor, url):
        sync = conductor.components.power_sync
        power_sync.wait_until(lambda: sync.answers >= len(fleet.live))
        with probe_latency(url) as latencies:
            before, begin, cpu = sync.answers, time.perf_counter(), time.process_time()
            time.sleep(options.seconds)
            reads, seconds, cpu = sync.answers - before, time.perf_counter() - begin, time.process_time() - cpu
        threads = threading.active_count()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    p99 = latencies.compute_quantiles()["p99_ms"]
    figures = {"nodes": len(fleet.driver_infos), "rate": round(reads / seconds), "cpu_us": round(1e6 * cpu / max(1, reads))}
    return {**figures, "threads": threads, "peak_mib": peak, "api_p99_ms": p99}


def _measure_longest_delay(fleet: Fleet, options: argparse.Namespace) -> float:
    """Return the longest time that a live node was overdue during two intervals, after the dead nodes are known."""
    with _run_power_sync(fleet, interval=options.interval, workers=300) as (conductor, _):
        sync = conductor.components.power_sync
        time.sleep(options.interval * 2)
        latest, end = 0.0, time.perf_counter() + 2 * options.interval
        while time.perf_counter() < end:
            latest = max(latest, sync.poller.lag)
            time.sleep(0.05)
    return latest


def _measure_api_and_deployments(
    base: ConductorConfig, nodes: list[str], machines: list[str], *, interval: float, options: argparse.Namespace
) -> tuple[float, float]:
    """Return the API's 99th percentile in milliseconds and the duration of the deployments in seconds."""
    sync_options = argparse.Namespace(interval=interval, workers=300)
    with power_sync.run_power_sync(base, sync_options) as (conductor, server):
        sync = conductor.components.power_sync
        # The first sweep opens the sessions; only later sweeps are representative.
        power_sync.wait_until(lambda: not interval or sync.answers >= len(nodes))
        with probe_latency(f"{server.url}/v1/nodes/{nodes[0]}") as latencies:
            time.sleep(options.seconds)
        begin = time.perf_counter()
        _provision_all(conductor, machines, "active", "active")
        seconds = time.perf_counter() - begin
        _provision_all(conductor, machines, "deleted", "available")
    return float(latencies.compute_quantiles()["p99_ms"]), seconds


def _create_deployable_nodes(base: ConductorConfig) -> list[str]:
    with Conductor(power_sync.replace_options(base, ConductorOptions(sync_power_state_interval=0))) as conductor:
        machines = [
            conductor.rpc.call(
                "create_node", values={"driver": "fake-hardware", "driver_info": {"fake_machine": f"d{number}"}}
            ).uuid
            for number in range(DEPLOYS)
        ]
        _provision_all(conductor, machines, "manage", "manageable")
        _provision_all(conductor, machines, "provide", "available")
    return machines


def _provision_all(conductor: Conductor, machines: list[str], verb: str, state: str) -> None:
    for machine in machines:
        conductor.rpc.call("change_provision_state", node=machine, verb=verb)
    pending = set(machines)
    power_sync.wait_until(lambda: pending <= {row.uuid for row in conductor.nodes(fields=("uuid",), provision_state=state)})
    if not conductor.config.conductor.sync_power_state_interval:
        settle(conductor)


@contextmanager
def _run_power_sync(fleet: Fleet, *, interval: float, workers: int) -> Iterator[tuple[Conductor, str]]:
    with (
        _enroll_fleet(fleet) as (base, nodes),
        power_sync.run_power_sync(base, argparse.Namespace(interval=interval, workers=workers)) as (conductor, server),
    ):
        yield conductor, f"{server.url}/v1/nodes/{nodes[0]}"


@contextmanager
def _enroll_fleet(fleet: Fleet) -> Iterator[tuple[ConductorConfig, list[str]]]:
    with tempfile.TemporaryDirectory() as directory:
        database = DatabaseConfig(
            connection=f"sqlite:///{Path(directory) / 'nodes.sqlite'}", secret_key_file=str(Path(directory) / "key")
        )
        base = ConductorConfig(host="bench", api=APIConfig(port=0), database=database)
        yield base, power_sync.enroll(base, fleet)


def _fleet_options(options: argparse.Namespace, **changes: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"nodes": options.nodes, "dead": 0.0, "hung": 0.0, "tls": False, "ipmi": False, **changes})


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power_proofs", description="Measure the promises of power sync.")
    parser.add_argument("proof", choices=sorted(PROOFS))
    parser.add_argument("--nodes", type=int, help="number of nodes (default: 1,000 or 10,000, depending on the proof)")
    parser.add_argument("--seconds", type=float, default=8.0, help="seconds of each measurement (default: 8)")
    parser.add_argument("--interval", type=float, default=15.0, help="interval in seconds for the proof dead (default: 15)")
    options = parser.parse_args()
    options.nodes = options.nodes or _DEFAULT_NODES[options.proof]
    return options


if __name__ == "__main__":
    main()
