"""Power sync of a whole conductor against simulated BMCs, each with a separate address.

Run it as ``python -m benchmarks.power_sync [--nodes 1000] [--latency 0.1] [--tls | --ipmi] [--dead 0.05] [--hung 0.01]``. A
conductor with SQLite reads all nodes at full speed while a client reads its API. A bare loop of the same BMC client in the same
run shows the cost of the runtime. ``--interval 60`` reads each node once per minute instead. Each figure is a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from baremetal_interfaces import Deadline, TLSOptions
from baremetal_interfaces.http import HTTPSession, tls_context
from baremetal_ipmi.connector import IPMIConnector
from baremetal_ipmi.info import IPMIInfo
from baremetal_ipmi.power import IPMIPower
from baremetal_ipmi.session import IPMISession
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.api.app import bare_metal_api
from baremetal_sdk.api.server import APIServer
from baremetal_sdk.config import APIConfig, ConductorOptions, DatabaseConfig
from benchmarks.fleet import Fleet, run_fleet
from benchmarks.readers import probe_latency

THREADS = 256


def main() -> None:
    """Run the measurements and print the figures."""
    options = _parse_arguments()
    raise_descriptor_limit()
    with run_fleet(options) as fleet, tempfile.TemporaryDirectory() as directory:
        base = ConductorConfig(
            host="bench",
            api=APIConfig(port=0),
            database=DatabaseConfig(
                connection=f"sqlite:///{Path(directory) / 'nodes.sqlite'}", secret_key_file=str(Path(directory) / "key")
            ),
        )
        nodes = enroll(base, fleet)
        with run_power_sync(base, options) as (conductor, server):
            measure(conductor, server, nodes, options)
        print_figures("memory", peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        if options.interval < 5:
            seconds = measure_bare_loop(fleet)
            print_figures("bare loop", threads=THREADS, nodes=len(fleet.live), rate=round(len(fleet.live) / seconds))


def enroll(base: ConductorConfig, fleet: Fleet) -> list[str]:
    """Create a manageable node for each machine, before the measurement begins."""
    options = ConductorOptions(sync_power_state_interval=0)
    nodes = []
    with Conductor(replace_options(base, options)) as conductor:
        for info in fleet.driver_infos:
            record = conductor.rpc.call("create_node", values={"driver": fleet.driver, "driver_info": info})
            conductor.store.update_node(record.uuid, {"provision_state": "manageable"}, fence=None)
            nodes.append(record.uuid)
    return nodes


@contextmanager
def run_power_sync(base: ConductorConfig, sync_options: argparse.Namespace) -> Iterator[tuple[Conductor, APIServer]]:
    """Run a conductor with power sync, and its API, within the block."""
    options = ConductorOptions(sync_power_state_interval=sync_options.interval, workers_pool_size=sync_options.workers)
    conductor = Conductor(replace_options(base, options))
    server = APIServer(bare_metal_api(conductor), base.api)
    conductor.add(server)
    with conductor:
        yield conductor, server


def measure(conductor: Conductor, server: APIServer, nodes: list[str], options: argparse.Namespace) -> None:
    """Print the read rate: first of the sweep that opens the sessions, then over open sessions."""
    sync = conductor.components.power_sync
    live = len(nodes) - round(len(nodes) * (options.dead + options.hung))
    begin = time.perf_counter()
    wait_until(lambda: sync.answers >= live)
    print_figures("first sweep", nodes=live, seconds=round(time.perf_counter() - begin, 2))
    for number in range(options.rounds):
        with probe_latency(f"{server.url}/v1/nodes/{nodes[0]}") as latencies:
            before, begin = sync.answers, time.perf_counter()
            time.sleep(options.seconds)
            rate = round((sync.answers - before) / (time.perf_counter() - begin))
        known = sum(row.power_state is not None for row in conductor.nodes(fields=("power_state",)))
        figures = {"nodes": len(nodes), "known": known, "rate": rate, "late": sync.poller.due_nodes}
        print_figures(f"round {number}", **figures, threads=threading.active_count())
        print_figures("API meanwhile", **latencies.compute_quantiles())


def wait_until(condition: Callable[[], bool], timeout: float = 180.0) -> None:
    """Poll until *condition* is true. Raise ``TimeoutError`` after *timeout* seconds."""
    end = time.perf_counter() + timeout
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError(f"the condition is not true after {timeout:g} s")
        time.sleep(0.05)


def measure_bare_loop(fleet: Fleet) -> float:
    """Return the seconds for one read of each live machine over open sessions, without the runtime."""
    reads = _create_ipmi_reads(fleet) if fleet.driver == "ipmi" else _create_redfish_reads(fleet)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda read: read(), reads))
        begin = time.perf_counter()
        for _ in range(3):
            list(pool.map(lambda read: read(), reads))
        return (time.perf_counter() - begin) / 3


def _create_redfish_reads(fleet: Fleet) -> list[Callable[[], Any]]:
    context = tls_context(TLSOptions(verify=False)) if fleet.tls else None

    def create_read(info: dict[str, Any]) -> Callable[[], Any]:
        scheme, _, rest = info["redfish_address"].partition("://")
        host, _, port = rest.partition(":")
        session = HTTPSession(scheme, host, int(port), tls=context)
        return lambda: session.request("GET", info["redfish_system_id"], deadline=Deadline.after(60.0)).json()

    return [create_read(info) for info in fleet.live]


def _create_ipmi_reads(fleet: Fleet) -> list[Callable[[], Any]]:
    connector, power = IPMIConnector(), IPMIPower()

    def create_read(info: IPMIInfo) -> Callable[[], Any]:
        sessions: list[IPMISession] = []

        def read() -> Any:
            if not sessions:
                sessions.append(connector.open(info, None, Deadline.after(60.0)))
            return power.sample_power(sessions[0], info, Deadline.after(60.0))

        return read

    return [create_read(IPMIInfo.parse(info)) for info in fleet.live]


def print_figures(what: str, **figures: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps({"benchmark": "power sync", "what": what, **figures}), flush=True)


def replace_options(base: ConductorConfig, options: ConductorOptions) -> ConductorConfig:
    """Return the configuration with other options of the conductor."""
    return ConductorConfig(host=base.host, api=base.api, database=base.database, conductor=options)


def raise_descriptor_limit() -> None:
    """Raise the limit of open files to its maximum."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power_sync", description="Measure power sync.")
    parser.add_argument("--nodes", type=int, default=1000, help="number of nodes (default: 1000)")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds of each BMC answer (default: 0.1)")
    parser.add_argument("--interval", type=float, default=0.2, help="seconds between two reads of a node (default: full speed)")
    parser.add_argument("--seconds", type=float, default=8.0, help="seconds of each round (default: 8)")
    parser.add_argument("--rounds", type=int, default=2, help="number of rounds (default: 2)")
    parser.add_argument("--workers", type=int, default=300, help="size of the worker pool (default: 300)")
    parser.add_argument("--tls", action="store_true", help="use Redfish over TLS")
    parser.add_argument("--ipmi", action="store_true", help="use IPMI instead of Redfish")
    parser.add_argument("--dead", type=float, default=0.0, help="share of BMCs that answer no SYN (default: 0)")
    parser.add_argument(
        "--hung", type=float, default=0.0, help="share of BMCs that accept connections and never answer (default: 0)"
    )
    return parser.parse_args(sys.argv[1:])


if __name__ == "__main__":
    main()
