"""The elastic pool compared with those of futurist and concurrent.futures, measured alternately in one run.

Run it as ``python -m benchmarks.pool [submit|busy|burst|idle|light ...]``; without names it runs all benchmarks. Each figure is
a line of JSON. Compare only figures of one run. The rows of futurist need futurist.
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
def run_elastic(size: int, idle_window: float = 600.0) -> Iterator[Executor]:
    """Yield a lane of an elastic pool."""
    pool = ElasticPool(size, {"work": LaneLimits()}, idle_window=idle_window)
    yield pool["work"]
    pool.close(5.0, cancel_queued=True)


@contextmanager
def run_standard(size: int) -> Iterator[Executor]:
    """Yield the standard library's pool, which never shrinks."""
    with ThreadPoolExecutor(size) as pool:
        yield pool


@contextmanager
def run_futurist(size: int) -> Iterator[Executor]:
    """Yield futurist's pool, which shrinks only when work is submitted."""
    import futurist

    pool = futurist.DynamicThreadPoolExecutor(max_workers=size)
    yield pool
    pool.shutdown()


POOLS: dict[str, Callable[[int], Any]] = {"elastic": run_elastic, "concurrent.futures": run_standard, "futurist": run_futurist}


def fill(pool: Executor, size: int) -> threading.Event:
    """Start *size* workers that stay busy until the returned event is set."""
    gate, started = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        started.release()
        gate.wait()

    for _ in range(size):
        pool.submit(hold)
    for _ in range(size):
        started.acquire()
    return gate


def measure_submit(size: int, kind: str, busy: bool) -> float:
    """Return the median time of one submit in microseconds, with *size* busy or idle workers."""
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


def measure_submits(busy: bool) -> None:
    """Measure a submit by number of threads. The figure is the minimum, because other load on the machine only adds to it."""
    for size in SIZES:
        runs = [{kind: measure_submit(size, kind, busy) for kind in POOLS} for _ in range(REPEATS)]
        row = {kind: min(run[kind] for run in runs) for kind in POOLS}
        print_figures("submit onto busy threads" if busy else "submit onto idle threads", unit="us", threads=size, **row)


def measure_burst() -> None:
    """Measure 5,000 tasks of 50 ms with a maximum of 1,000 threads."""
    row = {}
    for kind, make in POOLS.items():
        with make(1000) as pool:
            begin = time.perf_counter()
            for future in [pool.submit(time.sleep, 0.05) for _ in range(5000)]:
                future.result()
            row[kind] = round(time.perf_counter() - begin, 3)
    print_figures("burst of 5,000 tasks of 50 ms, at most 1,000 threads", unit="s", **row)


def measure_idle() -> None:
    """Measure the CPU time of 1,000 idle threads, and when they end with an idle window of 2 s."""
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
    gone_after = round(time.perf_counter() - begin, 2)
    print_figures("1,000 idle threads, window 2 s", unit="s", gone_after=gone_after, core_share=round(share, 5))
    pool.close(1.0)


def measure_light_load() -> None:
    """Measure the workers that 25 short tasks per second keep after a spike of 100, for two idle windows of 1 s."""
    pool = ElasticPool(100, {"work": LaneLimits()}, idle_window=1.0)
    fill(pool["work"], 100).set()
    for _ in range(75):
        pool["work"].submit(int).result()
        time.sleep(0.04)
    print_figures("workers left by light load after a spike of 100", unit="threads", elastic=pool.workers)
    pool.close(1.0)


def print_figures(what: str, **figures: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps({"benchmark": what, **figures}), flush=True)


BENCHMARKS: dict[str, Callable[[], None]] = {
    "submit": lambda: measure_submits(busy=False),
    "busy": lambda: measure_submits(busy=True),
    "burst": measure_burst,
    "idle": measure_idle,
    "light": measure_light_load,
}

if __name__ == "__main__":
    names = sys.argv[1:] or list(BENCHMARKS)
    if len(names) == 1:
        BENCHMARKS[names[0]]()
    else:
        # Each benchmark runs in a separate process, without the threads that another one left behind.
        for name in names:
            subprocess.run([sys.executable, "-m", "benchmarks.pool", name], check=True)
