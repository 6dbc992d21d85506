"""What importing the contract costs, against the parts of the standard library that it cannot do without, in paired runs.

*contract* imports the package, of which a module comes when a name of it is first asked for; *whole* asks for every name that the
package has. Prints one JSON line: medians in milliseconds, and the median of the paired ratios. Byte code is kept, as an
installation has it.
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


def seconds(statement: str, environment: dict[str, str]) -> float:
    """The time of a fresh interpreter that runs one statement."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    return time.perf_counter() - start


def compared(statement: str, pairs: int, environment: dict[str, str]) -> tuple[float, float, float]:
    """Milliseconds of *statement* and of the standard library, and their ratio, each pair in both orders."""
    seconds(statement, environment)
    found = []
    for number in range(pairs):
        order = (statement, STANDARD) if number % 2 else (STANDARD, statement)
        times = {one: seconds(one, environment) for one in order}
        found.append((times[statement], times[STANDARD]))
    mine, standard = (statistics.median(one) * 1000 for one in zip(*found, strict=True))
    return mine, standard, statistics.median(one / other for one, other in found)


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40, help="how many pairs to run of each")
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as kept:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = kept
        mine, standard, ratio = compared(CONTRACT, pairs, environment)
        whole, _, whole_ratio = compared(WHOLE, pairs, environment)
    milliseconds = {"contract_ms": round(mine, 2), "standard_ms": round(standard, 2), "whole_ms": round(whole, 2)}
    ratios = {"ratio": round(ratio, 3), "whole_ratio": round(whole_ratio, 3)}
    print(json.dumps({"benchmark": "contract_import", **milliseconds, **ratios}))


if __name__ == "__main__":
    main()
