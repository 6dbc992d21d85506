"""Findings of the examination, check by check."""

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

from baremetal_interfaces import Kind
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.config import APIConfig, ConductorOptions, DatabaseConfig
from baremetal_sdk.doctor import Finding, Outcome, Process, examine
from baremetal_sdk.doctor.process import examine_process
from baremetal_sdk.drivers.loader import LoadFailure, discover
from baremetal_sdk.store.records.node import ConductorRecord
from baremetal_sdk.testing import ManualClock
from tests.concurrency.test_monkey_patching import Patcher
from tests.fixtures.machines import MachinesCase

HEALTHY = Process(modules={}, threads=(), stack_size=8 << 20, max_files=65536, max_threads=None)


class DoctorCase(MachinesCase):
    def setUp(self) -> None:
        super().setUp()
        self.logged = self.useFixture(FakeLogger())
        self.config = ConductorConfig(host="test")

    def find(
        self, name: str, config: ConductorConfig | None = None, conductor: Conductor | None = None, **process: Any
    ) -> Finding:
        """Return the worst finding with this name, for a healthy process with the changes in *process*."""
        here = dataclasses.replace(HEALTHY, **process)
        return self.worst(name, examine(config or self.config, conductor, process=here))

    def worst(self, name: str, findings: list[Finding]) -> Finding:
        """Return the worst finding with this name."""
        order = list(Outcome)
        return max((finding for finding in findings if finding.name == name), key=lambda finding: order.index(finding.outcome))

    def assert_finds(self, outcome: Outcome, pattern: str, finding: Finding) -> None:
        """Assert the outcome and *pattern* in the description, and a remedy for each problem."""
        self.assertEqual(outcome, finding.outcome, finding)
        self.assertThat(finding.what, MatchesRegex(f".*(?:{pattern})"))
        self.assertEqual(outcome is not Outcome.OK, bool(finding.remedy), finding)


class TestProcess(DoctorCase):
    def test_a_healthy_process_has_no_problems(self) -> None:
        """All findings of a healthy process are OK."""
        findings = examine(self.config, process=HEALTHY)
        self.assertEqual([], [finding for finding in findings if finding.outcome is not Outcome.OK])

    def test_this_process_can_be_examined(self) -> None:
        """By default the properties of the current process are examined."""
        names = {finding.name for finding in examine(self.config)}
        self.assertEqual(
            {"monkey-patching", "eventlet", "fork", "thread stack", "file descriptors", "threads", "plugins"}
            | {"database", "interfaces", "machines", "sessions", "clock"},
            names,
        )

    def test_monkey_patching_is_a_failure(self) -> None:
        """The finding names the patching library and the call to remove."""
        finding = self.find("monkey-patching", modules={"eventlet.patcher": Patcher("eventlet.patcher", "thread")})
        self.assert_finds(Outcome.FAIL, r"patched by eventlet \(thread\)", finding)
        self.assertIn("eventlet's monkey_patch()", finding.remedy)

    def test_an_imported_eventlet_is_a_warning(self) -> None:
        """An import of eventlet is a warning. A blocked import is not."""
        imported = self.find("eventlet", modules={"eventlet": ModuleType("eventlet")})
        self.assert_finds(Outcome.WARN, "eventlet is imported", imported)
        self.assert_finds(Outcome.OK, "neither", self.find("eventlet", modules={"eventlet": None}))

    def test_threads_before_a_fork_are_a_warning(self) -> None:
        """A later fork would lose the threads, so the finding names them."""
        self.assert_finds(
            Outcome.WARN, "2 other threads are running.*reporter, writer", self.find("fork", threads=("reporter", "writer"))
        )

    def test_small_and_tiny_stacks_are_reported(self) -> None:
        """A stack below 1 MiB is a warning. A stack of 128 KiB, which may crash, is a failure."""
        self.assert_finds(Outcome.WARN, "512 KiB of stack", self.find("thread stack", stack_size=512 * 1024))
        self.assert_finds(Outcome.FAIL, "128 KiB of stack", self.find("thread stack", stack_size=128 * 1024))

    def test_limits_are_compared_with_the_configured_sizes(self) -> None:
        """The needed numbers of files and threads follow from the configured sizes."""
        small = ConductorConfig(api=APIConfig(max_connections=100))
        big = ConductorConfig(conductor=ConductorOptions(workers_pool_size=2000), api=APIConfig(max_connections=100))
        for name, limit, needed in (("file descriptors", "max_files", 4356), ("threads", "max_threads", 2048)):
            self.assert_finds(Outcome.OK, "1024 ", self.find(name, small, **{limit: 1024}))
            self.assert_finds(Outcome.WARN, f"2040 .* up to {needed} may be needed", self.find(name, big, **{limit: 2040}))
            failing = self.find(name, big, **{limit: 500})
            self.assert_finds(Outcome.FAIL, f"500 .* up to {needed} may be needed", failing)
            self.assertIn("[conductor] workers_pool_size", failing.remedy)

    def test_a_conductor_from_before_a_fork_is_a_failure(self) -> None:
        """In a forked child, the pool of the conductor cannot run work."""
        conductor = self.conductor()
        self.assert_finds(Outcome.OK, "belongs to this process", self.find("fork", conductor=conductor))

        def in_child() -> bytes:
            # Only checks without locks: another thread may have held a lock during the fork.
            finding = self.worst("fork", list(examine_process(self.config, conductor, HEALTHY)))
            return f"{finding.outcome}: {finding.what}".encode()

        self.assertThat(_in_fork(in_child), MatchesRegex("fail: .*before this process was forked"))


