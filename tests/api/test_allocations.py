"""Allocations: how the service selects nodes, and how long an allocation lasts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from testtools import TestCase

from baremetal_interfaces import Deadline
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.store import AllocationRecord, MemoryStore, NodeQuery, NodeRecord, PlainBox, Query, Row, Scope
from baremetal_sdk.testing import quick_options, running_conductor, settle
from tests.api.test_chassis_and_groups import UNKNOWN_UUID, ResourceTestCase


class AllocationTestCase(ResourceTestCase):
    """The node ``m1`` is available and has the resource class ``small``."""

    def setUp(self) -> None:
        super().setUp()
        self.change(resource_class="small")
        self.run_verbs("manage", "provide")

    def allocate(self, version: str = "1.60", **values: Any) -> Any:
        """Create an allocation and return it after the search for a node has ended."""
        created = self.create("allocations", version, **{"resource_class": "small", **values})
        settle(self.runtime)
        return self.get(f"/v1/allocations/{created['uuid']}", version)

    def enroll_available(self, name: str, **values: Any) -> str:
        """Enroll another node and make it available."""
        node = self.enroll(name, **{"resource_class": "small", **values})
        self.run_verbs("manage", "provide", node=node)
        return node


class TestMatching(AllocationTestCase):
    def test_node_of_the_class_is_allocated(self) -> None:
        """The allocation names its node, and the node names its allocation, also as its instance."""
        allocation = self.allocate(name="a1", extra={"a": 1})
        self.assertEqual("active", allocation["state"])
        self.assertEqual(self.uuid, allocation["node_uuid"])
        self.assertIsNone(allocation["last_error"])
        node = self.call_node("GET", "", version="1.52")
        self.assertEqual([allocation["uuid"]] * 2, [node["instance_uuid"], node["allocation_uuid"]])
        self.assertEqual(allocation, self.get("/v1/allocations/a1", "1.60"))
        self.assertEqual(allocation, self.call_node("GET", "allocation", version="1.60"))

    def test_allocation_without_a_matching_node_fails(self) -> None:
        """The error names the resource class, the traits and the number of candidates."""
        for values, words in (
            ({"resource_class": "large"}, ("large",)),
            ({"traits": ["CUSTOM_X"]}, ("small", "CUSTOM_X")),
            ({"candidate_nodes": [self.enroll("m2", resource_class="small")]}, ("1 candidates",)),
            ({"owner": "somebody"}, ("small",)),
        ):
            allocation = self.allocate(**values)
            self.assertEqual("error", allocation["state"])
            self.assertIsNone(allocation["node_uuid"])
            for word in words:
                self.assertIn(word, allocation["last_error"])
            self.assertEqual(204, self.delete(f"allocations/{allocation['uuid']}"))

    def test_unusable_nodes_are_not_allocated(self) -> None:
        """A node in maintenance, with an instance or with unknown power state is not allocated."""
        self.change(maintenance=True)
        self.assertEqual("error", self.allocate()["state"])
        self.change(maintenance=False)
        self.assertEqual("active", self.allocate()["state"])
        self.assertEqual("error", self.allocate()["state"])

    def test_traits_candidates_and_owner_select_a_node(self) -> None:
        """The node has all requested traits, is a candidate, and belongs to the owner."""
        node = self.enroll_available("m2", owner="p")
        self.request("PUT", "/v1/nodes/m2/traits", {"traits": ["CUSTOM_A", "CUSTOM_B"]})
        for values in ({"traits": ["CUSTOM_A"]}, {"candidate_nodes": ["m2"]}, {"owner": "p"}):
            allocation = self.allocate(**values)
            self.assertEqual("active", allocation["state"], allocation)
            self.assertEqual(node, allocation["node_uuid"], allocation)
            self.assertEqual(204, self.delete(f"allocations/{allocation['uuid']}"))
        self.assertEqual([node], self.allocate(candidate_nodes=["m2"])["candidate_nodes"])

    def test_node_with_the_name_of_the_allocation_is_preferred(self) -> None:
        """An allocation named like a node gets that node."""
        nodes = {name: self.enroll_available(name) for name in ("m2", "m3", "m4")}
        self.assertEqual(nodes["m3"], self.allocate(name="m3")["node_uuid"])

    def test_concurrent_allocations_never_share_a_node(self) -> None:
        """Each node is allocated once; the other allocations end with an error."""
        nodes = {self.uuid, *(self.enroll_available(f"m{number}") for number in range(2, 6))}
        start = threading.Barrier(8)

        def create_allocation() -> None:
            start.wait(10)
            self.runtime.rpc.call("create_allocation", values={"resource_class": "small"})

        threads = [threading.Thread(target=create_allocation) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        settle(self.runtime)
        found = [dict(row) for row in self.runtime.store.records(AllocationRecord, Query())]
        allocated_nodes = [entry["node_uuid"] for entry in found if entry["state"] == "active"]
        self.assertEqual(nodes, set(allocated_nodes))
        self.assertEqual(5, len(allocated_nodes))
        self.assertEqual(3, sum(entry["state"] == "error" for entry in found), found)

    def test_allocation_waits_for_a_leased_node(self) -> None:
        """If the only matching node is leased, the allocation waits until the lease ends."""
        lease, _ = self.runtime.store.take_lease(self.uuid, holder="other/1", purpose="a test", duration=60)
        created = self.create("allocations", resource_class="small")
        settle(self.runtime)
        self.assertEqual("allocating", self.get(f"/v1/allocations/{created['uuid']}")["state"])
        self.runtime.store.release_lease(lease.fence)
        wait_until_active(self, created["uuid"])


def wait_until_active(case: AllocationTestCase, allocation: str) -> None:
    """Wait until the allocation has a node."""
    deadline = Deadline.after(20.0)
    pause = threading.Event()
    while case.get(f"/v1/allocations/{allocation}")["state"] == "allocating":
        deadline.check("the allocation to end")
        pause.wait(0.05)
    case.assertEqual("active", case.get(f"/v1/allocations/{allocation}")["state"])


class ConcurrentWriteStore(MemoryStore):
    """A store in which another writer changes the nodes right after they were listed."""

    def __init__(self) -> None:
        super().__init__()
        self.overtaking: dict[str, Any] = {}

    def nodes(self, query: NodeQuery, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
        """List nodes, then apply the concurrent write."""
        rows = super().nodes(query, scope=scope)
        if self.overtaking and query.associated is False:
            for row in rows:
                self.update_node(row["uuid"], self.overtaking, fence=None)
        return rows


class TestConcurrentWrites(TestCase):
    def test_node_that_changed_after_the_search_is_not_allocated(self) -> None:
        """The service checks the node again under its lease and does not change a node that no longer matches."""
        for change in (
            {"instance_uuid": UNKNOWN_UUID},
            {"maintenance": True},
            {"provision_state": "manageable"},
            {"resource_class": "large"},
            {"traits": ()},
            {"owner": "somebody"},
            {"retired": True},
        ):
            store = ConcurrentWriteStore()
            node = store.create_node(
                NodeRecord(
                    "1be26c0b-03f2-4d2e-ae87-c02d7f33c123",
                    driver="fake-hardware",
                    provision_state="available",
                    power_state="power off",
                    resource_class="small",
                    traits=("CUSTOM_A",),
                    owner="p",
                ),
                fence=None,
            )
            store.overtaking = change
            with running_conductor(
                ConductorConfig(host="test", conductor=quick_options()), store=store, secrets=PlainBox()
            ) as conductor:
                values = {"resource_class": "small", "traits": ["CUSTOM_A"], "owner": "p"}
                created = conductor.rpc.call("create_allocation", values=values)
                settle(conductor)
            allocation = store.record(AllocationRecord, created.uuid)
            self.assertEqual("error", allocation.state, change)
            self.assertIsNone(allocation.node_uuid, change)
            self.assertIn("meanwhile", allocation.last_error or "")
            found = store.node(node.uuid)
            self.assertIsNone(found.allocation_uuid, change)
            self.assertEqual(change.get("instance_uuid"), found.instance_uuid, change)

    def test_deleted_allocation_reserves_no_node(self) -> None:
        """If the allocation is deleted during the search, its node stays free."""

        class DeletingStore(ConcurrentWriteStore):
            """A store that deletes all allocations right after the nodes were listed."""

            def nodes(self, query: NodeQuery, *, scope: Scope = Scope.ALL) -> Sequence[Row]:
                rows = super().nodes(query, scope=scope)
                if rows and query.associated is False:
                    for row in self.records(AllocationRecord, Query()):
                        self.delete_record(AllocationRecord, row["uuid"])
                return rows

        store = DeletingStore()
        node = NodeRecord(
            UNKNOWN_UUID, driver="fake-hardware", provision_state="available", power_state="power off", resource_class="small"
        )
        store.create_node(node, fence=None)
        with running_conductor(
            ConductorConfig(host="test", conductor=quick_options()), store=store, secrets=PlainBox()
        ) as conductor:
            conductor.rpc.call("create_allocation", values={"resource_class": "small"})
            settle(conductor)
        found = store.node(UNKNOWN_UUID)
        self.assertIsNone(found.instance_uuid)
        self.assertIsNone(found.allocation_uuid)
        self.assertEqual({}, found.instance_info)
        self.assertEqual([], list(store.records(AllocationRecord, Query())))


class TestTakeover(AllocationTestCase):
    def test_allocation_of_a_dead_conductor_is_resumed(self) -> None:
        """Another conductor completes it, also if the dead one had written to the node only."""
        store = self.runtime.store
        record = AllocationRecord(UNKNOWN_UUID, resource_class="small", conductor="dead/1")
        store.create_record(record)
        store.update_node(self.uuid, {"instance_uuid": UNKNOWN_UUID, "allocation_uuid": UNKNOWN_UUID}, fence=None)
        self.runtime.components.allocations.sweep()
        wait_until_active(self, UNKNOWN_UUID)
        self.assertEqual(self.uuid, self.get(f"/v1/allocations/{UNKNOWN_UUID}")["node_uuid"])

    def test_allocation_of_a_live_conductor_is_not_taken_over(self) -> None:
        """No other conductor searches a node for it."""
        store = self.runtime.store
        mine = store.conductors()[0]
        store.create_record(
            AllocationRecord(UNKNOWN_UUID, resource_class="small", conductor=f"{mine.hostname}/{mine.incarnation}")
        )
        self.runtime.components.allocations.sweep()
        settle(self.runtime)
        self.assertEqual("allocating", self.get(f"/v1/allocations/{UNKNOWN_UUID}")["state"])


class TestLifecycle(AllocationTestCase):
    def test_invalid_allocations_are_refused(self) -> None:
        """A resource class is required, names and candidates must be valid, and names are unique."""
        self.assert_refused(self.post("allocations"), 400, "resource_class")
        self.assert_refused(self.post("allocations", resource_class="small", traits=["x"]), 400, "traits")
        self.assert_refused(
            self.post("allocations", resource_class="small", candidate_nodes=["nope"]), 400, "candidate_nodes", "nope"
        )
        self.assert_refused(self.post("allocations", resource_class="small", name=UNKNOWN_UUID), 400, "name")
        self.assert_refused(self.post("allocations", resource_class="small", name="a b"), 400, "name")
        self.assert_refused(self.post("allocations", resource_class="small", state="active"), 400, "state")
        self.assert_refused(self.post("allocations", "1.59", resource_class="small", owner="p"), 406, "1.60")
        self.assert_refused(self.post("allocations", "1.57", resource_class="small", node="m1"), 400, "1.58")
        self.allocate(name="a1")
        self.assert_refused(self.post("allocations", resource_class="small", name="a1"), 409, "a1")

    def test_allocations_are_filtered(self) -> None:
        """Allocations can be filtered by node, resource class, state and owner."""
        first, second = self.allocate(name="a1")["uuid"], self.allocate(resource_class="large", owner="p")["uuid"]
        for query, expected in (
            ("", [first, second]), ("node=m1", [first]), ("resource_class=large", [second]), ("state=active", [first]),
            ("owner=p", [second]),
        ):  # fmt: skip
            self.assertEqual(expected, [found["uuid"] for found in self.get(f"/v1/allocations?{query}")["allocations"]], query)
        self.assertEqual({"name", "links"}, set(self.get("/v1/allocations?fields=name")["allocations"][0]))
        self.assertNotIn("owner", self.get("/v1/allocations", "1.59")["allocations"][0])
        self.assert_refused(self.request("GET", "/v1/allocations?owner=p", version="1.59"), 406, "1.60")
        self.assert_refused(self.request("GET", "/v1/allocations?node=nope"), 400, "nope")

    def test_only_name_and_extra_can_be_changed(self) -> None:
        """A patch of any other field is refused."""
        path = f"/v1/allocations/{self.allocate(name='a1')['uuid']}"
        changed = self.patch(path, ("replace", "/name", "a2"), ("add", "/extra/b", 1)).json
        self.assertEqual("a2", changed["name"])
        self.assertEqual({"b": 1}, changed["extra"])
        self.assertIsNone(self.patch(path, ("remove", "/name")).json["name"])
        for field in ("state", "resource_class", "node_uuid", "owner", "traits"):
            self.assert_refused(self.patch(path, ("replace", f"/{field}", "x")), 400, field)
        self.assertEqual(405, self.patch(path, ("remove", "/name"), version="1.56").status)

    def test_deletion_of_the_allocation_releases_the_node(self) -> None:
        """Both paths delete the allocation, and the node can be allocated again."""
        for path in ("allocations/a1", "nodes/m1/allocation"):
            self.assertEqual("active", self.allocate(name="a1", traits=[])["state"])
            self.assertEqual(204, self.delete(path))
            node = self.record()
            self.assertIsNone(node.instance_uuid)
            self.assertIsNone(node.allocation_uuid)
            self.assertEqual({}, dict(node.instance_info))
            self.assert_refused(self.request("GET", "/v1/allocations/a1"), 404, "a1")
        self.assert_refused(self.request_node("GET", "allocation"), 404, self.uuid)
        self.assert_refused(self.request_node("DELETE", "allocation"), 404, self.uuid)

    def test_allocation_of_an_active_node_cannot_be_deleted(self) -> None:
        """It ends when the node is undeployed."""
        allocation = self.allocate(name="a1")
        self.call_node("PUT", "states/provision", {"target": "active"}, status=202)
        self.assertEqual("active", self.record().provision_state)
        self.assertEqual(allocation["uuid"], self.record().allocation_uuid)
        self.assert_refused(self.request("DELETE", "/v1/allocations/a1"), 409, "active", "undeploy")
        self.assert_refused(self.patch("/v1/nodes/m1", ("remove", "/instance_uuid")), 409, "active")
        self.call_node("PUT", "states/provision", {"target": "deleted"}, status=202)
        node = self.record()
        self.assertEqual("available", node.provision_state)
        self.assertIsNone(node.instance_uuid)
        self.assertIsNone(node.allocation_uuid)
        self.assertEqual(404, self.request("GET", "/v1/allocations/a1").status)

    def test_removal_of_the_instance_uuid_ends_the_allocation(self) -> None:
        """A client that removes instance_uuid from an available node deletes its allocation."""
        self.allocate(name="a1")
        self.assertIsNone(self.patch("/v1/nodes/m1", ("remove", "/instance_uuid")).json["allocation_uuid"])
        self.assertEqual(404, self.request("GET", "/v1/allocations/a1").status)

    def test_allocation_for_an_active_node(self) -> None:
        """The instance UUID becomes the UUID of the allocation; nodes that are not active or do not match are refused."""
        self.assert_refused(self.post("allocations", "1.58", node="m1"), 400, "active")
        instance = "5344a3e2-978a-444e-990a-cbf47c62ef88"
        self.change(instance_uuid=instance)
        self.call_node("PUT", "states/provision", {"target": "active"}, status=202)
        self.record()
        self.assert_refused(self.post("allocations", node="m1", resource_class="large"), 400, "resource class")
        self.assert_refused(self.post("allocations", node="nope"), 400, "nope")
        self.request("DELETE", f"/v1/allocations/{instance}")
        allocation = self.allocate("1.58", node="m1", name="a1")
        self.assertEqual(instance, allocation["uuid"])
        self.assertEqual("active", allocation["state"])
        self.assertEqual(self.uuid, allocation["node_uuid"])
        self.assertEqual(instance, self.record().allocation_uuid)

    def test_deletion_of_the_node_deletes_its_allocation(self) -> None:
        """This holds for a node in maintenance, which can be deleted despite its instance."""
        self.allocate(name="a1")
        self.change(maintenance=True)
        self.assertEqual(204, self.delete("nodes/m1"))
        self.assertEqual(404, self.request("GET", "/v1/allocations/a1").status)
