"""What blocked native threads cost: real and reserved memory for each, and the time to start them. One line of JSON each.

Run it as ``python -m benchmarks.thread_memory [SIZE ...]``. Each size is measured in a process of its own: *waits* are
workers that wait for an answer and have done nothing else; *worked* ones have read a large nested answer before, so that their
stacks have been used.
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


def memory() -> tuple[int, int]:
    """Bytes of this process that are reserved, and that are real."""
    with open("/proc/self/statm", encoding="ascii") as file:
        reserved, real = (int(pages) * resource.getpagesize() for pages in file.read().split()[:2])
    return reserved, real


def read_an_answer(depth: int = _DEPTH) -> None:
    """Use the stack as a device library does: deep calls, with a large answer at the end of them."""
    if depth:
        read_an_answer(depth - 1)
    else:
        json.loads(_ANSWER)


def measure(size: int, kind: str, work: Callable[[], object]) -> None:
    """Have *size* workers block after they did *work*, and print what that costs."""
    pool = ElasticPool(size, {"work": LaneLimits()}, idle_window=600.0)
    gate, begun = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        work()
        begun.release()
        gate.wait()

    reserved, real = memory()
    begin = time.perf_counter()
    for _ in range(size):
        pool["work"].submit(hold)
    for _ in range(size):
        begun.acquire()
    seconds = time.perf_counter() - begin
    reserved, real = (after - before for after, before in zip(memory(), (reserved, real), strict=True))
    line = {
        "measured": "memory of a blocked thread",
        "kind": kind,
        "threads": size,
        "real_kib": round(real / size / 1024, 1),
        "reserved_kib": round(reserved / size / 1024),
        "all_real_mib": round(real / 1024 / 1024, 1),
        "start_us": round(seconds / size * 1e6),
    }
    print(json.dumps(line), flush=True)
    gate.set()
    pool.close(30.0)


def main(sizes: tuple[int, ...]) -> None:
    """Measure each size, with work and without."""
    context = multiprocessing.get_context("spawn")
    for size in sizes:
        for kind, work in (("waits", bool), ("worked", read_an_answer)):
            child = context.Process(target=measure, args=(size, kind, work))
            child.start()
            child.join()


if __name__ == "__main__":
    main(tuple(int(text) for text in sys.argv[1:]) or SIZES)