class TestPlugins(DoctorCase):
    def test_plugins_that_do_not_load_are_reported(self) -> None:
        """A broken plugin is a warning, and a failure if the configuration enables it by name."""
        plugins = discover()
        plugins.failures.append(LoadFailure("baremetal.hardware_types", "acme", "ImportError: no acmelib"))
        conductor = self.conductor(handed_in={"plugins": plugins})
        self.assert_finds(Outcome.WARN, "acme .*ImportError: no acmelib", self.find("plugins", conductor=conductor))
        wanted = dataclasses.replace(self.config, enabled_hardware_types=("acme",))
        self.assert_finds(Outcome.FAIL, "acme .*ImportError: no acmelib", self.find("plugins", wanted, conductor))

    def test_listed_interface_without_a_plugin_is_a_warning(self) -> None:
        """The finding names the hardware type, the kind and the interface."""
        plugins = discover()
        del plugins.interfaces[Kind.RESCUE]["agent"]
        conductor = self.conductor(handed_in={"plugins": plugins})
        finding = self.find("plugins", conductor=conductor)
        self.assert_finds(Outcome.WARN, "hardware type '.*' lists the rescue interface 'agent'", finding)

    def test_an_enabled_plugin_that_is_not_installed_is_a_failure(self) -> None:
        """The finding names the option and the missing plugin."""
        wrong = ConductorConfig(enabled_hardware_types=("nonsense",))
        self.assert_finds(
            Outcome.FAIL, r"\[DEFAULT\] enabled_hardware_types: nonsense not installed", self.find("plugins", wrong)
        )


