"""What power sync promises, measured: one line of JSON for each proof, with what it is compared to in the same run.

Run it as ``python -m benchmarks.power_proofs rate|slow|https|ipmi|dead|interval [--nodes N]``. Each line has what is asked for
and whether it was met, and the load of the machine before and after: figures of a machine that others use are noise.
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
from benchmarks.fleet import Fleet, running_fleet
from benchmarks.readers import reading
from metald.garbage_collection import tune_garbage_collector

DEPLOYS = 100


def main() -> None:
    """Run the proof that is named, and print its line."""
    given = _arguments()
    power_sync.raise_descriptor_limit()
    tune_garbage_collector()  # as metald does when it is ready
    before = os.getloadavg()[0]
    figures = PROOFS[given.proof](given)
    load = [round(before, 1), round(os.getloadavg()[0], 1)]
    print(json.dumps({"proof": given.proof, **figures, "load_before_and_after": load}), flush=True)


def rate(given: argparse.Namespace) -> dict[str, Any]:
    """At 100 ms an answer, as fast as it goes: reads in a second, memory, the API meanwhile, and a bare loop beside it."""
    with running_fleet(_fleet(given, latency=0.1)) as fleet:
        figures = _full_speed(fleet, given)
        figures["bare"] = round(len(fleet.live) / power_sync.bare(fleet))
    figures["share_of_bare"] = round(figures["rate"] / figures["bare"], 2)
    met = figures["rate"] >= 1500 and figures["peak_mib"] < 250 and figures["api_p99_ms"] < 50 and figures["share_of_bare"] >= 0.8
    return {**figures, "asked": "rate >= 1500, peak < 250 MiB, p99 < 50 ms, 80 % of bare", "met": met}


def slow(given: argparse.Namespace) -> dict[str, Any]:
    """At 1 s an answer: seconds until every node has been read once more."""
    with running_fleet(_fleet(given, latency=1.0)) as fleet, _synced(fleet, given, interval=1.0, workers=1000) as (conductor, _):
        sync = conductor.assembly.power_sync
        power_sync.until(lambda: sync.answered >= len(fleet.live))
        before, begin = sync.answered, time.perf_counter()
        power_sync.until(lambda: sync.answered >= before + len(fleet.live))
        seconds = time.perf_counter() - begin
    return {"nodes": len(fleet.live), "seconds": round(seconds, 1), "asked": "within 20 s", "met": seconds < 20}


def https(given: argparse.Namespace) -> dict[str, Any]:
    """Over kept TLS connections."""
    with running_fleet(_fleet(given, latency=0.1, tls=True)) as fleet:
        figures = _full_speed(fleet, given)
    met = figures["rate"] >= 500 and figures["peak_mib"] < 1024
    return {**figures, "asked": "rate >= 500, peak < 1 GiB", "met": met}


def ipmi(given: argparse.Namespace) -> dict[str, Any]:
    """Over kept RMCP+ sessions."""
    with running_fleet(_fleet(given, latency=0.1, ipmi=True)) as fleet:
        figures = _full_speed(fleet, given)
        figures["bare"] = round(len(fleet.live) / power_sync.bare(fleet))
    return {**figures, "asked": "rate >= 300", "met": figures["rate"] >= 300}


def dead(given: argparse.Namespace) -> dict[str, Any]:
    """With 5 % of the BMCs dead and 1 % hung: the rate beside that without them, and how late a live node is at most."""
    with running_fleet(_fleet(given, latency=0.1)) as fleet:
        without = _full_speed(fleet, given)["rate"]
    with running_fleet(_fleet(given, latency=0.1, dead=0.05, hung=0.01)) as fleet:
        share = _full_speed(fleet, given)["rate"] / without
        latest = _latest(fleet, given)
    asked = f"80 % of the rate without, and no live node later than its interval of {given.interval:g} s"
    met = share > 0.8 and latest < given.interval
    return {"rate_without": without, "share_with": round(share, 2), "latest_s": round(latest, 2), "asked": asked, "met": met}


def interval(given: argparse.Namespace) -> dict[str, Any]:
    """Every node once in a minute: the API and deployments beside it, compared to the same alone."""
    with running_fleet(_fleet(given, latency=0.1)) as fleet, _enrolled(fleet) as (base, nodes):
        machines = _deployable(base)
        alone = _beside(base, nodes, machines, 0.0, given)
        beside = _beside(base, nodes, machines, 60.0, given)
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
    "rate": rate,
    "slow": slow,
    "https": https,
    "ipmi": ipmi,
    "dead": dead,
    "interval": interval,
}
_NODES = {"rate": 1000, "slow": 10_000, "https": 10_000, "ipmi": 1000, "dead": 1000, "interval": 10_000}


def _full_speed(fleet: Fleet, given: argparse.Namespace) -> dict[str, Any]:
    with _synced(fleet, given, interval=max(0.2, len(fleet.infos) / 5000), workers=300) as (conductor, url):
        sync = conductor.assembly.power_sync
        power_sync.until(lambda: sync.answered >= len(fleet.live))
        with reading(url) as latencies:
            before, begin, cpu = sync.answered, time.perf_counter(), time.process_time()
            time.sleep(given.seconds)
            reads, seconds, cpu = sync.answered - before, time.perf_counter() - begin, time.process_time() - cpu
        threads = threading.active_count()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    p99 = latencies.quantiles()["p99_ms"]
    figures = {"nodes": len(fleet.infos), "rate": round(reads / seconds), "cpu_us": round(1e6 * cpu / max(1, reads))}
    return {**figures, "threads": threads, "peak_mib": peak, "api_p99_ms": p99}


def _latest(fleet: Fleet, given: argparse.Namespace) -> float:
    """The longest time for which a live node was overdue, within two intervals after the dead ones are known."""
    with _synced(fleet, given, interval=given.interval, workers=300) as (conductor, _):
        sync = conductor.assembly.power_sync
        time.sleep(given.interval * 2)
        latest, end = 0.0, time.perf_counter() + 2 * given.interval
        while time.perf_counter() < end:
            latest = max(latest, sync.lag)
            time.sleep(0.05)
    return latest


def _beside(
    base: ConductorConfig, nodes: list[str], machines: list[str], every: float, given: argparse.Namespace
) -> tuple[float, float]:
    """The API's 99th percentile in milliseconds, and the seconds of the deployments, with power sync at this interval."""
    with power_sync.synced(base, argparse.Namespace(interval=every, workers=300)) as (conductor, server):
        sync = conductor.assembly.power_sync
        power_sync.until(lambda: not every or sync.answered >= len(nodes))  # sessions are open, as in all sweeps but the first
        with reading(f"{server.url}/v1/nodes/{nodes[0]}") as latencies:
            time.sleep(given.seconds)
        begin = time.perf_counter()
        _all(conductor, machines, "active", "active")
        seconds = time.perf_counter() - begin
        _all(conductor, machines, "deleted", "available")
    return float(latencies.quantiles()["p99_ms"]), seconds


