"""Latency probe: a separate process reads one URL repeatedly and reports how long each read takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERVAL_S = 0.02


class Latencies:
    """Durations of the reads in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def compute_quantiles(self) -> dict[str, Any]:
        """Return count, median, 99th percentile and maximum, in milliseconds."""
        ordered = sorted(self.seconds) or [0.0]
        values = {
            name: round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1) for name, share in _QUANTILES.items()
        }
        return {"reads": len(self.seconds), **values}


_QUANTILES = {"p50_ms": 0.5, "p99_ms": 0.99, "longest_ms": 1.0}


@contextmanager
def probe_latency(url: str) -> Iterator[Latencies]:
    """Read *url* repeatedly within the block. The yielded latencies are complete after the block."""
    command = [sys.executable, "-m", "benchmarks.readers", url]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    latencies = Latencies()
    try:
        yield latencies
    finally:
        output, _ = process.communicate("")
        latencies.seconds = json.loads(output)


def main() -> None:
    """Read until standard input ends."""
    import select

    seconds = []
    while not select.select([sys.stdin], [], [], INTERVAL_S)[0]:
        begin = time.perf_counter()
        with urllib.request.urlopen(sys.argv[1]) as answer:
            answer.read()
        seconds.append(time.perf_counter() - begin)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
