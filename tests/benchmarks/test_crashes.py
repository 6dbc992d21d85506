"""The check of acknowledged writes after kills: it accepts the service and finds planted losses."""

from __future__ import annotations

from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from benchmarks.crashes.ledger import Key, Ledger
from benchmarks.crashes.run import CrashPlan, find_sqlite_corruption, run_crashes
from benchmarks.crashes.service import CrashableService
from benchmarks.report import Report

KEY = Key("nodes", "first")
OLD, NEW = {"sequence": 1}, {"sequence": 2}


class TestLedger(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ledger = Ledger()
        self.ledger.begin(KEY, OLD)
        self.ledger.acknowledge(KEY, "POST")

    def test_an_acknowledged_state_is_expected(self) -> None:
        """Only the acknowledged state is accepted: no older state, no other record and no missing one."""
        self.assertEqual([], self.ledger.compare("nodes", {"first": OLD}))
        self.assertEqual(
            ["nodes second: exists, but was never written"], self.ledger.compare("nodes", {"first": OLD, "second": OLD})
        )
        self.ledger.begin(KEY, NEW)
        self.ledger.acknowledge(KEY, "PATCH")
        self.assertEqual(["nodes first: acknowledged sequence 2, found sequence 1"], self.ledger.compare("nodes", {"first": OLD}))
        self.assertEqual(["nodes first: acknowledged sequence 1, found no record"], self.ledger.compare("nodes", {}))

    def test_an_unanswered_write_may_have_been_executed(self) -> None:
        """Both states are accepted after a write without an answer. The state that was seen counts from then on."""
        self.ledger.begin(KEY, NEW)
        self.assertFalse(self.ledger.exists(KEY))
        self.assertEqual([], self.ledger.compare("nodes", {"first": NEW}))
        self.assertTrue(self.ledger.exists(KEY))
        self.assertEqual(["nodes first: acknowledged sequence 2, found sequence 1"], self.ledger.compare("nodes", {"first": OLD}))

    def test_a_deleted_record_stays_deleted(self) -> None:
        """A record whose deletion was acknowledged must not exist."""
        self.ledger.begin(KEY, None)
        self.ledger.acknowledge(KEY, "DELETE")
        self.assertEqual(["nodes first: acknowledged no record, found sequence 1"], self.ledger.compare("nodes", {"first": OLD}))


class TestKills(TestCase):
    def run_kill(self, plan: CrashPlan) -> Report:
        """Kill a service once and return the report."""
        report = Report("kills")
        with CrashableService(Path(self.useFixture(TempDir()).path)) as service:
            figures = run_crashes(service, plan, report, find_corruption=lambda: find_sqlite_corruption(service.state))
        self.assertGreater(sum(figures["acknowledged_writes"].values()), 0)
        return report

    def test_acknowledged_writes_survive_a_kill(self) -> None:
        """After a SIGKILL under load, all acknowledged writes are there and no node is stuck."""
        self.assertEqual([], self.run_kill(CrashPlan(kills=1, load_s=(0.5, 1.0), writers=4)).violations)

    def test_planted_losses_are_found(self) -> None:
        """Each write that was recorded as acknowledged and never sent is reported as lost."""
        violations = self.run_kill(CrashPlan(kills=1, load_s=(0.5, 1.0), writers=4, plant=True)).violations
        self.assertEqual(4, len([text for text in violations if text.startswith("lost write")]), violations)