class TestNodes(DoctorCase):
    def test_nodes_with_offered_interfaces_are_ok(self) -> None:
        """The finding has the number of nodes."""
        conductor = self.conductor()
        self.enroll(conductor)
        self.assert_finds(Outcome.OK, "all 1 nodes", self.find("interfaces", conductor=conductor))

    def test_nodes_of_one_machine_are_a_warning(self) -> None:
        """The finding has the machine and its nodes."""
        conductor = self.conductor()
        info = {"redfish_address": "https://bmc.example"}
        for name in ("a", "b"):
            conductor.rpc.call("create_node", values={"driver": "redfish", "name": name, "driver_info": info})
            if name == "a":
                self.assert_finds(Outcome.OK, "no two nodes", self.find("machines", conductor=conductor))
        found = self.find("machines", conductor=conductor)
        self.assert_finds(Outcome.WARN, "2 nodes manage the same machine, bmc.example: a, b", found)

    def test_more_nodes_than_possible_sessions_are_a_warning(self) -> None:
        """The finding has the numbers of nodes and of sessions."""
        conductor = self.conductor()
        self.enroll(conductor)
        self.enroll(conductor, "m2")
        self.assert_finds(Outcome.OK, "all 2 nodes", self.find("sessions", conductor=conductor))
        found = self.find("sessions", conductor=conductor, max_files=2)
        self.assert_finds(Outcome.WARN, "2 nodes, but only 1 sessions", found)

    def test_a_used_interface_that_no_conductor_offers_is_a_failure(self) -> None:
        """The finding names the kind, the interface, and the first of its nodes."""
        first = self.conductor()
        for number in range(7):
            self.enroll(first, f"m{number}", console_interface="no-console", management_interface="fake-bmc")
        narrow = ConductorConfig(host="narrow", enabled_interfaces={"management": ("fake",)})
        conductor = Conductor(narrow, store=first.store)
        # Only the first conductor offers the interface, so without it no conductor does.
        first.store.unregister_conductor("test", first.store.conductors()[0].incarnation)
        self.addCleanup(conductor.stop, 0.0)
        conductor.start()
        finding = self.find("interfaces", narrow, conductor)
        self.assert_finds(Outcome.FAIL, "management interface 'fake-bmc' for hardware type 'fake-hardware'.*7 nodes", finding)
        self.assertThat(finding.what, MatchesRegex(".*m0, m1, m2, m3, m4 and 2 more"))

    def test_an_offer_of_another_live_conductor_is_ok(self) -> None:
        """The offers of other live conductors count. Those of dead conductors do not."""
        conductor = self.conductor()
        record = self.enroll(conductor)
        narrow = ConductorConfig(host="narrow", enabled_hardware_types=("redfish",))
        other = Conductor(narrow, store=conductor.store)
        self.addCleanup(other.stop, 0.0)
        other.start()
        self.assert_finds(Outcome.OK, "all 1 nodes", self.find("interfaces", narrow, other))
        conductor.stop()
        finding = self.find("interfaces", narrow, other)
        self.assert_finds(Outcome.FAIL, f"hardware type 'fake-hardware' .*{record.name}", finding)


