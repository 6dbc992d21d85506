"""What an examination finds, thing by thing."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from fixtures import FakeLogger, TempDir
from testtools.matchers import Contains, MatchesRegex

from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.config import APIConfig, ConductorOptions, DatabaseConfig
from baremetal_sdk.doctor import Finding, Outcome, Process, examine
from baremetal_sdk.doctor.process import examine_process
from baremetal_sdk.drivers.loader import LoadFailure, discover
from baremetal_sdk.store.records.node import ConductorRecord
from baremetal_sdk.testing import ManualClock
from tests.concurrency.test_monkey_patching import Patcher
from tests.fixtures.machines import MachinesCase

HEALTHY = Process(modules={}, threads=(), stack_size=8 << 20, most_files=65536, most_threads=None)


class DoctorCase(MachinesCase):
    def setUp(self) -> None:
        super().setUp()
        self.logged = self.useFixture(FakeLogger())
        self.config = ConductorConfig(host="test")

    def found(
        self, name: str, config: ConductorConfig | None = None, conductor: Conductor | None = None, **process: Any
    ) -> Finding:
        """The worst finding of this name, in a process that is healthy but for *process*."""
        here = dataclasses.replace(HEALTHY, **process)
        return self.worst(name, examine(config or self.config, conductor, process=here))

    def worst(self, name: str, findings: list[Finding]) -> Finding:
        order = list(Outcome)
        return max((one for one in findings if one.name == name), key=lambda one: order.index(one.outcome))

    def assert_finds(self, outcome: Outcome, pattern: str, finding: Finding) -> None:
        """The outcome, with *pattern* in what was found; and whatever is wrong has a remedy."""
        self.assertEqual(outcome, finding.outcome, finding)
        self.assertThat(finding.what, MatchesRegex(f".*(?:{pattern})"))
        self.assertEqual(outcome is not Outcome.OK, bool(finding.remedy), finding)


class TestProcess(DoctorCase):
    def test_a_healthy_process_has_nothing_against_it(self) -> None:
        """All is in order, and said so in a word each."""
        findings = examine(self.config, process=HEALTHY)
        self.assertEqual([], [finding for finding in findings if finding.outcome is not Outcome.OK])

    def test_this_process_can_be_examined(self) -> None:
        """Without facts that are handed in, it looks at the real ones."""
        names = {finding.name for finding in examine(self.config)}
        self.assertEqual(
            {"monkey-patching", "eventlet", "fork", "thread stack", "file descriptors", "threads", "plugins"}
            | {"database", "interfaces", "sessions", "clock"},
            names,
        )

    def test_monkey_patching_is_a_failure(self) -> None:
        """It names what patched, and what to remove."""
        finding = self.found("monkey-patching", modules={"eventlet.patcher": Patcher("eventlet.patcher", "thread")})
        self.assert_finds(Outcome.FAIL, r"patched by eventlet \(thread\)", finding)
        self.assertIn("eventlet's monkey_patch()", finding.remedy)

    def test_an_imported_eventlet_is_a_warning(self) -> None:
        """The import alone patches nothing; a blocked one is none."""
        imported = self.found("eventlet", modules={"eventlet": ModuleType("eventlet")})
        self.assert_finds(Outcome.WARN, "eventlet is imported", imported)
        self.assert_finds(Outcome.OK, "neither", self.found("eventlet", modules={"eventlet": None}))

    def test_threads_before_a_fork_are_a_warning(self) -> None:
        """Who forks later loses them, so they are named."""
        self.assert_finds(
            Outcome.WARN, "2 other threads run.*reporter, writer", self.found("fork", threads=("reporter", "writer"))
        )

    def test_small_stacks_are_told_from_tiny_ones(self) -> None:
        """Under 1 MiB is a warning; 128 KiB, which ends in a crash, a failure."""
        self.assert_finds(Outcome.WARN, "512 KiB of stack", self.found("thread stack", stack_size=512 * 1024))
        self.assert_finds(Outcome.FAIL, "128 KiB of stack", self.found("thread stack", stack_size=128 * 1024))

    def test_limits_are_compared_with_the_configured_sizes(self) -> None:
        """A thousand workers need more files and threads than a few."""
        small = ConductorConfig(api=APIConfig(max_connections=100))
        big = ConductorConfig(conductor=ConductorOptions(workers_pool_size=2000), api=APIConfig(max_connections=100))
        for name, limit, needed in (("file descriptors", "most_files", 4356), ("threads", "most_threads", 2048)):
            self.assert_finds(Outcome.OK, "1024 ", self.found(name, small, **{limit: 1024}))
            self.assert_finds(Outcome.WARN, f"2040 .* {needed} may be needed", self.found(name, big, **{limit: 2040}))
            failing = self.found(name, big, **{limit: 500})
            self.assert_finds(Outcome.FAIL, f"500 .* {needed} may be needed", failing)
            self.assertIn("[conductor] workers_pool_size", failing.remedy)

    def test_a_conductor_from_before_a_fork_is_a_failure(self) -> None:
        """In the child its pool runs nothing, and says so."""
        conductor = self.conductor()
        self.assert_finds(Outcome.OK, "made in this process", self.found("fork", conductor=conductor))

        def in_child() -> bytes:
            # Of the whole examination only what takes no lock: another thread may have had one when this was forked.
            finding = self.worst("fork", list(examine_process(self.config, conductor, HEALTHY)))
            return f"{finding.outcome}: {finding.what}".encode()

        self.assertThat(_in_fork(in_child), MatchesRegex("fail: .*before this process was forked"))


class TestPlugins(DoctorCase):
    def test_what_does_not_load_is_named_with_its_reason(self) -> None:
        """A plugin that nobody asked for is a warning; one that is enabled by name, a failure."""
        plugins = discover()
        plugins.failures.append(LoadFailure("baremetal.hardware_types", "acme", "ImportError: no acmelib"))
        conductor = self.conductor(handed_in={"plugins": plugins})
        self.assert_finds(Outcome.WARN, "acme .*ImportError: no acmelib", self.found("plugins", conductor=conductor))
        wanted = dataclasses.replace(self.config, enabled_hardware_types=("acme",))
        self.assert_finds(Outcome.FAIL, "acme .*ImportError: no acmelib", self.found("plugins", wanted, conductor))

    def test_what_is_enabled_and_not_installed_is_a_failure(self) -> None:
        """The option is named, and what there is."""
        wrong = ConductorConfig(enabled_hardware_types=("nonsense",))
        self.assert_finds(
            Outcome.FAIL, r"\[DEFAULT\] enabled_hardware_types: nonsense not installed", self.found("plugins", wrong)
        )


class TestNodes(DoctorCase):
    def test_nodes_whose_interfaces_are_enabled_are_fine(self) -> None:
        """It says how many nodes it looked at."""
        conductor = self.conductor()
        self.enrol(conductor)
        self.assert_finds(Outcome.OK, "all 1 nodes", self.found("interfaces", conductor=conductor))

    def test_more_nodes_than_sessions_that_can_be_kept_are_a_warning(self) -> None:
        """It names both numbers and the limit to raise."""
        conductor = self.conductor()
        self.enrol(conductor)
        self.enrol(conductor, "m2")
        self.assert_finds(Outcome.OK, "each of 2 nodes", self.found("sessions", conductor=conductor))
        found = self.found("sessions", conductor=conductor, most_files=2)
        self.assert_finds(Outcome.WARN, "2 nodes, and only 1 sessions", found)

    def test_an_interface_that_a_node_uses_and_nobody_offers_is_a_failure(self) -> None:
        """It names kind, interface and nodes, however many there are."""
        first = self.conductor()
        for number in range(7):
            self.enrol(first, f"m{number}", console_interface="no-console", management_interface="fake-bmc")
        narrow = ConductorConfig(host="narrow", enabled_interfaces={"management": ("fake",)})
        conductor = Conductor(narrow, store=first.store)
        # The first one has offered it; where it has gone, nobody does.
        first.store.unregister_conductor("test", first.store.conductors()[0].incarnation)
        self.addCleanup(conductor.stop, 0.0)
        conductor.start()
        finding = self.found("interfaces", narrow, conductor)
        self.assert_finds(Outcome.FAIL, "management interface 'fake-bmc' for hardware type 'fake-hardware'.*7 nodes", finding)
        self.assertThat(finding.what, MatchesRegex(".*m0, m1, m2, m3, m4 and 2 more"))

    def test_what_another_living_conductor_offers_is_fine(self) -> None:
        """A conductor need not drive all nodes of its store; a dead peer's offer does not count."""
        conductor = self.conductor()
        record = self.enrol(conductor)
        narrow = ConductorConfig(host="narrow", enabled_hardware_types=("redfish",))
        other = Conductor(narrow, store=conductor.store)
        self.addCleanup(other.stop, 0.0)
        other.start()
        self.assert_finds(Outcome.OK, "all 1 nodes", self.found("interfaces", narrow, other))
        conductor.stop()
        finding = self.found("interfaces", narrow, other)
        self.assert_finds(Outcome.FAIL, f"hardware type 'fake-hardware' .*{record.name}", finding)


