"""Rules of node listings for all stores: filters, fields, order and pages."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import InvalidInput
from baremetal_sdk.store import NodeQuery, NodeRecord, Query
from tests.fixtures.stores import StoreBehaviour, new_uuid


class ListingBehaviour(StoreBehaviour):
    """Nodes are filtered, sorted and paged."""

    def list_names(self, **query: Any) -> list[Any]:
        """Return the names of the nodes that a query lists."""
        return [row.name for row in self.store.nodes(NodeQuery(fields=("name", "uuid"), **query))]

    def list_names_by_page(self, limit: int, **query: Any) -> list[Any]:
        """Return the names of the nodes that a query lists, read page by page."""
        names: list[Any] = []
        marker = None
        while True:
            page = self.store.nodes(NodeQuery(fields=("name", "uuid"), limit=limit, marker=marker, **query))
            names += [row.name for row in page]
            if len(page) < limit:
                return names
            marker = page[-1].uuid

    def test_all_fields_are_listed_by_default(self: Any) -> None:
        """A row of a query without *fields* has all fields of the record."""
        node = self.node(name="a", properties={"x": 1}, traits=("T",))
        (row,) = self.store.nodes(NodeQuery())
        self.assertEqual(vars(node), dict(row))

    def test_rows_have_the_selected_fields(self: Any) -> None:
        """A row has the selected fields only, and the error for another field says so."""
        self.node(name="a", extra={"x": 1})
        (row,) = self.store.nodes(NodeQuery(fields=("extra", "name", "extra")))
        self.assertEqual({"extra": {"x": 1}, "name": "a"}, dict(row))
        self.assertIn("'uuid'", str(self.assertRaises(AttributeError, lambda: row.uuid)))

    def test_filters_compare_for_equality(self: Any) -> None:
        """A filter matches one value or one of several values, and None matches unset fields."""
        self.node(name="a", provision_state="active", resource_class="x")
        self.node(name="b", provision_state="available")
        self.node(name="c", provision_state="manageable", resource_class="y", maintenance=True)
        self.assertEqual(["b"], self.list_names(where={"provision_state": "available"}))
        self.assertEqual(["a", "b"], self.list_names(where={"provision_state": ("active", "available")}))
        self.assertEqual(["b"], self.list_names(where={"resource_class": None}))
        self.assertEqual(["b", "c"], self.list_names(where={"resource_class": (None, "y")}))
        self.assertEqual(["c"], self.list_names(where={"maintenance": True, "resource_class": "y"}))
        self.assertEqual([], self.list_names(where={"resource_class": ()}))
        self.assertEqual([], self.list_names(where={"resource_class": "X"}))
        self.assertEqual([], self.list_names(where={"provision_state": None}))

    def test_filters_of_nodes(self: Any) -> None:
        """Nodes are filtered by instance, shard, parent node and substring of the description."""
        parent = self.node(name="a", instance_uuid=new_uuid(), description="Rack 7, 100% loaned_out")
        self.node(name="b", shard="s1", parent_node=parent.uuid)
        self.node(name="c", description="rack 8")
        self.assertEqual(["a"], self.list_names(associated=True))
        self.assertEqual(["b", "c"], self.list_names(associated=False))
        self.assertEqual(["b"], self.list_names(sharded=True))
        self.assertEqual(["a", "c"], self.list_names(sharded=False))
        self.assertEqual(["a", "c"], self.list_names(include_children=False))
        self.assertEqual(["a", "c"], self.list_names(description_contains="RACK"))
        for text, expected in (("100%", ["a"]), ("d_o", ["a"]), ("7_", []), ("rack%8", []), ("/", []), ("\\", [])):
            self.assertEqual(expected, self.list_names(description_contains=text), text)

    def test_invalid_queries_are_refused_by_name(self: Any) -> None:
        """An unknown field, filter, sort key or marker and an invalid limit are rejected by name."""
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
        """Without a sort key the oldest node comes first, also after changes, and "desc" is the reverse."""
        nodes = [self.node(name=name) for name in "cab"]
        self.store.update_node(nodes[0].uuid, {"extra": {"x": 1}}, fence=None)
        self.assertEqual(list("cab"), self.list_names())
        self.assertEqual(list("bac"), self.list_names(sort_dir="desc"))

    def test_sort_key_orders_and_creation_decides_between_equals(self: Any) -> None:
        """Unset values come first, creation decides between equal values, and "desc" is the exact reverse."""
        for name, owner in (("a", "z"), ("b", None), ("c", "y"), ("d", "z"), ("e", None), ("f", "Z")):
            self.node(name=name, owner=owner)
        self.assertEqual(list("befcad"), self.list_names(sort_key="owner"))
        self.assertEqual(list("dacfeb"), self.list_names(sort_key="owner", sort_dir="desc"))

    def test_pages_make_up_the_listing(self: Any) -> None:
        """Pages of any size, by any sort key and in both directions, contain each record once and in order."""
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
                whole = self.list_names(sort_key=key, sort_dir=direction)
                self.assertEqual(13, len(set(whole)))
                for limit in (1, 2, 3, 5, 13, 20):
                    names = self.list_names_by_page(limit, sort_key=key, sort_dir=direction)
                    self.assertEqual(whole, names, (key, direction, limit))

    def test_pages_can_be_filtered(self: Any) -> None:
        """A filter applies to each page."""
        for number in range(9):
            self.node(name=f"n{number}", owner=None if number % 2 else "p", driver="x" if number % 3 else "y")
        expected = [name for name in self.list_names(sort_key="owner") if int(name[1]) % 3]
        self.assertEqual(expected, self.list_names_by_page(2, sort_key="owner", where={"driver": "x"}))

    def test_pages_are_stable_while_records_come_and_go(self: Any) -> None:
        """Records that are created or deleted between pages cause no repeated and no missing record."""
        nodes = [self.node(name=f"n{number}") for number in range(6)]
        first = self.store.nodes(NodeQuery(limit=3))
        self.store.delete_node(nodes[0].uuid, fence=None)
        self.node(name="n9")
        second = self.store.nodes(NodeQuery(limit=3, marker=first[-1].uuid))
        self.assertEqual(["n3", "n4", "n5"], [row.name for row in second])

    def test_marker_need_not_match_the_filter(self: Any) -> None:
        """A marker that no longer matches the filter still marks the begin of the next page."""
        nodes = [self.node(name=f"n{number}", provision_state="active") for number in range(3)]
        self.store.update_node(nodes[1].uuid, {"provision_state": "error"}, fence=None)
        self.assertEqual(["n2"], self.list_names(where={"provision_state": "active"}, marker=nodes[1].uuid))

    def test_ports_are_paged_alike(self: Any) -> None:
        """Ports are paged by the same rules, also by a sort key that is unset."""
        node = self.node()
        uuids = [self.port(node, name=name).uuid for name in ("b", None, "a", None)]
        expected = [uuids[1], uuids[3], uuids[2], uuids[0]]
        marker, found = None, []
        for _ in expected:
            (row,) = self.store.ports(Query(sort_key="name", limit=1, marker=marker, fields=("uuid",)))
            marker = row.uuid
            found.append(marker)
        self.assertEqual(expected, found)

    def test_rows_share_no_values(self: Any) -> None:
        """Two rows never share a mutable value."""
        for _ in range(2):
            self.store.create_node(NodeRecord(uuid=new_uuid(), extra={"a": {}}), fence=None)
        first, second = self.store.nodes(NodeQuery(fields=("extra",)))
        first.extra["a"]["b"] = 1
        self.assertEqual({"a": {}}, second.extra)
