"""The proof harnesses with a size for every night. The documentation has the figures of the full sizes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from benchmarks.crashes.run import CrashPlan, find_sqlite_corruption, run_crashes
from benchmarks.crashes.service import CrashableService
from benchmarks.fuzz.api import run_api_fuzz
from benchmarks.fuzz.ipmi import run_ipmi_fuzz
from benchmarks.fuzz.redfish import run_redfish_fuzz
from benchmarks.fuzz.rpc import run_rpc_fuzz
from benchmarks.report import Report
from benchmarks.soak.mixed_load import run_soak
from tests.fixtures import postgresql

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
SHARE = min(1.0, MINUTES / 60)
"""Share of the full size of each run."""
SEED = 11


class ProofsTest(TestCase):
    def prove(self, name: str, run: Callable[[Report], dict[str, Any]]) -> None:
        """Run a harness, print its figures and check that no promise was violated."""
        report = Report(name)
        figures = run(report)
        print(json.dumps({"proof": name, **figures}), flush=True)
        self.assertEqual([], report.violations)

    def run_kills(self, report: Report, database: str | None) -> dict[str, Any]:
        """Kill a service under load, once for each minute, up to 20 times."""
        plan = CrashPlan(kills=max(2, min(20, round(MINUTES))), seed=SEED)
        with CrashableService(Path(self.useFixture(TempDir()).path), database) as service:
            check = service.check_database if database else lambda: find_sqlite_corruption(service.state)
            return run_crashes(service, plan, report, find_corruption=check)

    def test_kills_on_sqlite(self) -> None:
        """No acknowledged write is lost, and no node is stuck."""
        self.prove("kills on sqlite", lambda report: self.run_kills(report, None))

    def test_kills_on_postgresql(self) -> None:
        """No acknowledged write is lost, and no node is stuck."""
        self.assertIsNone(postgresql.missing())
        url = self.useFixture(postgresql.PostgreSQL()).url
        self.prove("kills on postgresql", lambda report: self.run_kills(report, url))

    def test_api_requests(self) -> None:
        """Random requests to all routes cause no internal error."""
        self.prove("fuzz api", lambda report: run_api_fuzz(round(60_000 * SHARE), SEED, report))

    def test_redfish_behaviors(self) -> None:
        """Hostile BMCs cause no internal error."""
        self.prove("fuzz redfish", lambda report: run_redfish_fuzz(max(50, round(100 * SHARE)), SEED, report))

    def test_ipmi_packets(self) -> None:
        """Malformed packets in sessions cause no internal error."""
        self.prove("fuzz ipmi", lambda report: run_ipmi_fuzz(round(5000 * SHARE), SEED, report))

    def test_rpc_messages(self) -> None:
        """Random messages cause no internal error."""
        self.prove("fuzz rpc", lambda report: run_rpc_fuzz(round(30_000 * SHARE), SEED, report))

    def test_mixed_load(self) -> None:
        """Memory, threads and descriptors stay flat under mixed load and failures."""
        self.prove("soak", lambda report: run_soak(MINUTES / 5, SEED, report))
