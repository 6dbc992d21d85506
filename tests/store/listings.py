"""How any store lists nodes: filters, fields, order and pages."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import InvalidInput
from baremetal_sdk.store import NodeQuery, NodeRecord, Query
from tests.fixtures.stores import StoreBehaviour, new_uuid


class ListingBehaviour(StoreBehaviour):
    """Nodes are filtered, sorted and paged."""

    def listed(self, **query: Any) -> list[Any]:
        """The names that a query lists."""
        return [row.name for row in self.store.nodes(NodeQuery(fields=("name", "uuid"), **query))]

    def paged(self, limit: int, **query: Any) -> list[Any]:
        """The names that a query lists, page by page."""
        names: list[Any] = []
        marker = None
        while True:
            page = self.store.nodes(NodeQuery(fields=("name", "uuid"), limit=limit, marker=marker, **query))
            names += [row.name for row in page]
            if len(page) < limit:
                return names
            marker = page[-1].uuid

    def test_all_fields_are_listed_by_default(self: Any) -> None:
        """A row without choice has what a record has."""
        node = self.node(name="a", properties={"x": 1}, traits=("T",))
        (row,) = self.store.nodes(NodeQuery())
        self.assertEqual(vars(node), dict(row))

    def test_only_the_fields_that_were_asked_for(self: Any) -> None:
        """A row has the chosen fields, and says so when it is asked for another."""
        self.node(name="a", extra={"x": 1})
        (row,) = self.store.nodes(NodeQuery(fields=("extra", "name", "extra")))
        self.assertEqual({"extra": {"x": 1}, "name": "a"}, dict(row))
        self.assertIn("'uuid'", str(self.assertRaises(AttributeError, lambda: row.uuid)))

    def test_filters_compare_for_equality(self: Any) -> None:
        """A value has to match; of several one has to; None is what is not set."""
        self.node(name="a", provision_state="active", resource_class="x")
        self.node(name="b", provision_state="available")
        self.node(name="c", provision_state="manageable", resource_class="y", maintenance=True)
        self.assertEqual(["b"], self.listed(where={"provision_state": "available"}))
        self.assertEqual(["a", "b"], self.listed(where={"provision_state": ("active", "available")}))
        self.assertEqual(["b"], self.listed(where={"resource_class": None}))
        self.assertEqual(["b", "c"], self.listed(where={"resource_class": (None, "y")}))
        self.assertEqual(["c"], self.listed(where={"maintenance": True, "resource_class": "y"}))
        self.assertEqual([], self.listed(where={"resource_class": ()}))
        self.assertEqual([], self.listed(where={"resource_class": "X"}))
        self.assertEqual([], self.listed(where={"provision_state": None}))

    def test_filters_of_nodes(self: Any) -> None:
        """What equality cannot say: with an instance, in a shard, a child of another node, a part of the description."""
        parent = self.node(name="a", instance_uuid=new_uuid(), description="Rack 7, 100% loaned_out")
        self.node(name="b", shard="s1", parent_node=parent.uuid)
        self.node(name="c", description="rack 8")
        self.assertEqual((["a"], ["b", "c"]), (self.listed(associated=True), self.listed(associated=False)))
        self.assertEqual((["b"], ["a", "c"]), (self.listed(sharded=True), self.listed(sharded=False)))
        self.assertEqual(["a", "c"], self.listed(include_children=False))
        self.assertEqual(["a", "c"], self.listed(description_contains="RACK"))
        for text, expected in (("100%", ["a"]), ("d_o", ["a"]), ("7_", []), ("rack%8", []), ("/", []), ("\\", [])):
            self.assertEqual(expected, self.listed(description_contains=text), text)

    def test_what_cannot_be_listed_is_named(self: Any) -> None:
        """A field, a filter, a sort key, a limit or a marker that there is not is refused by name."""
        self.node()
        wrong = {
            "fields": {"fields": ("name", "nmae")},
            "nmae": {"where": {"nmae": 1}},
            "extra": {"where": {"extra": {}}},
            "maintenance": {"where": {"maintenance": "yes"}},
            "sort_key": {"sort_key": "nmae"},
            "limit": {"limit": 0},
            "marker": {"marker": new_uuid()},
        }
        for field, query in wrong.items():
            error = self.assertRaises(InvalidInput, self.store.nodes, NodeQuery(**query))
            self.assertEqual(field, error.problems[0].field)
        self.assertRaises(InvalidInput, self.store.nodes, NodeQuery(sort_key="properties"))

    def test_order_is_that_of_creation(self: Any) -> None:
        """Without a sort key the oldest node comes first, whatever was changed since; "desc" is the reverse."""
        nodes = [self.node(name=name) for name in "cab"]
        self.store.update_node(nodes[0].uuid, {"extra": {"x": 1}}, fence=None)
        self.assertEqual(list("cab"), self.listed())
        self.assertEqual(list("bac"), self.listed(sort_dir="desc"))

    def test_sort_key_orders_and_creation_decides_between_equals(self: Any) -> None:
        """What is not set comes first; "desc" is the exact reverse."""
        for name, owner in (("a", "z"), ("b", None), ("c", "y"), ("d", "z"), ("e", None), ("f", "Z")):
            self.node(name=name, owner=owner)
        self.assertEqual(list("befcad"), self.listed(sort_key="owner"))
        self.assertEqual(list("dacfeb"), self.listed(sort_key="owner", sort_dir="desc"))

    def test_pages_make_up_the_listing(self: Any) -> None:
        """Pages of any size, by any kind of key and in both directions, give every record once, in order."""
        for number in range(13):
            node = self.node(
                name=f"n{number:02}",
                owner=[None, "p", "q"][number % 3],
                automated_clean=[None, True, False][number % 3],
                run_index=[None, 2, 1][number // 5],
                maintenance=number % 2 == 0,
            )
            if number % 4:
                self.clock.advance(number % 3)
                self.store.update_node(node.uuid, {}, fence=None)
        keys = ("name", "owner", "automated_clean", "run_index", "maintenance", "created_at", "updated_at", "description")
        for key in (None, *keys):
            for direction in ("asc", "desc"):
                whole = self.listed(sort_key=key, sort_dir=direction)
                self.assertEqual(13, len(set(whole)))
                for limit in (1, 2, 3, 5, 13, 20):
                    self.assertEqual(whole, self.paged(limit, sort_key=key, sort_dir=direction), (key, direction, limit))

    def test_pages_can_be_filtered(self: Any) -> None:
        """A filter holds on every page."""
        for number in range(9):
            self.node(name=f"n{number}", owner=None if number % 2 else "p", driver="x" if number % 3 else "y")
        expected = [name for name in self.listed(sort_key="owner") if int(name[1]) % 3]
        self.assertEqual(expected, self.paged(2, sort_key="owner", where={"driver": "x"}))

    def test_pages_are_stable_while_records_come_and_go(self: Any) -> None:
        """What is created or deleted elsewhere neither repeats nor hides a record of the next page."""
        nodes = [self.node(name=f"n{number}") for number in range(6)]
        first = self.store.nodes(NodeQuery(limit=3))
        self.store.delete_node(nodes[0].uuid, fence=None)
        self.node(name="n9")
        second = self.store.nodes(NodeQuery(limit=3, marker=first[-1].uuid))
        self.assertEqual(["n3", "n4", "n5"], [row.name for row in second])

    def test_marker_need_not_match_the_filter(self: Any) -> None:
        """A record that has changed since its page was read still says where the next one begins."""
        nodes = [self.node(name=f"n{number}", provision_state="active") for number in range(3)]
        self.store.update_node(nodes[1].uuid, {"provision_state": "error"}, fence=None)
        self.assertEqual(["n2"], self.listed(where={"provision_state": "active"}, marker=nodes[1].uuid))

    def test_ports_are_paged_alike(self: Any) -> None:
        """Ports have the same pages, by keys that are not set too."""
        node = self.node()
        uuids = [self.port(node, name=name).uuid for name in ("b", None, "a", None)]
        expected = [uuids[1], uuids[3], uuids[2], uuids[0]]
        marker, found = None, []
        for _ in expected:
            (row,) = self.store.ports(Query(sort_key="name", limit=1, marker=marker, fields=("uuid",)))
            marker = row.uuid
            found.append(marker)
        self.assertEqual(expected, found)

    def test_created_records_keep_their_values_apart(self: Any) -> None:
        """Two rows never share a value."""
        for _ in range(2):
            self.store.create_node(NodeRecord(uuid=new_uuid(), extra={"a": {}}), fence=None)
        first, second = self.store.nodes(NodeQuery(fields=("extra",)))
        first.extra["a"]["b"] = 1
        self.assertEqual({"a": {}}, second.extra)
