"""Rounds of load, kill, restart and check."""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.api_connection import APIConnection
from benchmarks.crashes import verify
from benchmarks.crashes.ledger import Ledger
from benchmarks.crashes.load import WriterLoad
from benchmarks.crashes.service import CrashableService
from benchmarks.processes import find_exceptions
from benchmarks.report import Report
from tests.fixtures.power_loss import PowerLossDisk

MAX_READY_S = 30.0
"""Seconds after a kill until the service has to be ready again, on a loaded machine."""


@dataclasses.dataclass(frozen=True)
class CrashPlan:
    """Number of kills, load between two kills in seconds (minimum and maximum), and threads of the load.

    *plant* adds a fault that the check has to find: see :class:`WriterLoad`.
    """

    kills: int = 20
    load_s: tuple[float, float] = (0.5, 3.0)
    writers: int = 8
    workers: int = 2
    seed: int = 1
    plant: bool = False


def run_crashes(
    service: CrashableService,
    plan: CrashPlan,
    report: Report,
    *,
    crash: Callable[[], None] | None = None,
    find_corruption: Callable[[], list[str]] | None = None,
) -> dict[str, Any]:
    """Start the service, crash it under load as often as planned, and check it after each restart. Return the figures.

    *crash* ends the service; by default it sends SIGKILL. *find_corruption* returns the faults of the database.
    """
    chance, ledger = random.Random(plan.seed), Ledger()
    load = WriterLoad(ledger, seed=plan.seed, writers=plan.writers, workers=plan.workers, plant=plan.plant)
    ready_times = []
    service.start()
    for number in range(plan.kills):
        with load.run(service.url):
            time.sleep(chance.uniform(*plan.load_s))
            (crash or service.kill)()
        ready_times.append(service.start())
        for finding in verify.find_lost_writes(service.url, ledger):
            report.add_violation(f"lost write after kill {number + 1}: {finding}"[:400])
        for finding in verify.find_stuck_nodes(APIConnection(service.url)):
            report.add_violation(f"after kill {number + 1}: {finding}")
        for finding in find_corruption() if find_corruption else ():
            report.add_violation(f"after kill {number + 1}: database: {finding}")
        if ready_times[-1] > MAX_READY_S:
            report.add_violation(f"ready {ready_times[-1]:.1f} s after kill {number + 1}; allowed: {MAX_READY_S:g} s")
        report.progress(number + 1, plan.kills, f"{ledger.acknowledged.total():,} acknowledged writes")
    for answer, count in load.unexpected.items():
        report.add_violation(f"unexpected response ({count} times): {answer}")
    for exception in find_exceptions(service.log):
        report.add_violation(f"exception in the log: {exception}")
    return {
        "kills": plan.kills,
        "seed": plan.seed,
        "acknowledged_writes": dict(sorted(ledger.acknowledged.items())),
        "ready_s": {"median": round(statistics.median(ready_times), 2), "maximum": round(max(ready_times), 2)},
    }


def run_power_losses(disk: PowerLossDisk, directory: Path, plan: CrashPlan, report: Report) -> dict[str, Any]:
    """Run a service on SQLite whose power fails as often as planned: its files keep only what was flushed. Return the figures.

    The planted fault of the plan is that changes do not wait for the disk (``sqlite_synchronous = false``).
    """
    options = "sqlite_synchronous = false\n" if plan.plant else ""
    with CrashableService(directory, options=options, environment=disk.environment) as service:
        service.state = disk.root

        def lose_power() -> None:
            service.kill()
            disk.lose_power()

        return run_crashes(
            service,
            dataclasses.replace(plan, plant=False),
            report,
            crash=lose_power,
            find_corruption=lambda: find_sqlite_corruption(service.state),
        )


def find_sqlite_corruption(state: Path) -> list[str]:
    """Return the findings of SQLite's checks of all databases in the state directory."""
    return [finding for file in sorted(state.glob("*.sqlite")) for finding in verify.find_corruption(file)]
