"""Kill a service with SIGKILL under load, and check after each restart that no acknowledged write is lost.

Run it as ``python -m benchmarks.crashes sqlite|postgresql|power-loss [--kills 20] [--seed 1] [--plant] [--json]``.
``power-loss`` also resets the files of the service, with SQLite, to the state that was flushed to the disk.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.crashes.run import CrashPlan, find_sqlite_corruption, run_crashes, run_power_losses
from benchmarks.crashes.service import CrashableService
from benchmarks.report import Report
from tests.fixtures import postgresql, power_loss


def main() -> int:
    """Run the kills and print the figures. Return 1 if a promise was violated."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crashes", description="Kill a service under load.")
    parser.add_argument("database", choices=("sqlite", "postgresql", "power-loss"))
    parser.add_argument("--kills", type=int, default=20, help="number of kills (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random load (default: 1)")
    parser.add_argument("--plant", action="store_true", help="plant lost writes, which the check has to find")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    options = parser.parse_args()
    name = "power losses" if options.database == "power-loss" else f"kills on {options.database}"
    report = Report(name)
    plan = CrashPlan(kills=options.kills, seed=options.seed, plant=options.plant)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if options.database == "power-loss":
            figures = run_power_losses(stack.enter_context(power_loss.PowerLossDisk()), directory, plan, report)
        else:
            server = stack.enter_context(postgresql.PostgreSQL()) if options.database == "postgresql" else None
            service = stack.enter_context(CrashableService(directory, server.url if server else None))
            find_corruption = service.check_database if server else lambda: find_sqlite_corruption(service.state)
            figures = run_crashes(service, plan, report, find_corruption=find_corruption)
    return report.finish(figures, as_json=options.json)


if __name__ == "__main__":
    raise SystemExit(main())
