"""Rules of nodes for all stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

from baremetal_interfaces import BareMetalError, InvalidInput
from baremetal_sdk.errors import DuplicateName, InstanceAssociated, NodeNotFound, RevisionConflict
from baremetal_sdk.store import NodeQuery, NodeRecord, Scope
from baremetal_sdk.store.records.hardware import NodeHistoryRecord
from baremetal_sdk.store.records.node import NodeUpdate
from tests.fixtures.stores import HOLDER, StoreBehaviour, new_uuid


class NodeBehaviour(StoreBehaviour):
    """Nodes are created, read, changed and deleted."""

    def test_created_node_is_read_back_as_it_was_returned(self: Any) -> None:
        """A read returns the same node as the creation."""
        properties = {"cpus": 8, "nested": {"list": [1, None, "x"]}}
        node = self.node(name="rack1-7", driver="redfish", properties=properties, traits=("A", "B"))
        self.assertEqual(node, self.store.node(node.uuid))
        self.assertEqual(("A", "B"), node.traits)
        self.assertEqual(properties, node.properties)

    def test_bulk_update_writes_unchanged_nodes_only(self: Any) -> None:
        """A bulk update skips held, changed and deleted nodes and writes the others."""
        same, taken, changed = self.node(), self.node(), self.node()
        self.store.take_lease(taken.uuid, holder=HOLDER, purpose="test", duration=60.0)
        self.store.update_node(changed.uuid, {"description": "new"}, fence=None)
        nodes = [*((node.uuid, node.revision) for node in (taken, changed)), (new_uuid(), 0), (same.uuid, same.revision)]
        written = self.store.update_nodes([NodeUpdate(uuid, revision, {"power_state": "power on"}) for uuid, revision in nodes])
        self.assertEqual([None, None, None], list(written[:3]))
        self.assertEqual("power on", written[3].power_state)
        self.assertEqual(same.revision + 1, written[3].revision)
        self.assertEqual([None, "power on"], [self.store.node(node.uuid).power_state for node in (changed, same)])

    def test_values_of_each_type_are_read_back(self: Any) -> None:
        """A value of each type is read back unchanged, and a time with microseconds and in UTC."""
        moment = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        node = self.node()
        values = {
            "instance_uuid": new_uuid(),
            "automated_clean": False,
            "secure_boot": True,
            "maintenance": True,
            "description": "café \N{SNOWMAN}" * 1000,
            "provision_updated_at": moment.astimezone(timezone(timedelta(hours=5))),
            "sealed_secrets": b"\x00\xff sealed",
            "run_steps": ({"step": "erase", "args": {"a": [1]}}, {"step": "b"}),
            "run_index": 0,
            "run_attempt": 3,
            "driver_state": {"power": {"version": 1, "fields": {}}},
            "network_data": {"\N{SNOWMAN}": "\x1b"},
        }
        written = self.store.update_node(node.uuid, values, fence=None)
        read = self.store.node(node.uuid)
        self.assertEqual(written, read)
        self.assertEqual({**values, "provision_updated_at": moment}, {name: getattr(read, name) for name in values})
        self.assertEqual(timedelta(0), read.provision_updated_at.utcoffset())

    def test_new_node_ignores_managed_fields(self: Any) -> None:
        """Times, lease, epoch and revision of a new node come from the store, not from the passed record."""
        forged = NodeRecord(uuid=new_uuid(), epoch=7, revision=9, lease_holder="x/1", updated_at=self.clock.now())
        node = self.store.create_node(forged, fence=None)
        self.assertEqual(self.clock.now(), node.created_at)
        self.assertIsNone(node.updated_at)
        self.assertIsNone(node.lease_holder)
        self.assertEqual(0, node.epoch)
        self.assertEqual(0, node.revision)

    def test_node_is_found_by_name_and_by_uuid_in_either_case(self: Any) -> None:
        """A UUID matches in either case, and a name matches exactly."""
        node = self.node(name="Rack")
        self.assertEqual(node, self.store.node("Rack"))
        self.assertEqual(node, self.store.node(node.uuid.upper()))
        self.assertRaises(NodeNotFound, self.store.node, "rack")

    def test_missing_node_is_named(self: Any) -> None:
        """The error for a missing node contains the identifier."""
        self.assertIn("rack9", str(self.assertRaises(NodeNotFound, self.store.node, "rack9")))
        missing = new_uuid()
        self.assertRaises(NodeNotFound, self.store.node, missing)
        self.assertRaises(NodeNotFound, self.store.update_node, missing, {}, fence=None)
        self.assertRaises(NodeNotFound, self.store.delete_node, missing, fence=None)

    def test_returned_values_are_copies(self: Any) -> None:
        """A change of a passed or returned value does not change the stored value."""
        given: dict[str, Any] = {"list": [1]}
        node = self.node(extra=given)
        given["list"].append(2)
        node.extra["list"].append(3)
        self.store.node(node.uuid).extra["list"].append(4)
        self.store.nodes(NodeQuery())[0].extra["list"].append(5)
        self.assertEqual({"list": [1]}, self.store.node(node.uuid).extra)

    def test_mappings_of_any_type_are_stored(self: Any) -> None:
        """A read-only mapping can be stored like a dict."""
        node = self.node(extra=MappingProxyType({"a": MappingProxyType({"b": (1, 2)})}))
        self.assertEqual({"a": {"b": [1, 2]}}, node.extra)

    def test_update_changes_only_the_given_fields(self: Any) -> None:
        """An update increments the revision, sets the update time and leaves the other fields."""
        node = self.node(name="a", extra={"k": 1})
        self.clock.advance(5)
        changed = self.store.update_node(node.uuid, {"name": "b"}, fence=None)
        self.assertEqual(replace(node, name="b", updated_at=self.clock.now(), revision=1), changed)
        self.assertEqual(2, self.store.update_node(node.uuid, {}, fence=None).revision)

    def test_none_clears_a_field(self: Any) -> None:
        """None clears a field, and another node can then use a unique value."""
        node = self.node(name="a", instance_uuid=new_uuid())
        changed = self.store.update_node(node.uuid, {"name": None, "instance_uuid": None}, fence=None)
        self.assertIsNone(changed.name)
        self.assertIsNone(changed.instance_uuid)
        self.node(name="a", instance_uuid=node.instance_uuid)

    def test_revision_keeps_an_update_from_overwriting_another(self: Any) -> None:
        """An update with an old revision is rejected and changes nothing."""
        node = self.node()
        self.store.update_node(node.uuid, {"owner": "first"}, fence=None, revision=node.revision)
        error = self.assertRaises(
            RevisionConflict, self.store.update_node, node.uuid, {"owner": "second"}, fence=None, revision=node.revision
        )
        self.assertIn("revision 1, not 0", str(error))
        self.assertEqual("first", self.store.node(node.uuid).owner)

    def test_unknown_field_is_refused_by_name(self: Any) -> None:
        """The error names all unknown fields, and nothing is written."""
        node = self.node()
        changes = {"nmae": 1, "owner": "x", "drver": 2}
        error = self.assertRaises(InvalidInput, self.store.update_node, node.uuid, changes, fence=None)
        self.assertEqual({"nmae", "drver"}, {problem.field for problem in error.problems})
        self.assertIsNone(self.store.node(node.uuid).owner)

    def test_managed_fields_cannot_be_written(self: Any) -> None:
        """An update of a field that the store manages is rejected."""
        node = self.node()
        fields = ("uuid", "epoch", "revision", "created_at", "updated_at")
        for field in (*fields, "lease_holder", "lease_purpose", "lease_since", "lease_expires_at"):
            error = self.assertRaises(InvalidInput, self.store.update_node, node.uuid, {field: None}, fence=None)
            self.assertEqual(field, error.problems[0].field)
        self.assertEqual(node, self.store.node(node.uuid))

    def test_values_of_the_wrong_type_are_refused_by_name(self: Any) -> None:
        """The error for an invalid value begins with the field's name."""
        node = self.node()
        wrong = {
            "name": 5,
            "driver": None,
            "extra": [1],
            "traits": "A",
            "maintenance": "yes",
            "run_index": True,
            "run_attempt": 2**40,
            "provision_updated_at": datetime(2030, 1, 1),
            "resource_class": "x" * 81,
            "description": "half \ud800",
            "owner": "nul \0",
            "properties": {"a": object()},
            "instance_info": {"a": float("nan")},
            "sealed_secrets": "text",
        }
        for field, value in wrong.items():
            error = self.assertRaises(InvalidInput, self.store.update_node, node.uuid, {field: value}, fence=None)
            self.assertRegex(str(error), f"^{field}(/a)?: ")
        self.assertEqual(node, self.store.node(node.uuid))

    def test_value_that_cannot_be_shown_is_refused_with_its_place(self: Any) -> None:
        """Integers of more than 64 bits, infinite numbers, NUL, halves of surrogate pairs and deep nesting are never stored."""
        node = self.node()
        deep: Any = 1
        for _ in range(60):
            deep = [deep]
        for value in (10**30, -(2**64), float("inf"), "a\0", "\udcff", deep):
            for changes in ({"properties": {"cpu": [0, value]}}, {"run_steps": ({"args": [0, value]},)}):
                error = self.assertRaises(InvalidInput, self.store.update_node, node.uuid, changes, fence=None)
                self.assertRegex(error.problems[0].field, "^(properties/cpu|run_steps/0/args)/1")
        self.store.update_node(node.uuid, {"properties": {"a": [2**64 - 1, -(2**63), 1e308]}}, fence=None)
        self.assertEqual([2**64 - 1, -(2**63), 1e308], self.store.node(node.uuid).properties["a"])

    def test_failure_text_is_stored_whatever_it_contains(self: Any) -> None:
        """The text of a failure is cleaned and shortened by the store, because a refusal would lose the failure."""
        node = self.node()
        written = self.store.update_node(node.uuid, {"last_error": "bad \0 \ud800 \n thing"}, fence=None)
        self.assertEqual(r"bad \x00 \ud800 \n thing", written.last_error)
        self.assertEqual(written, self.store.node(node.uuid))
        long = self.store.update_node(node.uuid, {"last_error": "begin " + "x" * 100_000}, fence=None)
        self.assertTrue((long.last_error or "").startswith("begin x"))
        self.assertLess(len(long.last_error or ""), 5000)
        entry = NodeHistoryRecord(new_uuid(), node.uuid, event="bad \0 \ud800", created_at=self.clock.now())
        self.assertEqual(1, self.store.append_records(NodeHistoryRecord, [entry]))
        self.assertEqual(r"bad \x00 \ud800", self.store.record(NodeHistoryRecord, entry.uuid).event)

    def test_bulk_update_is_atomic(self: Any) -> None:
        """A bulk update of which one write fails changes no node, and writes no event."""
        nodes = [self.node(name=name) for name in ("a", "b")]
        head = self.store.outbox.head()
        updates = [NodeUpdate(node.uuid, node.revision, {"name": "c", "power_state": "power on"}) for node in nodes]
        self.assertRaises(BareMetalError, self.store.update_nodes, updates)
        self.assertEqual(nodes, [self.store.node(node.uuid) for node in nodes])
        self.assertEqual(head, self.store.outbox.head())

    def test_refused_value_is_not_quoted(self: Any) -> None:
        """The error for an invalid value does not quote it, because it may be a secret."""
        node = self.node()
        error = self.assertRaises(InvalidInput, self.store.update_node, node.uuid, {"driver_info": {"p": b"hunter2"}}, fence=None)
        self.assertNotIn("hunter2", str(error))

    def test_uuid_must_be_canonical(self: Any) -> None:
        """A UUID in a form that could be taken for a name is rejected."""
        for wrong in ("node-1", new_uuid().upper(), new_uuid().replace("-", "")):
            error = self.assertRaises(InvalidInput, self.store.create_node, NodeRecord(uuid=wrong), fence=None)
            self.assertEqual("uuid", error.problems[0].field)

    def test_new_node_has_no_fence(self: Any) -> None:
        """A fence for a new node is invalid input."""
        node = self.node()
        self.assertRaises(InvalidInput, self.store.create_node, NodeRecord(uuid=new_uuid()), fence=self.lease(node, HOLDER).fence)

    def test_duplicate_error_names_the_field(self: Any) -> None:
        """The error of a duplicate value names field and value, in creations and in updates."""
        instance = new_uuid()
        first, second = self.node(name="a", instance_uuid=instance), self.node(name="nodes_instance_uuid_key")
        attempts = {
            "name": (DuplicateName, "a"),
            "instance_uuid": (InstanceAssociated, instance),
        }
        for field, (expected, value) in attempts.items():
            for attempt in (
                lambda field=field, value=value: self.node(**{field: value}),
                lambda field=field, value=value: self.store.update_node(second.uuid, {field: value, "owner": "x"}, fence=None),
            ):
                error = self.assertRaises(expected, attempt)
                self.assertEqual(field, error.details["field"])
                self.assertEqual(value, error.details["value"])
                self.assertIn(f"{field}: another node has '{value}' already", str(error))
        duplicate = self.assertRaises(DuplicateName, self.node, name="nodes_instance_uuid_key")
        self.assertEqual("name", duplicate.details["field"])
        again = self.assertRaises(DuplicateName, self.store.create_node, NodeRecord(uuid=first.uuid), fence=None)
        self.assertEqual("uuid", again.details["field"])
        self.assertEqual([first, second], [self.store.node(node.uuid) for node in (first, second)])

    def test_own_name_can_be_written_again(self: Any) -> None:
        """A node's own unique values are no duplicates."""
        node = self.node(name="a", instance_uuid=new_uuid())
        self.store.update_node(node.uuid, {"name": "a", "instance_uuid": node.instance_uuid}, fence=None)

    def test_names_differ_by_case(self: Any) -> None:
        """Names that differ in case are different."""
        self.node(name="a")
        self.node(name="A")

    def test_deleted_node_is_gone_and_leaves_its_name(self: Any) -> None:
        """The name of a deleted node can be used again."""
        node = self.node(name="a")
        self.store.delete_node(node.uuid, fence=None)
        self.assertRaises(NodeNotFound, self.store.node, "a")
        self.assertNotEqual(node.uuid, self.node(name="a").uuid)

    def test_scope_hides_nodes_of_others(self: Any) -> None:
        """A project sees the nodes that it owns or leases, and other nodes do not exist for it."""
        owned, leased, other = self.node(owner="p"), self.node(owner="q", lessee="p"), self.node(name="n", owner="q")
        scope = Scope("p")
        self.assertEqual(owned, self.store.node(owned.uuid, scope=scope))
        self.assertEqual({owned.uuid, leased.uuid}, {row.uuid for row in self.store.nodes(NodeQuery(), scope=scope)})
        self.assertRaises(NodeNotFound, self.store.node, other.uuid, scope=scope)
        self.assertRaises(NodeNotFound, self.store.node, "n", scope=scope)
        self.assertRaises(InvalidInput, self.store.nodes, NodeQuery(marker=other.uuid), scope=scope)