def _deployable(base: ConductorConfig) -> list[str]:
    with Conductor(power_sync.with_options(base, ConductorOptions(sync_power_state_interval=0))) as conductor:
        machines = [
            conductor.rpc.call(
                "create_node", values={"driver": "fake-hardware", "driver_info": {"fake_machine": f"d{number}"}}
            ).uuid
            for number in range(DEPLOYS)
        ]
        _all(conductor, machines, "manage", "manageable")
        _all(conductor, machines, "provide", "available")
    return machines


def _all(conductor: Conductor, machines: list[str], verb: str, reached: str) -> None:
    for machine in machines:
        conductor.rpc.call("change_provision_state", node=machine, verb=verb)
    wanted = set(machines)
    power_sync.until(lambda: wanted <= {row.uuid for row in conductor.nodes(fields=("uuid",), provision_state=reached)})
    if not conductor.config.conductor.sync_power_state_interval:
        settle(conductor)


@contextmanager
def _synced(fleet: Fleet, given: argparse.Namespace, *, interval: float, workers: int) -> Iterator[tuple[Conductor, str]]:
    with (
        _enrolled(fleet) as (base, nodes),
        power_sync.synced(base, argparse.Namespace(interval=interval, workers=workers)) as (conductor, server),
    ):
        yield conductor, f"{server.url}/v1/nodes/{nodes[0]}"


@contextmanager
def _enrolled(fleet: Fleet) -> Iterator[tuple[ConductorConfig, list[str]]]:
    with tempfile.TemporaryDirectory() as directory:
        database = DatabaseConfig(
            connection=f"sqlite:///{Path(directory) / 'nodes.sqlite'}", secret_key_file=str(Path(directory) / "key")
        )
        base = ConductorConfig(host="bench", api=APIConfig(port=0), database=database)
        yield base, power_sync.enrol(base, fleet)


def _fleet(given: argparse.Namespace, **how: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"nodes": given.nodes, "dead": 0.0, "hung": 0.0, "tls": False, "ipmi": False, **how})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power_proofs", description="Prove what power sync promises.")
    parser.add_argument("proof", choices=sorted(PROOFS))
    parser.add_argument("--nodes", type=int, help="by default 1,000, or 10,000 where the proof is about so many")
    parser.add_argument("--seconds", type=float, default=8.0, help="seconds of each measurement")
    parser.add_argument("--interval", type=float, default=15.0, help="interval of the proof about dead BMCs, in seconds")
    given = parser.parse_args()
    given.nodes = given.nodes or _NODES[given.proof]
    return given


if __name__ == "__main__":
    main()
