"""Power sync through the whole runtime against simulated Redfish BMCs, one on each address: a line of JSON for each round.

Run it as ``python benchmarks/power_sync.py [--nodes 1000] [--latency 0.1] [--rounds 3] [--sqlite]``. The first round logs in; the
later ones read over kept sessions. Beside it a bare loop of the same client on as many threads: the difference is what the
runtime adds.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from baremetal_interfaces import Deadline
from baremetal_interfaces.http import HTTPSession
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.config import ConductorOptions, DatabaseConfig

THREADS = 256


def bmcs(count: int, latency: float) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start the BMCs in a process of their own; what they said when they were ready."""
    command = [sys.executable, "-m", "baremetal_fake.redfish", "--count", str(count), "--addresses", "127.77.0.0/16"]
    process = subprocess.Popen([*command, "--latency", str(latency)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready: dict[str, Any] = json.loads(process.stdout.readline())
    return process, ready


def enrol(conductor: Conductor, machines: list[dict[str, Any]]) -> list[str]:
    """Create a manageable node for each machine."""
    nodes = []
    for machine in machines:
        info = {"redfish_address": machine["url"], "redfish_system_id": machine["system"]}
        record = conductor.rpc.call("create_node", values={"driver": "redfish", "uuid": str(uuid.uuid4()), "driver_info": info})
        conductor.store.update_node(record.uuid, {"provision_state": "manageable"}, fence=None)
        nodes.append(record.uuid)
    return nodes


def synced(conductor: Conductor, nodes: list[str]) -> float:
    """Seconds until every node was observed once."""
    sync = conductor.assembly.power_sync
    begin = time.perf_counter()
    futures = [conductor.pool["power"].submit(sync.observe, node) for node in nodes]
    for future in futures:
        future.result()
    return time.perf_counter() - begin


def bare(machines: list[dict[str, Any]]) -> float:
    """Seconds for the same reads by the same client, on kept connections, with nothing around it."""
    local: dict[str, HTTPSession] = {}
    lock = threading.Lock()

    def read(machine: dict[str, Any]) -> None:
        with lock:
            session = local.get(machine["url"])
            if session is None:
                scheme, _, rest = machine["url"].partition("://")
                host, _, port = rest.partition(":")
                session = local[machine["url"]] = HTTPSession(scheme, host, int(port))
        session.request("GET", machine["system"], deadline=Deadline.after(60.0)).json()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, machines))
        begin = time.perf_counter()
        list(pool.map(read, machines))
        return time.perf_counter() - begin


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sqlite", action="store_true")
    arguments = parser.parse_args()
    process, ready = bmcs(arguments.nodes, arguments.latency)
    try:
        machines = [{"url": url, "system": system} for url, system in zip(ready["urls"], ready["systems"], strict=True)]
        options = ConductorOptions(sync_power_state_interval=0, workers_pool_size=3 * THREADS)
        with tempfile.TemporaryDirectory() as directory:
            database = DatabaseConfig()
            if arguments.sqlite:
                database = DatabaseConfig(f"sqlite:///{Path(directory) / 'nodes.sqlite'}", str(Path(directory) / "key"))
            with Conductor(ConductorConfig(host="bench", conductor=options, database=database)) as conductor:
                nodes = enrol(conductor, machines)
                for number in range(arguments.rounds):
                    seconds = synced(conductor, nodes)
                    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                    say(round=number, nodes=len(nodes), seconds=seconds, rate=len(nodes) / seconds, peak_mib=peak)
        seconds = bare(machines)
        say(round="bare loop", nodes=len(machines), seconds=seconds, rate=len(machines) / seconds)
    finally:
        process.terminate()


def say(**figures: Any) -> None:
    """Print one line of JSON."""
    rounded = {name: round(value, 2) if isinstance(value, float) else value for name, value in figures.items()}
    print(json.dumps({"benchmark": "power sync", **rounded}), flush=True)


if __name__ == "__main__":
    main()
