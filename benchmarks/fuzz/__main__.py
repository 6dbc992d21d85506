"""Send hostile input to a service, and check that it stays correct, in time and of the same size.

Run it as ``python -m benchmarks.fuzz api|redfish|ipmi|rpc|all [--count N] [--seed 1] [--plant] [--json]``. The exit code is 1 if
a promise was violated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.fuzz.api import run_api_fuzz
from benchmarks.fuzz.ipmi import run_ipmi_fuzz
from benchmarks.fuzz.redfish import run_redfish_fuzz
from benchmarks.fuzz.rpc import run_rpc_fuzz
from benchmarks.report import Report


class Fuzzer(NamedTuple):
    """A fuzzer, its usual count, and what it counts."""

    run: Callable[..., dict[str, Any]]
    count: int
    unit: str


FUZZERS = {
    "api": Fuzzer(run_api_fuzz, 100_000, "requests"),
    "redfish": Fuzzer(run_redfish_fuzz, 100, "behaviors"),
    "ipmi": Fuzzer(run_ipmi_fuzz, 5000, "packets"),
    "rpc": Fuzzer(run_rpc_fuzz, 30_000, "messages"),
}


def main() -> int:
    """Run the selected fuzzers. Return 1 if a promise was violated."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description="Send hostile input to a service.")
    parser.add_argument("target", choices=(*FUZZERS, "all"))
    usual = ", ".join(f"{name} {fuzzer.count} {fuzzer.unit}" for name, fuzzer in FUZZERS.items())
    parser.add_argument("--count", type=int, help=f"size of the run (default: {usual})")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random input (default: 1)")
    parser.add_argument("--plant", action="store_true", help="plant a crash in the service, which the run has to find")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    options = parser.parse_args()
    code = 0
    for name in FUZZERS if options.target == "all" else (options.target,):
        fuzzer, report = FUZZERS[name], Report(f"fuzz {name}")
        figures = fuzzer.run(options.count or fuzzer.count, options.seed, report, plant=options.plant)
        code |= report.finish(figures, as_json=options.json)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
