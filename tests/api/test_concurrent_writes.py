"""Simultaneous writes of several clients: none that was acknowledged is lost, and none is refused for another one's sake."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from baremetal_sdk import ConductorConfig
from baremetal_sdk.api import bare_metal_api
from baremetal_sdk.store.sql.store import SQLStore
from baremetal_sdk.testing import quick_options, running_conductor, settle
from tests.fixtures.api import APITestCase
from tests.fixtures.databases import EmptyDatabase

WRITERS, WRITES = 4, 6


class ConcurrencyTestCase(APITestCase):
    """An API and a conductor on a database file, or on the database server of the test run."""

    def setUp(self) -> None:
        super().setUp()
        self.store = store = SQLStore(self.useFixture(EmptyDatabase()).url)
        store.open()
        self.addCleanup(store.close)
        context = running_conductor(ConductorConfig(host="test", conductor=quick_options()), store=store)
        self.runtime = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.app = bare_metal_api(self.runtime)
        self.node = self.create_node(name="n1")

    def create(self, path: str, **body: Any) -> str:
        """Create a record and return the path of its resource."""
        response = self.request("POST", f"/v1/{path}", body)
        self.assertEqual(201, response.status, response.raw)
        return f"/v1/{path}/{response.json['uuid']}"

    def run_threads(self, work: Callable[[int], None], count: int = WRITERS) -> None:
        """Run *work* in several threads at once, each with its number, and raise the first error of one of them."""
        errors: list[BaseException] = []
        barrier = threading.Barrier(count)

        def run(number: int) -> None:
            try:
                barrier.wait()
                work(number)
            except BaseException as exc:
                errors.append(exc)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]


class TestPatches(ConcurrencyTestCase):
    def resources(self) -> dict[str, str]:
        """Return a path of each resource whose records clients patch, by name."""
        steps = [{"interface": "deploy", "step": "erase_devices", "args": {}, "priority": 1}]
        book = [{"interface": "deploy", "step": "erase_devices", "args": {}, "order": 1}]
        node = {"node_uuid": self.node}
        return {
            "node": f"/v1/nodes/{self.node}",
            "port": self.create("ports", **node, address="02:00:00:00:00:01"),
            "port group": self.create("portgroups", **node),
            "chassis": self.create("chassis"),
            "connector": self.create("volume/connectors", **node, type="iqn", connector_id="iqn.a"),
            "target": self.create("volume/targets", **node, volume_type="iscsi", volume_id="1", boot_index=0),
            "template": self.create("deploy_templates", name="CUSTOM_A", steps=steps),
            "runbook": self.create("runbooks", name="CUSTOM_B", steps=book),
            "allocation": self.create("allocations", resource_class="none-such"),
        }

    def test_no_acknowledged_patch_is_lost_or_refused(self) -> None:
        """Clients that add different keys to one record of any kind all succeed, and all keys are there afterwards."""
        self.runtime.store.update_node(self.node, {"power_state": "power off"}, fence=None)
        for name, path in self.resources().items():
            statuses: Counter[int] = Counter()

            def add_keys(number: int, path: str = path, statuses: Counter[int] = statuses) -> None:
                for index in range(WRITES):
                    statuses[self.patch(path, ("add", f"/extra/{number}-{index}", 1)).status] += 1

            self.run_threads(add_keys)
            self.assertEqual({200: WRITERS * WRITES}, dict(statuses), name)
            self.assertEqual(WRITERS * WRITES, len(self.get(path)["extra"]), name)

    def test_patch_is_evaluated_again_after_a_conflict(self) -> None:
        """A counter that each client increments with ``test`` and ``replace`` counts exactly the acknowledged patches."""
        for path in (self.create("chassis"), self.create("ports", node_uuid=self.node, address="02:00:00:00:00:02")):
            self.patch(path, ("add", "/extra/n", 0), ("add", "/extra/list", []))
            statuses: Counter[int] = Counter()

            def count(number: int, path: str = path, statuses: Counter[int] = statuses) -> None:
                for index in range(WRITES):
                    value = self.get(path)["extra"]["n"]
                    operations = (("test", "/extra/n", value), ("replace", "/extra/n", value + 1))
                    added = (("add", "/extra/list/-", {"by": number}), ("add", "/extra/list/-", index))
                    statuses[self.patch(path, *operations, *added).status] += 1

            self.run_threads(count)
            self.assertLessEqual(set(statuses), {200, 400})
            extra = self.get(path)["extra"]
            self.assertEqual(statuses[200], extra["n"])
            self.assertEqual(2 * statuses[200], len(extra["list"]))

    def test_records_of_one_node_change_at_the_same_time(self) -> None:
        """Clients that change and delete different records of one node do not get each other's conflicts."""
        self.runtime.store.update_node(self.node, {"power_state": "power off"}, fence=None)
        groups = [self.create("portgroups", node_uuid=self.node) for _ in range(WRITERS)]
        statuses: Counter[int] = Counter()

        def change(number: int) -> None:
            for index in range(WRITES):
                statuses[self.patch(groups[number], ("add", f"/extra/{index}", 1)).status] += 1
            self.assertEqual(204, self.request("DELETE", groups[number]).status)

        self.run_threads(change)
        self.assertEqual({200: WRITERS * WRITES}, dict(statuses))

    def test_traits_are_not_lost(self) -> None:
        """Traits that several clients add to one node or runbook are all there afterwards."""
        steps = [{"interface": "deploy", "step": "erase_devices", "args": {}, "order": 1}]
        for path in (f"/v1/nodes/{self.node}/traits", self.create("runbooks", name="CUSTOM_B", steps=steps) + "/traits"):

            def add(number: int, path: str = path) -> None:
                for index in range(WRITES):
                    response = self.request("PUT", f"{path}/CUSTOM_{number}_{index}")
                    self.assertEqual(204, response.status, response.raw)

            self.run_threads(add)
            self.assertEqual(WRITERS * WRITES, len(self.get(path)["traits"]))


