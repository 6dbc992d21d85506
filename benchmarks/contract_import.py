"""Import time of the contract compared with that of the standard library modules that it needs, in paired runs.

*contract* imports the package, which loads its modules on first use. *whole* accesses all public names. The output is one JSON
line with medians in milliseconds and the median of the paired ratios. Byte code is cached, as in an installation.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

CONTRACT = "import baremetal_interfaces"
WHOLE = f"{CONTRACT} as contract\nfor name in contract.__all__: getattr(contract, name)"
STANDARD = "import dataclasses, enum, typing, logging"


def time_interpreter(statement: str, environment: dict[str, str]) -> float:
    """Return the seconds that a new interpreter needs to run *statement*."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    return time.perf_counter() - start


def compare(statement: str, pairs: int, environment: dict[str, str]) -> tuple[float, float, float]:
    """Return the medians of *statement* and of the standard library in milliseconds, and the median of their ratios."""
    time_interpreter(statement, environment)
    results = []
    for number in range(pairs):
        # The order alternates, so that drift of the machine's speed affects both sides.
        order = (statement, STANDARD) if number % 2 else (STANDARD, statement)
        times = {code: time_interpreter(code, environment) for code in order}
        results.append((times[statement], times[STANDARD]))
    contract, standard = (statistics.median(times) * 1000 for times in zip(*results, strict=True))
    return contract, standard, statistics.median(first / second for first, second in results)


def main() -> None:
    """Measure *contract* and *whole*, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40, help="number of paired runs (default: 40)")
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as cache:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = cache
        contract, standard, ratio = compare(CONTRACT, pairs, environment)
        whole, _, whole_ratio = compare(WHOLE, pairs, environment)
        milliseconds = {"contract_ms": round(contract, 2), "standard_ms": round(standard, 2), "whole_ms": round(whole, 2)}
    ratios = {"ratio": round(ratio, 3), "whole_ratio": round(whole_ratio, 3)}
    print(json.dumps({"benchmark": "contract_import", **milliseconds, **ratios}))


if __name__ == "__main__":
    main()
