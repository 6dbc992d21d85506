"""Upgrade during deployments: processes of this release and of the next one share a database and call each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fixtures import TempDir
from sqlalchemy import create_engine, text

from metald.client import APIError, BareMetalClient
from tests.fixtures.databases import EmptyDatabase
from tests.fixtures.metald_processes import MetaldProcesses
from tests.system import next_release
from tests.system.redfish_fleet import TIMEOUT_S, FleetCase

TEMPORARY_STATUSES = (409, 503)


class Deployments(threading.Thread):
    """A client that deploys a machine repeatedly, and keeps the errors that a user would complain about."""

    def __init__(self, client: BareMetalClient, node: str, image_url: str) -> None:
        super().__init__(daemon=True)
        self.client, self.node = client, node
        self._instance_info = {"boot_iso": image_url}
        self.count = 0
        self.complaints: list[str] = []
        self._stop_requested = threading.Event()

    def run(self) -> None:
        """Deploy and undeploy the machine until a stop is requested."""
        try:
            while not self._stop_requested.is_set():
                self.retry(lambda: self.client.set_field(self.node, "instance_info", self._instance_info) or True)
                self.provision("active", "active")
                self.provision("deleted", "available")
                self.count += 1
                self._stop_requested.wait(0.2)
        except Exception as exc:
            self.complaints.append(f"{type(exc).__name__}: {exc}")

    def provision(self, verb: str, state: str) -> None:
        """Request *verb*, with retries after temporary errors, and wait for *state*."""
        self.retry(lambda: self.client.set_provision_state(self.node, verb) or True)
        seen = self.retry(self.get_idle_node)
        if seen["provision_state"] != state:
            raise AssertionError(f"{verb} ended in {seen['provision_state']}: {seen['last_error']}")

    def get_idle_node(self) -> dict[str, Any] | None:
        """Return the node if no work runs on it, otherwise None."""
        seen = self.client.get_node(self.node)
        return None if seen["target_provision_state"] or seen["reservation"] else seen

    def retry(self, request: Callable[[], Any]) -> Any:
        """Call *request* until its result is true, and return it. Temporary errors and a moved API are no complaint."""
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            try:
                if result := request():
                    return result
            except APIError as exc:
                if exc.status is not None and exc.status not in TEMPORARY_STATUSES:
                    raise
            threading.Event().wait(0.05)
        raise AssertionError(f"no result after {TIMEOUT_S:g} s")

    def stop(self) -> None:
        """Stop after the running deployment."""
        self._stop_requested.set()
        self.join(2 * TIMEOUT_S)


class UpgradeTest(FleetCase):
    """An upgrade with SQLite, or with the server database of the test run."""

    machines = 2

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(EmptyDatabase()).url
        self.next = next_release.write(Path(self.useFixture(TempDir()).path))
        options = {"conductor": {"heartbeat_interval": "1", "sync_power_state_interval": "0", "automated_clean": "false"}}
        options["DEFAULT"] = {"enabled_hardware_types": "redfish"}
        self.processes = self.useFixture(MetaldProcesses(self.url, options))

    def execute(self, statement: str) -> list[Any]:
        """Execute a statement in the database and return its rows."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows

    def start_deployments(self, client: BareMetalClient) -> list[Deployments]:
        """Start a client per machine that deploys repeatedly."""
        clients = []
        for index in range(self.machines):
            deployments = Deployments(client, self.enroll_with(client, index), self.image_url)
            for verb, state in (("manage", "manageable"), ("provide", "available")):
                deployments.provision(verb, state)
            deployments.start()
            clients.append(deployments)
        return clients

    def enroll_with(self, client: BareMetalClient, index: int) -> str:
        """Create the node of a machine and return its UUID."""
        service: Any = type("ServiceStub", (), {"client": client})
        return self.enroll(service, index)

    def wait_for_deployments(self, clients: list[Deployments]) -> None:
        """Wait until each client has completed a deployment that began with the present processes."""
        # The first deployment that ends may have begun before, so each client has to end two.
        goals = [client.count + 2 for client in clients]
        end = time.monotonic() + TIMEOUT_S
        while any(client.count < goal for client, goal in zip(clients, goals, strict=True)):
            self.assert_no_complaints(clients)
            self.assertLess(time.monotonic(), end, self.processes.log[-3000:])
            threading.Event().wait(0.05)

    def assert_no_complaints(self, clients: list[Deployments]) -> None:
        complaints = [complaint for client in clients for complaint in client.complaints]
        self.assertEqual([], complaints, self.processes.log[-3000:])

    def test_deployments_continue_during_an_upgrade(self) -> None:
        """Conductors are upgraded one by one, then the API, and no deployment fails.

        Old processes work and restart on the new schema, and keep the values of columns that only the new release knows.
        """
        old = [self.processes.start_conductor(1), self.processes.start_conductor(2)]
        old_api, url = self.processes.start_api(3)
        client = BareMetalClient(url)
        clients = self.start_deployments(client)
        self.wait_for_deployments(clients)

        old[0].stop()
        self.processes.start_conductor(1, self.next)
        self.assertEqual([(next_release.NEXT_REVISION,)], self.execute("SELECT version_num FROM bm_alembic_version"))
        self.execute("UPDATE bm_nodes SET next_word = 'kept'")
        self.wait_for_deployments(clients)
        # A process of the old release may restart, for example after a reboot of its machine.
        old[1].stop()
        restarted = self.processes.start_conductor(2)
        self.wait_for_deployments(clients)
        self.assertIn("upgraded the database to revision", self.processes.log)

        restarted.stop()
        self.processes.start_conductor(2, self.next)
        self.wait_for_deployments(clients)
        new_api, url = self.processes.start_api(4, self.next)
        for deployments in clients:
            deployments.client = BareMetalClient(url)
        self.wait_for_deployments(clients)
        old_api.stop()
        for deployments in clients:
            deployments.stop()
        self.assert_no_complaints(clients)
        self.assertEqual([("kept",)] * self.machines, self.execute("SELECT next_word FROM bm_nodes"))
        self.assertEqual(0, new_api.stop())

    def test_a_newer_api_reports_an_older_conductor(self) -> None:
        """A call that an old conductor does not support is 501 with the versions, and nothing runs."""
        self.processes.start_conductor(1)
        _, url = self.processes.start_api(2, self.next)
        client = BareMetalClient(url)
        node = self.enroll_with(client, 0)
        error = self.get_error(client.set_provision_state, node, "manage")
        self.assertEqual(501, error.status)
        self.assertIn(f"RPC method {next_release.METHOD}: version {next_release.NEXT_VERSION} was requested", str(error))
        self.assertEqual("enroll", client.get_node(node)["provision_state"])
