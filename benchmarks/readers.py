"""A client that reads one URL now and then from a process of its own, and tells how long that took."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PAUSE = 0.02


class Latencies:
    """Seconds that each answer took."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def quantiles(self) -> dict[str, Any]:
        """Count, median, 99th percentile and longest, in milliseconds."""
        found = sorted(self.seconds) or [0.0]
        at = {name: round(1000 * found[min(len(found) - 1, int(len(found) * share))], 1) for name, share in _QUANTILES.items()}
        return {"reads": len(self.seconds), **at}


_QUANTILES = {"p50_ms": 0.5, "p99_ms": 0.99, "longest_ms": 1.0}


@contextmanager
def reading(url: str) -> Iterator[Latencies]:
    """Read *url* for as long as this lasts; the latencies are there when it has ended."""
    command = [sys.executable, "-m", "benchmarks.readers", url]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    latencies = Latencies()
    try:
        yield latencies
    finally:
        answer, _ = process.communicate("")
        latencies.seconds = json.loads(answer)


def main() -> None:
    """Read until the standard input ends."""
    import select

    seconds = []
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        begin = time.perf_counter()
        with urllib.request.urlopen(sys.argv[1]) as answer:
            answer.read()
        seconds.append(time.perf_counter() - begin)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
