"""Power sync through the whole runtime against simulated BMCs, one on each address: a line of JSON for each figure.

Run it as ``python -m benchmarks.power_sync [--nodes 1000] [--latency 0.1] [--tls | --ipmi] [--dead 0.05] [--hung 0.01]``. A
conductor on SQLite, with an API that is read meanwhile, finds the nodes in its store and reads them as fast as it can.
Beside it, in the same run, a bare loop of the same client over kept sessions: the difference is what the runtime adds.
With ``--interval 60`` it is not driven at full speed.
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
from benchmarks.fleet import Fleet, running_fleet
from benchmarks.readers import reading

THREADS = 256


def main() -> None:
    """Print the figures."""
    given = _arguments()
    raise_descriptor_limit()
    with running_fleet(given) as fleet, tempfile.TemporaryDirectory() as directory:
        base = ConductorConfig(
            host="bench",
            api=APIConfig(port=0),
            database=DatabaseConfig(
                connection=f"sqlite:///{Path(directory) / 'nodes.sqlite'}", secret_key_file=str(Path(directory) / "key")
            ),
        )
        nodes = enrol(base, fleet)
        with synced(base, given) as (conductor, server):
            observe(conductor, server, nodes, given)
        tell("memory", peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        if given.interval < 5:
            seconds = bare(fleet)
            tell("bare loop", threads=THREADS, nodes=len(fleet.live), rate=round(len(fleet.live) / seconds))


def enrol(base: ConductorConfig, fleet: Fleet) -> list[str]:
    """Create a manageable node for each machine; that is over when the measurement begins."""
    options = ConductorOptions(sync_power_state_interval=0)
    nodes = []
    with Conductor(with_options(base, options)) as conductor:
        for info in fleet.infos:
            record = conductor.rpc.call("create_node", values={"driver": fleet.driver, "driver_info": info})
            conductor.store.update_node(record.uuid, {"provision_state": "manageable"}, fence=None)
            nodes.append(record.uuid)
    return nodes


@contextmanager
def synced(base: ConductorConfig, given: argparse.Namespace) -> Iterator[tuple[Conductor, APIServer]]:
    """A conductor whose power sync is at work, and its API."""
    options = ConductorOptions(sync_power_state_interval=given.interval, workers_pool_size=given.workers)
    conductor = Conductor(with_options(base, options))
    server = APIServer(bare_metal_api(conductor), base.api)
    conductor.add(server)
    with conductor:
        yield conductor, server


def observe(conductor: Conductor, server: APIServer, nodes: list[str], given: argparse.Namespace) -> None:
    """Print how fast nodes are read: first while sessions are opened, then over those that are kept."""
    sync = conductor.assembly.power_sync
    live = len(nodes) - round(len(nodes) * (given.dead + given.hung))
    begin = time.perf_counter()
    until(lambda: sync.answered >= live)
    tell("first sweep", nodes=live, seconds=round(time.perf_counter() - begin, 2))
    for number in range(given.rounds):
        with reading(f"{server.url}/v1/nodes/{nodes[0]}") as latencies:
            before, begin = sync.answered, time.perf_counter()
            time.sleep(given.seconds)
            rate = (sync.answered - before) / (time.perf_counter() - begin)
        known = sum(row.power_state is not None for row in conductor.nodes(fields=("power_state",)))
        tell(f"round {number}", nodes=len(nodes), known=known, rate=round(rate), late=sync.late, threads=threading.active_count())
        tell("API meanwhile", **latencies.quantiles())


def until(reached: Callable[[], bool], seconds: float = 180.0) -> None:
    """Wait for something, within a bound."""
    end = time.perf_counter() + seconds
    while not reached():
        if time.perf_counter() > end:
            raise TimeoutError("it takes too long")
        time.sleep(0.05)


def bare(fleet: Fleet) -> float:
    """Seconds for one read of each live machine over sessions that are open, with nothing around it."""
    reads = _ipmi_reads(fleet) if fleet.driver == "ipmi" else _redfish_reads(fleet)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda read: read(), reads))
        begin = time.perf_counter()
        for _ in range(3):
            list(pool.map(lambda read: read(), reads))
        return (time.perf_counter() - begin) / 3


def _redfish_reads(fleet: Fleet) -> list[Callable[[], Any]]:
    context = tls_context(TLSOptions(verify=False)) if fleet.tls else None

    def read_of(info: dict[str, Any]) -> Callable[[], Any]:
        scheme, _, rest = info["redfish_address"].partition("://")
        host, _, port = rest.partition(":")
        session = HTTPSession(scheme, host, int(port), tls=context)
        return lambda: session.request("GET", info["redfish_system_id"], deadline=Deadline.after(60.0)).json()

    return [read_of(info) for info in fleet.live]


def _ipmi_reads(fleet: Fleet) -> list[Callable[[], Any]]:
    connector, power = IPMIConnector(), IPMIPower()

    def read_of(info: IPMIInfo) -> Callable[[], Any]:
        opened: list[IPMISession] = []

        def read() -> Any:
            if not opened:
                opened.append(connector.open(info, None, Deadline.after(60.0)))
            return power.sample_power(opened[0], info, Deadline.after(60.0))

        return read

    return [read_of(IPMIInfo.parse(info)) for info in fleet.live]


def tell(what: str, **figures: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps({"benchmark": "power sync", "what": what, **figures}), flush=True)


def with_options(base: ConductorConfig, options: ConductorOptions) -> ConductorConfig:
    """The configuration with these options of the conductor."""
    return ConductorConfig(host=base.host, api=base.api, database=base.database, conductor=options)


def raise_descriptor_limit() -> None:
    """Have as many files open as may be."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power_sync", description="Measure power sync.")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds that each answer takes")
    parser.add_argument("--interval", type=float, default=0.2, help="seconds between two reads of a node; by default full speed")
    parser.add_argument("--seconds", type=float, default=8.0, help="seconds of each round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=300, help="size of the pool")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--ipmi", action="store_true")
    parser.add_argument("--dead", type=float, default=0.0, help="share of the BMCs that answer to no SYN")
    parser.add_argument("--hung", type=float, default=0.0, help="share of the BMCs that take connections and never answer")
    return parser.parse_args(sys.argv[1:])


if __name__ == "__main__":
    main()
