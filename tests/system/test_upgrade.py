"""An upgrade while machines are deployed: processes of this release and of the next one share a database and call each other."""

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
from tests.system import next_release
from tests.system.parts import Parts
from tests.system.redfish_fleet import BOUND, FleetCase

REFUSED_FOR_NOW = (409, 503)


class Deployments(threading.Thread):
    """A client that deploys one machine again and again, and notes what it would complain about."""

    def __init__(self, client: BareMetalClient, node: str, image_url: str) -> None:
        super().__init__(daemon=True)
        self.client, self.node = client, node
        self._instance_info = {"boot_iso": image_url}
        self.done = 0
        self.complaints: list[str] = []
        self._enough = threading.Event()

    def run(self) -> None:
        """Deploy and clear the machine until it is enough."""
        try:
            while not self._enough.is_set():
                self.patiently(lambda: self.client.set_field(self.node, "instance_info", self._instance_info) or True)
                self.reach("active", "active")
                self.reach("deleted", "available")
                self.done += 1
                self._enough.wait(0.2)
        except Exception as exc:
            self.complaints.append(f"{type(exc).__name__}: {exc}")

    def reach(self, verb: str, state: str) -> None:
        """Ask for *verb*, again where that was refused for now, and wait for *state*."""
        self.patiently(lambda: self.client.set_provision_state(self.node, verb) or True)
        seen = self.patiently(self.at_rest)
        if seen["provision_state"] != state:
            raise AssertionError(f"{verb} ended in {seen['provision_state']}: {seen['last_error']}")

    def at_rest(self) -> dict[str, Any] | None:
        """The node, once nobody works on it."""
        seen = self.client.get_node(self.node)
        return None if seen["target_provision_state"] or seen["reservation"] else seen

    def patiently(self, ask: Callable[[], Any]) -> Any:
        """What *ask* gives at last. An API that has moved, or that says when to come back, is no reason to complain."""
        end = time.monotonic() + BOUND
        while time.monotonic() < end:
            try:
                if found := ask():
                    return found
            except APIError as exc:
                if exc.status is not None and exc.status not in REFUSED_FOR_NOW:
                    raise
            threading.Event().wait(0.05)
        raise AssertionError(f"nothing after {BOUND:g} s")

    def end(self) -> None:
        """Let it come to the end of what it does."""
        self._enough.set()
        self.join(2 * BOUND)


class UpgradeTest(FleetCase):
    """In a file, or on the server that the tests are run with."""

    machines = 2

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(EmptyDatabase()).url
        self.next = next_release.write(Path(self.useFixture(TempDir()).path))
        automatic = {"conductor": {"heartbeat_interval": "1", "sync_power_state_interval": "0", "automated_clean": "false"}}
        self.parts = self.useFixture(Parts(self.url, {**automatic, "DEFAULT": {"enabled_hardware_types": "redfish"}}))

    def said(self, statement: str) -> list[Any]:
        """What the database answers."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            found = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return found

    def deploying(self, client: BareMetalClient) -> list[Deployments]:
        """Clients that deploy all the time."""
        found = []
        for index in range(self.machines):
            deployments = Deployments(client, self.enrol_with(client, index), self.image_url)
            for verb, state in (("manage", "manageable"), ("provide", "available")):
                deployments.reach(verb, state)
            deployments.start()
            found.append(deployments)
        return found

    def enrol_with(self, client: BareMetalClient, index: int) -> str:
        """The node of one machine."""
        service: Any = type("Asked", (), {"client": client})
        return self.enrol(service, index)

    def progress(self, clients: list[Deployments]) -> None:
        """Wait until each client has deployed once more from beginning to end, with the parts as they are now."""
        wanted = [one.done + 2 for one in clients]
        end = time.monotonic() + BOUND
        while any(one.done < count for one, count in zip(clients, wanted, strict=True)):
            self.assertEqual([], [complaint for one in clients for complaint in one.complaints], self.parts.log[-3000:])
            self.assertLess(time.monotonic(), end, self.parts.log[-3000:])
            threading.Event().wait(0.05)

    def test_deployments_go_on_through_an_upgrade(self) -> None:
        """Conductors one by one, then the API: no deployment fails, old parts work and restart on the new schema, and what
        only the new release knows is kept by the old one."""
        old = [self.parts.conductor(1), self.parts.conductor(2)]
        api, url = self.parts.api(3)
        client = BareMetalClient(url)
        clients = self.deploying(client)
        self.progress(clients)

        old[0].stop()
        self.parts.conductor(1, self.next)
        self.assertEqual([(next_release.NEXT_REVISION,)], self.said("SELECT version_num FROM bm_alembic_version"))
        self.said("UPDATE bm_nodes SET next_word = 'kept'")
        self.progress(clients)
        # What still is of the old release may be started again, as after a boot of its machine.
        old[1].stop()
        again = self.parts.conductor(2)
        self.progress(clients)
        self.assertIn("was brought up to revision", self.parts.log)

        again.stop()
        self.parts.conductor(2, self.next)
        self.progress(clients)
        later, url = self.parts.api(4, self.next)
        for one in clients:
            one.client = BareMetalClient(url)
        self.progress(clients)
        api.stop()
        for one in clients:
            one.end()
        self.assertEqual([], [complaint for one in clients for complaint in one.complaints], self.parts.log[-3000:])
        self.assertEqual([("kept",)] * self.machines, self.said("SELECT next_word FROM bm_nodes"))
        self.assertEqual(0, later.stop())

    def test_an_api_that_was_upgraded_first_says_so(self) -> None:
        """An old conductor is not asked for what it cannot do: 501, the versions, and nothing was run."""
        self.parts.conductor(1)
        _, url = self.parts.api(2, self.next)
        client = BareMetalClient(url)
        node = self.enrol_with(client, 0)
        error = self.refusal(client.set_provision_state, node, "manage")
        self.assertEqual(501, error.status)
        self.assertIn(f"{next_release.METHOD} is asked for in version {next_release.NEXT_VERSION}", str(error))
        self.assertEqual("enroll", client.get_node(node)["provision_state"])