class TestAllocations(ConcurrencyTestCase):
    def test_new_allocation_is_changed_and_deleted_at_once(self) -> None:
        """The service's search for a node is no conflict of the client, whether it finds a node or not."""
        for number in range(4):
            values = {"resource_class": "big", "provision_state": "available", "power_state": "power off"}
            self.runtime.store.update_node(self.create_node(name=f"m{number}"), values, fence=None)

        def work(number: int) -> None:
            for index in range(WRITES):
                path = self.create("allocations", resource_class="big" if index % 2 else "none-such", name=f"a{number}-{index}")
                if index % 4 < 2:
                    response = self.patch(path, ("add", "/extra/a", "b"))
                    self.assertEqual(200, response.status, response.raw)
                response = self.request("DELETE", path)
                self.assertEqual(204, response.status, response.raw)

        self.run_threads(work)
        settle(self.runtime)
        self.assertEqual([], self.get("/v1/allocations")["allocations"])
        for node in self.get("/v1/nodes/detail")["nodes"]:
            self.assertIsNone(node["allocation_uuid"])
            self.assertIsNone(node["instance_uuid"])


class TestDuplicates(ConcurrencyTestCase):
    def test_real_conflict_stays(self) -> None:
        """Of several clients that give one name to different nodes, one succeeds, and the others get 409."""
        nodes = [self.create_node() for _ in range(WRITERS)]
        statuses: Counter[int] = Counter()

        def rename(number: int) -> None:
            statuses[self.patch(f"/v1/nodes/{nodes[number]}", ("add", "/name", f"same-{uuid.UUID(int=0).hex}")).status] += 1

        self.run_threads(rename)
        self.assertEqual({200: 1, 409: WRITERS - 1}, dict(statuses))
