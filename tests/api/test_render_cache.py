"""The cache of rendered records: a read never returns an outdated record."""

from __future__ import annotations

from baremetal_sdk.api.framework.render_cache import RenderCache
from baremetal_sdk.errors import NodeNotFound
from baremetal_sdk.store.records.query import Scope
from tests.fixtures.api import APITestCase


class TestRenderCache(APITestCase):
    """Reads after writes of any process."""

    def read_all(self, node: str, version: str = "1.115") -> tuple[object, ...]:
        """Return the node from a read of the node, from a listing with all fields, and from one with some fields."""
        whole = self.get("/v1/nodes/detail", version)["nodes"][0]
        brief = self.get("/v1/nodes?fields=uuid,power_state,extra,reservation", version)["nodes"][0]
        return self.get(f"/v1/nodes/{node}", version), whole, brief

    def test_next_read_has_the_write(self) -> None:
        """After any write to the store, each kind of read returns the new values."""
        node = self.create_node(extra={"a": 1})
        before = self.read_all(node)
        self.conductor.store.update_node(node, {"extra": {"a": 2}, "power_state": "power on"}, fence=None)
        for was, now in zip(before, self.read_all(node), strict=True):
            self.assertEqual({"a": 1}, was["extra"])
            self.assertEqual({"a": 2}, now["extra"])
            self.assertEqual("power on", now["power_state"])

    def test_lease_is_current_without_a_new_revision(self) -> None:
        """The reservation changes with the lease and with its expiry, which do not change the revision."""
        node = self.create_node()
        self.assertEqual([None] * 3, [node_body["reservation"] for node_body in self.read_all(node)])
        self.conductor.store.take_lease(node, holder="host-1/1", purpose="test", duration=60)
        self.assertEqual(["host-1"] * 3, [node_body["reservation"] for node_body in self.read_all(node)])
        self.conductor.clock.turn(61)
        self.assertEqual([None] * 3, [node_body["reservation"] for node_body in self.read_all(node)])

    def test_new_node_with_an_old_uuid_is_read(self) -> None:
        """A node that is deleted and created again with its UUID has the new values, although its revision starts again."""
        node = self.create_node(extra={"a": 1})
        self.assertEqual([{"a": 1}] * 3, [node_body["extra"] for node_body in self.read_all(node)])
        self.assertEqual(204, self.request("DELETE", f"/v1/nodes/{node}").status)
        self.conductor.clock.turn(1)
        self.create_node(uuid=node, extra={"a": 2})
        self.assertEqual({"a": 2}, self.get(f"/v1/nodes/{node}")["extra"], "read before a listing renders the new node")
        self.assertEqual([{"a": 2}] * 3, [node_body["extra"] for node_body in self.read_all(node)])

    def test_microversions_and_selections_are_separate(self) -> None:
        """A request of another microversion or with other fields gets its own rendering."""
        node = self.create_node(name="a")
        self.assertIn("traits", self.read_all(node)[0])
        self.assertNotIn("traits", self.get(f"/v1/nodes/{node}", "1.30"))
        self.assertEqual({"name", "links"}, set(self.get(f"/v1/nodes/{node}?fields=name")))

    def test_pages_keep_their_order(self) -> None:
        """A page with cached and other nodes has the requested order."""
        nodes = [self.create_node(name=name) for name in "cab"]
        self.get(f"/v1/nodes/detail?limit=1&marker={nodes[0]}")
        nodes_by_name = self.get("/v1/nodes/detail?sort_key=name")["nodes"]
        self.assertEqual(["a", "b", "c"], [node["name"] for node in nodes_by_name])

    def test_size_is_limited(self) -> None:
        """At the limit the oldest entries are evicted, and responses stay the same."""
        nodes = [self.create_node(extra={"text": "x" * 1000}) for _ in range(8)]
        self.app._app._render_cache = cache = RenderCache(10_000)  # type: ignore[attr-defined]
        for _ in range(2):
            self.assertEqual(nodes, [node["uuid"] for node in self.get("/v1/nodes/detail")["nodes"]])
        self.assertLess(cache.size, 10_000)

    def test_cached_node_stays_hidden(self) -> None:
        """A node that is cached for one client is not found by a client that may not see it."""
        node = self.create_node(owner="p1")
        self.get(f"/v1/nodes/{node}")
        store = self.conductor.store
        self.assertRaises(NodeNotFound, store.node_version, node, scope=Scope("p2"))