class TestDatabase(DoctorCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.file, self.key = self.directory / "nodes.sqlite", self.directory / "key"
        self.config = ConductorConfig(
            host="test", database=DatabaseConfig(connection=f"sqlite:///{self.file}", secret_key_file=str(self.key))
        )

    def make(self) -> None:
        """A database, as a conductor makes it."""
        with Conductor(self.config):
            pass

    def revise(self, statement: str) -> None:
        with sqlite3.connect(self.file) as connection:
            connection.execute(statement)
        connection.close()

    def test_a_database_that_is_to_be_made_is_not_made(self) -> None:
        """Looking changes nothing: the file is still not there."""
        self.assert_finds(Outcome.WARN, "there is no .*nodes.sqlite yet", self.found("database"))
        self.assertEqual([], os.listdir(self.directory))

    def test_the_present_schema_is_fine(self) -> None:
        """It is reached, and its nodes are looked at."""
        self.make()
        self.assert_finds(Outcome.OK, "can be reached, and its schema is the present one", self.found("database"))
        self.assert_finds(Outcome.OK, "all 0 nodes", self.found("interfaces"))

    def test_an_older_schema_is_not_upgraded(self) -> None:
        """That it will be is a warning; the tables stay as they are, and nodes are not looked at."""
        self.make()
        self.revise("DROP TABLE bm_alembic_version")
        findings = examine(self.config, process=HEALTHY)
        self.assert_finds(Outcome.WARN, "it has no tables yet", self.worst("database", findings))
        self.assertNotIn("interfaces", {finding.name for finding in findings})
        self.assert_finds(Outcome.WARN, "it has no tables yet", self.found("database"))

    def test_a_later_schema_is_a_failure(self) -> None:
        """The version that made it has to run, or a copy be put back."""
        self.make()
        self.revise("UPDATE bm_alembic_version SET version_num = '9999'")
        self.assert_finds(Outcome.FAIL, "revision 9999, of a later version", self.found("database"))

    def test_a_schema_that_a_later_version_has_added_to_is_fine(self) -> None:
        """In the middle of an upgrade, old processes go on."""
        self.make()
        self.revise("UPDATE bm_alembic_version SET version_num = '0999'")
        self.assert_finds(Outcome.OK, "a later version has brought its schema to 0999", self.found("database"))

    def test_a_lost_key_is_a_failure(self) -> None:
        """Without it credentials cannot be read, and a new one would not help."""
        self.make()
        self.key.unlink()
        self.assert_finds(Outcome.FAIL, "key of its credentials is not", self.found("database"))

    def test_a_file_that_is_no_database_is_a_failure(self) -> None:
        """What the store would say is the finding."""
        self.file.write_text("this is a letter, and a long one at that, which no database is" * 20, encoding="utf-8")
        self.key.write_text("", encoding="utf-8")
        self.assert_finds(Outcome.FAIL, "not an SQLite database", self.found("database"))

    def test_a_password_in_the_url_is_not_repeated(self) -> None:
        """A finding may end up in a ticket."""
        wrong = ConductorConfig(database=DatabaseConfig(connection="postgresql+nonsense://u:hunter2@h/d", secret_key_file="key"))
        finding = self.found("database", wrong)
        self.assertEqual(Outcome.FAIL, finding.outcome)
        self.assertNotIn("hunter2", str(finding))


class ShiftedClock(ManualClock):
    """A clock whose wall time is something else at each look."""

    def __init__(self, *walls: datetime) -> None:
        super().__init__()
        self._walls = list(walls)

    def now(self) -> datetime:
        return self._walls.pop(0) if len(self._walls) > 1 else self._walls[0]


class TestClock(DoctorCase):
    def clock_finding(self, clock: ManualClock, conductor: Conductor | None = None) -> Finding:
        return self.worst("clock", examine(self.config, conductor, process=HEALTHY, clock=clock))

    def test_a_clock_that_was_never_set_is_a_failure(self) -> None:
        """The year 1970 makes nonsense of leases."""
        self.assert_finds(Outcome.FAIL, "1970-01-01", self.clock_finding(ManualClock(datetime(1970, 1, 1, tzinfo=UTC))))

    def test_a_clock_that_is_moved_is_a_warning(self) -> None:
        """Wall clock and monotonic clock have to pass alike."""
        clock = ShiftedClock(datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, 0, 0, 30, tzinfo=UTC))
        self.assert_finds(Outcome.WARN, r"moved by \+30.0 s", self.clock_finding(clock))

    def test_a_peer_that_lives_in_the_future_is_a_warning(self) -> None:
        """Leases expire by the clocks of all conductors: one that is ahead is named."""
        here, ahead = ManualClock(), ManualClock()
        conductor = self.conductor(handed_in={"clock": ahead})
        ahead.turn(90.0)
        conductor.store.register_conductor(ConductorRecord(hostname="fast", incarnation="1"))
        self.assert_finds(Outcome.WARN, "conductor 'fast' .* 90 s in the future", self.clock_finding(here, conductor))

    def test_what_cannot_be_examined_is_a_finding(self) -> None:
        """A defect of one look does not end the others."""

        class Broken(ManualClock):
            def now(self) -> datetime:
                self.looks = getattr(self, "looks", 0) + 1
                if self.looks > 1:
                    raise OSError("no clock")
                return super().now() + timedelta(0)

        findings = examine(self.config, process=HEALTHY, clock=Broken())
        self.assertThat([finding.what for finding in findings], Contains("it could not be examined: OSError: no clock"))


def _in_fork(function: Callable[[], bytes]) -> str:
    """What *function* gives in a child that is forked from here."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, function())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return told.decode()