class TestDatabase(DoctorCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.file, self.key = self.directory / "nodes.sqlite", self.directory / "key"
        self.config = ConductorConfig(
            host="test", database=DatabaseConfig(connection=f"sqlite:///{self.file}", secret_key_file=str(self.key))
        )

    def create_database(self) -> None:
        """Create the database by starting a conductor."""
        with Conductor(self.config):
            pass

    def execute(self, statement: str) -> None:
        """Execute a statement in the database."""
        with sqlite3.connect(self.file) as connection:
            connection.execute(statement)
        connection.close()

    def test_a_missing_database_is_not_created(self) -> None:
        """The examination reports a missing file and does not create it."""
        self.assert_finds(Outcome.WARN, "nodes.sqlite does not exist yet", self.find("database"))
        self.assertEqual([], os.listdir(self.directory))

    def test_the_current_schema_is_ok(self) -> None:
        """A database with the current schema is OK, and its nodes are examined."""
        self.create_database()
        self.assert_finds(Outcome.OK, "reachable, with the current schema", self.find("database"))
        self.assert_finds(Outcome.OK, "all 0 nodes", self.find("interfaces"))

    def test_an_older_schema_is_not_upgraded(self) -> None:
        """An older schema is a warning. It stays unchanged, and the nodes are not examined."""
        self.create_database()
        self.execute("DROP TABLE bm_alembic_version")
        findings = examine(self.config, process=HEALTHY)
        self.assert_finds(Outcome.WARN, "the database has no tables yet", self.worst("database", findings))
        self.assertNotIn("interfaces", {finding.name for finding in findings})
        self.assert_finds(Outcome.WARN, "the database has no tables yet", self.find("database"))

    def test_a_later_schema_is_a_failure(self) -> None:
        """A schema of an incompatible later version is a failure."""
        self.create_database()
        self.execute("UPDATE bm_alembic_version SET version_num = '9999'")
        self.assert_finds(Outcome.FAIL, "revision 9999 of a later version", self.find("database"))

    def test_a_compatible_later_schema_is_ok(self) -> None:
        """A schema that a later version has extended compatibly is OK, because old processes run during an upgrade."""
        self.create_database()
        self.execute("UPDATE bm_alembic_version SET version_num = '0999'")
        self.assert_finds(Outcome.OK, "a later version has upgraded its schema to 0999", self.find("database"))

    def test_a_lost_key_is_a_failure(self) -> None:
        """A database without its key is a failure, because its credentials cannot be decrypted."""
        self.create_database()
        self.key.unlink()
        self.assert_finds(Outcome.FAIL, "key of its credentials is missing", self.find("database"))

    def test_a_file_that_is_not_a_database_is_a_failure(self) -> None:
        """The error of the store becomes the finding."""
        self.file.write_text("this is a letter, and a long one at that, which no database is" * 20, encoding="utf-8")
        self.key.write_text("", encoding="utf-8")
        self.assert_finds(Outcome.FAIL, "not an SQLite database", self.find("database"))

    def test_a_password_in_the_url_is_not_repeated(self) -> None:
        """A finding contains no password, because it may be copied into a ticket."""
        wrong = ConductorConfig(database=DatabaseConfig(connection="postgresql+nonsense://u:hunter2@h/d", secret_key_file="key"))
        finding = self.find("database", wrong)
        self.assertEqual(Outcome.FAIL, finding.outcome)
        self.assertNotIn("hunter2", str(finding))


class ShiftedClock(ManualClock):
    """A clock that returns the given wall times one after the other."""

    def __init__(self, *walls: datetime) -> None:
        super().__init__()
        self._walls = list(walls)

    def now(self) -> datetime:
        return self._walls.pop(0) if len(self._walls) > 1 else self._walls[0]


class TestClock(DoctorCase):
    def find_clock(self, clock: ManualClock, conductor: Conductor | None = None) -> Finding:
        """Return the worst finding about this clock."""
        return self.worst("clock", examine(self.config, conductor, process=HEALTHY, clock=clock))

    def test_a_clock_that_was_never_set_is_a_failure(self) -> None:
        """A clock in the year 1970 is a failure, because leases depend on it."""
        self.assert_finds(Outcome.FAIL, "1970-01-01", self.find_clock(ManualClock(datetime(1970, 1, 1, tzinfo=UTC))))

    def test_a_jump_of_the_clock_is_a_warning(self) -> None:
        """A difference between the wall clock and the monotonic clock is a warning."""
        clock = ShiftedClock(datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, 0, 0, 30, tzinfo=UTC))
        self.assert_finds(Outcome.WARN, r"jumped by \+30.0 s", self.find_clock(clock))

    def test_a_heartbeat_in_the_future_is_a_warning(self) -> None:
        """A conductor whose clock is ahead is a warning that names it."""
        here, ahead = ManualClock(), ManualClock()
        conductor = self.conductor(handed_in={"clock": ahead})
        ahead.turn(90.0)
        conductor.store.register_conductor(ConductorRecord(hostname="fast", incarnation="1"))
        self.assert_finds(Outcome.WARN, "conductor 'fast' is 90 s in the future", self.find_clock(here, conductor))

    def test_a_failing_check_is_a_finding(self) -> None:
        """An exception of one check becomes a finding, and the others run."""

        class Broken(ManualClock):
            def now(self) -> datetime:
                self.reads = getattr(self, "reads", 0) + 1
                if self.reads > 1:
                    raise OSError("no clock")
                return super().now() + timedelta(0)

        findings = examine(self.config, process=HEALTHY, clock=Broken())
        self.assertThat([finding.what for finding in findings], Contains("the check failed: OSError: no clock"))


def _in_fork(function: Callable[[], bytes]) -> str:
    """Return the result of *function* in a forked child."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, function())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        output = answer.read()
    os.waitpid(child, 0)
    return output.decode()
