"""The elastic pool beside futurist's and concurrent.futures', in turn in one run: one line of JSON for each figure.

Run it as ``python -m benchmarks.pool [submit|busy|burst|idle|light ...]``; without names all of it. Absolute times are the
machine's; what counts is the ratio within one run. futurist has to be installed for its rows.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits

SIZES = (10, 100, 1000, 2000)
ROUNDS = 7
REPEATS = 3
SUBMITS = 2000


@contextmanager
def ours(size: int, idle_window: float = 600.0) -> Iterator[Executor]:
    """A lane of an elastic pool."""
    pool = ElasticPool(size, {"work": LaneLimits()}, idle_window=idle_window)
    yield pool["work"]
    pool.close(5.0, cancel_queued=True)


@contextmanager
def standard(size: int) -> Iterator[Executor]:
    """The standard library's pool, which never shrinks."""
    with ThreadPoolExecutor(size) as pool:
        yield pool


@contextmanager
def futurists(size: int) -> Iterator[Executor]:
    """futurist's pool that shrinks when it is submitted to."""
    import futurist

    pool = futurist.DynamicThreadPoolExecutor(max_workers=size)
    yield pool
    pool.shutdown()


POOLS: dict[str, Callable[[int], Any]] = {"elastic": ours, "concurrent.futures": standard, "futurist": futurists}


def fill(pool: Executor, size: int) -> threading.Event:
    """Bring up *size* workers, all of them busy until the event is set."""
    gate, begun = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        begun.release()
        gate.wait()

    for _ in range(size):
        pool.submit(hold)
    for _ in range(size):
        begun.acquire()
    return gate


def submit_cost(size: int, kind: str, busy: bool) -> float:
    """Microseconds of one submit onto *size* workers, idle or busy; the median of several rounds."""
    with POOLS[kind](size) as pool:
        gate = fill(pool, size)
        if not busy:
            gate.set()
            time.sleep(0.5)
        rounds = []
        for _ in range(ROUNDS):
            futures = []
            begin = time.perf_counter()
            for _ in range(SUBMITS):
                futures.append(pool.submit(int))
            rounds.append((time.perf_counter() - begin) / SUBMITS * 1e6)
            if not busy:
                for future in futures:
                    future.result()
        gate.set()
    return round(statistics.median(rounds), 1)


def submits(busy: bool) -> None:
    """The cost of a submit by the number of threads that there are; the best of what was measured in turn, for what else runs
    on the machine only ever adds to it."""
    for size in SIZES:
        taken = [{kind: submit_cost(size, kind, busy) for kind in POOLS} for _ in range(REPEATS)]
        row = {kind: min(found[kind] for found in taken) for kind in POOLS}
        say("submit onto busy threads" if busy else "submit onto idle threads", unit="us", threads=size, **row)


def burst() -> None:
    """5,000 tasks of 50 ms at a maximum of 1,000 threads."""
    row = {}
    for kind, make in POOLS.items():
        with make(1000) as pool:
            begin = time.perf_counter()
            for future in [pool.submit(time.sleep, 0.05) for _ in range(5000)]:
                future.result()
            row[kind] = round(time.perf_counter() - begin, 3)
    say("burst of 5,000 tasks of 50 ms, at most 1,000 threads", unit="s", **row)


def idle() -> None:
    """What 1,000 idle threads cost, and when they are gone, with a window of 2 s."""
    pool = ElasticPool(1000, {"work": LaneLimits()}, idle_window=2.0)
    fill(pool["work"], 1000).set()
    while pool.idle < 1000:
        time.sleep(0.01)
    time.sleep(0.2)
    begin, cpu = time.perf_counter(), time.process_time()
    time.sleep(1.0)
    share = (time.process_time() - cpu) / (time.perf_counter() - begin)
    while pool.workers and time.perf_counter() - begin < 20:
        time.sleep(0.01)
    say("1,000 idle threads, window 2 s", unit="s", gone_after=round(time.perf_counter() - begin, 2), core_share=round(share, 5))
    pool.close(1.0)


def light() -> None:
    """How many workers light load keeps after a spike of 100: 25 short tasks a second for two windows of 1 s."""
    pool = ElasticPool(100, {"work": LaneLimits()}, idle_window=1.0)
    fill(pool["work"], 100).set()
    for _ in range(75):
        pool["work"].submit(int).result()
        time.sleep(0.04)
    say("workers left by light load after a spike of 100", unit="threads", elastic=pool.workers)
    pool.close(1.0)


def say(what: str, **figures: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps({"benchmark": what, **figures}), flush=True)


BENCHMARKS: dict[str, Callable[[], None]] = {
    "submit": lambda: submits(busy=False), "busy": lambda: submits(busy=True), "burst": burst, "idle": idle, "light": light,
}  # fmt: skip

if __name__ == "__main__":
    names = sys.argv[1:] or list(BENCHMARKS)
    if len(names) == 1:
        BENCHMARKS[names[0]]()
    else:
        # Each in a process of its own: what threads of the one leave behind is not counted for the next.
        for name in names:
            subprocess.run([sys.executable, "-m", "benchmarks.pool", name], check=True)
