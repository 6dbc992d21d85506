"""What was rendered before: shown again only while nothing of it has changed."""

from __future__ import annotations

from baremetal_sdk.api.framework.render_cache import RenderCache
from baremetal_sdk.errors import NodeNotFound
from baremetal_sdk.store.records.query import Scope
from tests.fixtures.api import APITestCase


class TestFragments(APITestCase):
    """Reads after writes, whoever wrote."""

    def shown(self, node: str, version: str = "1.115") -> tuple[object, ...]:
        """The node as it is shown by itself, in a page, and in a page of all fields."""
        whole = self.get("/v1/nodes/detail", version)["nodes"][0]
        brief = self.get("/v1/nodes?fields=uuid,power_state,extra,reservation", version)["nodes"][0]
        return self.get(f"/v1/nodes/{node}", version), whole, brief

    def test_a_write_is_seen_by_the_next_read(self) -> None:
        """Whoever writes to the store, the next read of any kind shows it."""
        node = self.node(extra={"a": 1})
        before = self.shown(node)
        self.conductor.store.update_node(node, {"extra": {"a": 2}, "power_state": "power on"}, fence=None)
        for was, now in zip(before, self.shown(node), strict=True):
            self.assertEqual(({"a": 1}, {"a": 2}), (was["extra"], now["extra"]))
            self.assertEqual("power on", now["power_state"])

    def test_a_lease_is_seen_though_it_changes_no_revision(self) -> None:
        """Who holds a node is shown as it is now, and no longer once the lease has expired."""
        node = self.node()
        self.assertEqual([None] * 3, [one["reservation"] for one in self.shown(node)])
        self.conductor.store.take_lease(node, holder="host-1/1", purpose="test", duration=60)
        self.assertEqual(["host-1"] * 3, [one["reservation"] for one in self.shown(node)])
        self.conductor.clock.turn(61)
        self.assertEqual([None] * 3, [one["reservation"] for one in self.shown(node)])

    def test_another_node_of_the_same_uuid_is_another(self) -> None:
        """A node that was deleted and created anew, with the UUID that it had, is shown as it is now."""
        node = self.node(extra={"a": 1})
        self.assertEqual([{"a": 1}] * 3, [one["extra"] for one in self.shown(node)])
        self.assertEqual(204, self.request("DELETE", f"/v1/nodes/{node}").status)
        self.conductor.clock.turn(1)
        self.node(uuid=node, extra={"a": 2})
        self.assertEqual({"a": 2}, self.get(f"/v1/nodes/{node}")["extra"], "what a page has made anew is not asked for first")
        self.assertEqual([{"a": 2}] * 3, [one["extra"] for one in self.shown(node)])

    def test_each_version_and_selection_has_its_own(self) -> None:
        """What one client was shown is not shown to one of another microversion, or with other fields."""
        node = self.node(name="a")
        self.assertIn("traits", self.shown(node)[0])
        self.assertNotIn("traits", self.get(f"/v1/nodes/{node}", "1.30"))
        self.assertEqual({"name", "links"}, set(self.get(f"/v1/nodes/{node}?fields=name")))

    def test_pages_keep_their_order(self) -> None:
        """A page shows known and unknown nodes in the order that was asked for."""
        nodes = [self.node(name=name) for name in "cab"]
        self.get(f"/v1/nodes/detail?limit=1&marker={nodes[0]}")
        found = self.get("/v1/nodes/detail?sort_key=name")["nodes"]
        self.assertEqual(["a", "b", "c"], [one["name"] for one in found])

    def test_what_is_kept_is_bounded(self) -> None:
        """Beyond their bound, fragments make room for each other, and answers are the same."""
        nodes = [self.node(extra={"text": "x" * 1000}) for _ in range(8)]
        self.app._app._render_cache = fragments = RenderCache(10_000)  # type: ignore[attr-defined]
        for _ in range(2):
            self.assertEqual(nodes, [one["uuid"] for one in self.get("/v1/nodes/detail")["nodes"]])
        self.assertLess(fragments.size, 10_000)

    def test_what_may_not_be_seen_is_not_shown(self) -> None:
        """A node that others were shown is not found by a caller who may not see it."""
        node = self.node(owner="p1")
        self.get(f"/v1/nodes/{node}")
        store = self.conductor.store
        self.assertRaises(NodeNotFound, store.node_version, node, scope=Scope("p2"))
