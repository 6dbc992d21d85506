"""Operations per second of the SQL store with SQLite, from one thread and from ten: one line of JSON.

Run it as ``python benchmarks/store_ops.py [operations]``. Compare only runs on one machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import NodeQuery
from baremetal_sdk.store.sql.store import SQLStore

_THREADS = (1, 10)
_DRIVER_INFO = {"redfish_address": "https://192.0.2.1", "redfish_username": "admin", "redfish_password": "******"}
_PROPERTIES = {"cpu_arch": "x86_64", "memory_mb": 131072, "local_gb": 960, "capabilities": "boot_mode:uefi"}


def build_node(number: int) -> NodeRecord:
    """Return a node record with typical fields."""
    return NodeRecord(
        uuid=str(uuid.uuid4()), name=f"node-{number}", driver="redfish", driver_info=_DRIVER_INFO, properties=_PROPERTIES
    )


def measure_rate(threads: int, operation: Callable[[NodeRecord], object], nodes: list[NodeRecord]) -> int:
    """Call *operation* with each node. Return the calls per second."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: None, range(threads)))
        start = time.perf_counter()
        list(pool.map(operation, nodes, chunksize=1))
        return round(len(nodes) / (time.perf_counter() - start))


def measure(store: SQLStore, threads: int, count: int) -> dict[str, int]:
    """Return the rate of each operation."""
    nodes = [build_node(number) for number in range(count)]

    def acquire_and_release(record: NodeRecord) -> None:
        lease, _ = store.take_lease(record.uuid, holder="conductor-1/1", purpose="benchmark", duration=60)
        store.release_lease(lease.fence)

    operations: dict[str, Callable[[NodeRecord], object]] = {
        "create": lambda record: store.create_node(record, fence=None),
        "read": lambda record: store.node(record.uuid),
        "update": lambda record: store.update_node(record.uuid, {"power_state": "power on"}, fence=None),
        "lease": acquire_and_release,
        "page_of_100": lambda record: store.nodes(NodeQuery(limit=100, fields=("uuid", "name", "provision_state"))),
        "delete": lambda record: store.delete_node(record.uuid, fence=None),
    }
    return {name: measure_rate(threads, operation, nodes) for name, operation in operations.items()}


def main() -> None:
    """Run the measurements and print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    results: dict[str, object] = {"benchmark": "store_ops", "unit": "operations per second", "operations": count}
    for threads in _THREADS:
        with tempfile.TemporaryDirectory() as directory:
            store = SQLStore(f"sqlite:///{Path(directory) / 'nodes.db'}")
            store.open()
            results[f"{threads} threads"] = measure(store, threads, count)
            store.close()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
