"""The suites of RPC and of the store, and clients of several APIs, in every combination that the operator's guide names."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

from fixtures import Fixture
from testtools import TestCase

from benchmarks.arrangements import ARRANGEMENTS, Arrangement, Running, create_and_delete
from tests.fixtures import etcd, mariadb, postgresql, rabbitmq

SUITES = ("tests.rpc.test_none", "tests.rpc.test_json_rpc", "tests.rpc.test_oslo")
STORE = (
    "tests.store.test_behaviour", "tests.store.test_migrations", "tests.store.test_sql_concurrency",
    "tests.system.test_upgrade",
)  # fmt: skip
SECONDS = 900.0


@contextlib.contextmanager
def started(*servers: Fixture) -> Iterator[None]:
    """Servers that run meanwhile."""
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
        yield


class CombinationsTest(TestCase):
    def run_suites(self, names: tuple[str, ...], database: Fixture | None, witness: Fixture | None) -> None:
        """Run tests as a process that is told where its servers are; what is missing is a failure here."""
        for missing in (postgresql.missing(), mariadb.missing(), rabbitmq.missing(), etcd.missing()):
            self.assertIsNone(missing)
        with started(*(one for one in (database, witness) if one is not None)):
            told = {
                name: server.url
                for name, server in (("BAREMETAL_TEST_DATABASE", database), ("BAREMETAL_TEST_COORDINATION", witness))
                if server is not None
            }
            command = [sys.executable, "-m", "testtools.run", *names]
            environment = {**os.environ, **told}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
        self.assertEqual(0, done.returncode, f"{names} with {told}:\n{done.stdout[-8000:]}\n{done.stderr[-2000:]}")

    def run_rpc(self, database: Fixture | None, witness: Fixture | None = None) -> None:
        for name in SUITES:
            self.run_suites((name,), database, witness)

    def test_rpc_on_postgresql(self) -> None:
        """The behaviour of calls is the same in all three modes."""
        self.run_rpc(postgresql.PostgreSQL())

    def test_rpc_on_postgresql_with_etcd(self) -> None:
        """The behaviour of calls is the same in all three modes."""
        self.run_rpc(postgresql.PostgreSQL(), etcd.Etcd())

    def test_rpc_on_mariadb(self) -> None:
        """The behaviour of calls is the same in all three modes."""
        self.run_rpc(mariadb.MariaDB())

    def test_rpc_on_mariadb_with_etcd(self) -> None:
        """The behaviour of calls is the same in all three modes."""
        self.run_rpc(mariadb.MariaDB(), etcd.Etcd())

    def test_rpc_in_memory_with_etcd(self) -> None:
        """The behaviour of calls is the same in all three modes."""
        self.run_rpc(None, etcd.Etcd())

    def test_store_on_postgresql(self) -> None:
        """What a store does, migrations, writers at once, a restart, and an upgrade under load."""
        self.run_suites(STORE, postgresql.PostgreSQL(), None)

    def test_store_on_mariadb(self) -> None:
        """What a store does, migrations, writers at once, a restart, and an upgrade under load."""
        self.run_suites(STORE, mariadb.MariaDB(), None)

    def test_clients_of_any_api(self) -> None:
        """In each arrangement, what is created at one API is seen and deleted at the other."""
        for arrangement in ARRANGEMENTS:
            with self.subTest(arrangement.name):
                self.ask_any_api(arrangement)

    def ask_any_api(self, arrangement: Arrangement) -> None:
        self.assertIsNone(arrangement.missing)
        with Running(arrangement) as running:
            found = create_and_delete(running.urls)
        print(json.dumps({"arrangement": arrangement.name, **found}), flush=True)
        self.assertEqual([], found["wrong"])
