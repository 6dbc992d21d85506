"""The tests of RPC and store, and clients of several APIs, in every combination of servers from the operator's guide."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

from fixtures import Fixture
from testtools import TestCase

from benchmarks.arrangements import ARRANGEMENTS, Arrangement, RunningArrangement, create_and_delete
from tests.fixtures import etcd, mariadb, postgresql, rabbitmq

RPC_SUITES = ("tests.rpc.test_none", "tests.rpc.test_json_rpc", "tests.rpc.test_oslo")
STORE_SUITES = (
    "tests.store.test_behaviour", "tests.store.test_migrations", "tests.store.test_sql_concurrency",
    "tests.system.test_upgrade",
)  # fmt: skip
TIMEOUT_S = 900.0


@contextlib.contextmanager
def run_servers(*servers: Fixture) -> Iterator[None]:
    """Run the servers within the block."""
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
        yield


class CombinationsTest(TestCase):
    def run_suites(self, names: tuple[str, ...], database: Fixture | None, coordination: Fixture | None) -> None:
        """Run tests in a process whose environment names the servers. A missing server is a failure here, not a skip."""
        for missing in (postgresql.missing(), mariadb.missing(), rabbitmq.missing(), etcd.missing()):
            self.assertIsNone(missing)
        with run_servers(*(server for server in (database, coordination) if server is not None)):
            variables = {
                name: server.url
                for name, server in (("BAREMETAL_TEST_DATABASE", database), ("BAREMETAL_TEST_COORDINATION", coordination))
                if server is not None
            }
            command = [sys.executable, "-m", "testtools.run", *names]
            environment = {**os.environ, **variables}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        self.assertEqual(0, done.returncode, f"{names} with {variables}:\n{done.stdout[-8000:]}\n{done.stderr[-2000:]}")

    def run_rpc(self, database: Fixture | None, coordination: Fixture | None = None) -> None:
        for name in RPC_SUITES:
            self.run_suites((name,), database, coordination)

    def test_rpc_on_postgresql(self) -> None:
        """All three transports behave in the same way."""
        self.run_rpc(postgresql.PostgreSQL())

    def test_rpc_on_postgresql_with_etcd(self) -> None:
        """All three transports behave in the same way."""
        self.run_rpc(postgresql.PostgreSQL(), etcd.Etcd())

    def test_rpc_on_mariadb(self) -> None:
        """All three transports behave in the same way."""
        self.run_rpc(mariadb.MariaDB())

    def test_rpc_on_mariadb_with_etcd(self) -> None:
        """All three transports behave in the same way."""
        self.run_rpc(mariadb.MariaDB(), etcd.Etcd())

    def test_rpc_in_memory_with_etcd(self) -> None:
        """All three transports behave in the same way."""
        self.run_rpc(None, etcd.Etcd())

    def test_store_on_postgresql(self) -> None:
        """Behavior of the store, migrations, concurrent writers, restart, and an upgrade under load."""
        self.run_suites(STORE_SUITES, postgresql.PostgreSQL(), None)

    def test_store_on_mariadb(self) -> None:
        """Behavior of the store, migrations, concurrent writers, restart, and an upgrade under load."""
        self.run_suites(STORE_SUITES, mariadb.MariaDB(), None)

    def test_clients_of_all_apis(self) -> None:
        """In each arrangement, a node created through one API is visible and can be deleted through the other."""
        for arrangement in ARRANGEMENTS:
            with self.subTest(arrangement.name):
                self.use_all_apis(arrangement)

    def use_all_apis(self, arrangement: Arrangement) -> None:
        self.assertIsNone(arrangement.missing)
        with RunningArrangement(arrangement) as running_arrangement:
            figures = create_and_delete(running_arrangement.urls)
        print(json.dumps({"arrangement": arrangement.name, **figures}), flush=True)
        self.assertEqual([], figures["wrong"])
