"""What importing the contract costs, against the parts of the standard library that it cannot do without, in paired runs.

Prints one JSON line: medians in milliseconds, and the median of the paired ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

CONTRACT = "import baremetal_interfaces"
STANDARD = "import dataclasses, enum, typing, logging"


def seconds(statement: str) -> float:
    """The time of a fresh interpreter that runs one statement."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure in pairs, each in both orders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40, help="how many pairs to run")
    pairs = parser.parse_args().pairs
    seconds(CONTRACT)
    found = []
    for number in range(pairs):
        order = (CONTRACT, STANDARD) if number % 2 else (STANDARD, CONTRACT)
        times = {statement: seconds(statement) for statement in order}
        found.append((times[CONTRACT], times[STANDARD]))
    contract, standard = (statistics.median(one) * 1000 for one in zip(*found, strict=True))
    ratio = statistics.median(one / other for one, other in found)
    milliseconds = {"contract_ms": round(contract, 2), "standard_ms": round(standard, 2)}
    print(json.dumps({"benchmark": "contract_import", **milliseconds, "ratio": round(ratio, 3)}))


if __name__ == "__main__":
    main()
