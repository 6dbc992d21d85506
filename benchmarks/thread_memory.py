"""Memory and start-up time of blocked native threads: one line of JSON for each figure.

Run it as ``python -m benchmarks.thread_memory [SIZE ...]``. Each size is measured in a separate process. *waits* are workers
that have only waited; *worked* are workers that have parsed a large nested answer before, so that their stacks are in use.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import threading
import time
from collections.abc import Callable

from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits

SIZES = (100, 1000, 5000)
_DEPTH = 200
_ANSWER = json.dumps(
    {"Members": [{"@odata.id": f"/redfish/v1/Systems/{number}", "Status": {"Health": "OK"}} for number in range(500)]}
)


def read_memory() -> tuple[int, int]:
    """Return the reserved and the resident memory of this process in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        reserved, resident = (int(pages) * resource.getpagesize() for pages in file.read().split()[:2])
    return reserved, resident


def parse_answer(depth: int = _DEPTH) -> None:
    """Use the stack as a device library does: parse a large answer below deep calls."""
    if depth:
        parse_answer(depth - 1)
    else:
        json.loads(_ANSWER)


def measure(size: int, kind: str, work: Callable[[], object]) -> None:
    """Let *size* workers run *work* and then block, and print the cost."""
    pool = ElasticPool(size, {"work": LaneLimits()}, idle_window=600.0)
    gate, started = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        work()
        started.release()
        gate.wait()

    reserved, resident = read_memory()
    begin = time.perf_counter()
    for _ in range(size):
        pool["work"].submit(hold)
    for _ in range(size):
        started.acquire()
    seconds = time.perf_counter() - begin
    reserved, resident = (after - before for after, before in zip(read_memory(), (reserved, resident), strict=True))
    line = {
        "measured": "memory of a blocked thread",
        "kind": kind,
        "threads": size,
        "real_kib": round(resident / size / 1024, 1),
        "reserved_kib": round(reserved / size / 1024),
        "all_real_mib": round(resident / 1024 / 1024, 1),
        "start_us": round(seconds / size * 1e6),
    }
    print(json.dumps(line), flush=True)
    gate.set()
    pool.close(30.0)


def main(sizes: tuple[int, ...]) -> None:
    """Measure each size with both kinds of workers."""
    context = multiprocessing.get_context("spawn")
    for size in sizes:
        for kind, work in (("waits", bool), ("worked", parse_answer)):
            child = context.Process(target=measure, args=(size, kind, work))
            child.start()
            child.join()


if __name__ == "__main__":
    main(tuple(int(text) for text in sys.argv[1:]) or SIZES)
