"""Rules of records of all kinds for all stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from baremetal_interfaces import InvalidInput, NodeLocked, NotFound
from baremetal_sdk.errors import DuplicateName, LeaseLost, MACAlreadyExists, NodeNotFound, RevisionConflict
from baremetal_sdk.store import (
    AllocationRecord,
    BIOSSettingRecord,
    ChassisRecord,
    DeployTemplateRecord,
    FirmwareComponentRecord,
    InspectionRuleRecord,
    LoginRefusalRecord,
    NodeHistoryRecord,
    NodeInventoryRecord,
    NodeQuery,
    NodeRecord,
    PortgroupRecord,
    Query,
    RunbookRecord,
    Scope,
    TokenRecord,
    VolumeConnectorRecord,
    VolumeTargetRecord,
)
from baremetal_sdk.store.records.access import KeyedRequestRecord
from baremetal_sdk.store.records.hardware import NodeValuePartRecord
from baremetal_sdk.store.records.kinds import RECORD_KINDS, Visibility
from tests.fixtures.stores import StoreBehaviour, new_mac, new_uuid


def examples(node: NodeRecord) -> list[Any]:
    """Return one record of each kind, with a value of each field type."""
    at = node.uuid
    return [
        ChassisRecord(new_uuid(), "row 3", {"a": [1]}),
        PortgroupRecord(new_uuid(), at, "bond0", new_mac(), "802.3ad", properties={"miimon": "100"}),
        VolumeConnectorRecord(new_uuid(), at, "iqn", "iqn.2031.org.example:1", {"a": 1}),
        VolumeTargetRecord(new_uuid(), at, "iscsi", "04681986", 0, {"target_lun": 1}),
        BIOSSettingRecord(new_uuid(), at, "BootMode", "Uefi", "Enumeration", ("Uefi", "Bios"), read_only=False),
        FirmwareComponentRecord(new_uuid(), at, "bios", "1.0", "1.1", vendor="Acme"),
        NodeInventoryRecord(new_uuid(), at, "inspection", {"cpu": {"count": 4}}, {"a": 1}),
        NodeValuePartRecord(new_uuid(), at, "configdrive", new_uuid(), 0, "[]"),
        NodeHistoryRecord(new_uuid(), at, "c1", "provisioning", "ERROR", "it failed", "u", duration_seconds=3),
        AllocationRecord(new_uuid(), "a1", None, "allocating", None, "baremetal", ("CUSTOM_A",), (at,), "p"),
        DeployTemplateRecord(new_uuid(), "CUSTOM_T", ({"interface": "raid", "step": "x", "args": {}, "priority": 1},)),
        RunbookRecord(new_uuid(), "CUSTOM_R", ({"interface": "raid", "step": "x"},), ("CUSTOM_R",), public=True),
        InspectionRuleRecord(new_uuid(), "rule", 7, conditions=({"op": "eq"},), actions=({"op": "fail"},)),
        LoginRefusalRecord(new_uuid(), 2, b"sealed"),
        TokenRecord(new_uuid(), "ci", "reader", datetime(2031, 1, 1, tzinfo=UTC), b"digest", "p"),
        KeyedRequestRecord(new_uuid(), b"digest", datetime(2031, 1, 1, tzinfo=UTC), 201, "{}", "http://x/v1/nodes/a"),
    ]


class RecordBehaviour(StoreBehaviour):
    """Records of all kinds follow the same rules."""

    def record(self, record: Any) -> Any:
        return self.store.create_record(record)

    def test_record_of_every_kind_is_read_back(self: Any) -> None:
        """A created record of each kind is found by its UUID and listed, with its creation time."""
        node = self.node()
        self.assertEqual(set(RECORD_KINDS), {type(record) for record in examples(node)})
        for example in examples(node):
            created = self.record(example)
            self.assertEqual(replace(example, created_at=self.clock.now()), created)
            self.assertEqual(created, self.store.record(type(example), example.uuid.upper()))
            self.assertEqual([vars(created)], [dict(row) for row in self.store.records(type(example), Query())])

    def test_missing_record_of_every_kind_is_named(self: Any) -> None:
        """A missing record cannot be read, changed or deleted, and the error contains its UUID."""
        for kind in RECORD_KINDS:
            missing = new_uuid()
            for refused in (
                lambda: self.store.record(kind, missing),  # noqa: B023
                lambda: self.store.update_record(kind, missing, {}),  # noqa: B023
                lambda: self.store.delete_record(kind, missing),  # noqa: B023
            ):
                self.assertIn(missing, str(self.assertRaises(NotFound, refused)))
            self.assertRaises(NotFound, self.store.record, kind, "no such name")

    def test_update_of_every_kind_increments_and_checks_the_revision(self: Any) -> None:
        """An update increments the revision and sets the time, and is rejected for an old revision or a managed field."""
        for example in examples(self.node()):
            kind, created = type(example), self.record(example)
            self.clock.advance(1)
            changed = self.store.update_record(kind, created.uuid, {}, revision=0)
            self.assertEqual(replace(created, updated_at=self.clock.now(), revision=1), changed)
            self.assertEqual(changed, self.store.record(kind, created.uuid))
            self.assertRaises(RevisionConflict, self.store.update_record, kind, created.uuid, {}, revision=0)
            self.assertRaises(RevisionConflict, self.store.delete_record, kind, created.uuid, revision=0)
            for field in ("uuid", "created_at", "revision", "nonsense"):
                error = self.assertRaises(InvalidInput, self.store.update_record, kind, created.uuid, {field: None})
                self.assertEqual(field, error.problems[0].field)
            self.store.delete_record(kind, created.uuid, revision=1)
            self.assertRaises(NotFound, self.store.record, kind, created.uuid)

    def test_records_of_a_node_need_the_node_and_are_deleted_with_it(self: Any) -> None:
        """A record of a missing node is rejected, and the deletion of a node deletes its records."""
        node, other = self.node(), self.node()
        belonging = [
            record
            for record in examples(node)
            if RECORD_KINDS[type(record)].belongs_to_node and type(record) is not AllocationRecord
        ]
        for example in belonging:
            self.assertRaises(NodeNotFound, self.record, replace(example, node_uuid=new_uuid()))
            self.record(example)
        kept = self.record(VolumeConnectorRecord(new_uuid(), other.uuid, "ip", "192.0.2.1"))
        allocation = self.record(AllocationRecord(new_uuid(), node_uuid=node.uuid, state="active"))
        self.store.delete_node(node.uuid, fence=None)
        for example in (*belonging, allocation):
            self.assertRaises(NotFound, self.store.record, type(example), example.uuid)
        self.assertEqual(kept, self.store.record(VolumeConnectorRecord, kept.uuid))

    def test_fenced_records_are_written_under_the_lease(self: Any) -> None:
        """Fenced kinds of records are created, changed and deleted only under the held lease; other kinds need no lease."""
        node = self.node()
        before = [self.record(record) for record in examples(node)]
        fence = self.lease(node).fence
        for record in before:
            kind = type(record)
            if not RECORD_KINDS[kind].fenced:
                self.store.update_record(kind, record.uuid, {})
                continue
            for wrong, expected in ((None, NodeLocked), (fence._replace(epoch=0), LeaseLost)):
                new = replace(record, uuid=new_uuid())
                self.assertRaises(expected, self.store.create_record, new, fence=wrong)
                self.assertRaises(expected, self.store.update_record, kind, record.uuid, {}, fence=wrong)
                self.assertRaises(expected, self.store.delete_record, kind, record.uuid, fence=wrong)
            self.assertEqual(record, self.store.record(kind, record.uuid))
            self.store.update_record(kind, record.uuid, {}, fence=fence)
            self.store.delete_record(kind, record.uuid, fence=fence)
            self.store.create_record(record, fence=fence)

    def test_duplicate_values_are_named(self: Any) -> None:
        """A duplicate name, address or pair of values is rejected, and the error names the field."""
        node = self.node()
        for example in examples(node):
            self.record(example)
        again = {type(record): record for record in examples(node)}
        for kind, field in (
            (DeployTemplateRecord, "name"),
            (RunbookRecord, "name"),
            (AllocationRecord, "name"),
            (PortgroupRecord, "name"),
            (VolumeConnectorRecord, "type, connector_id"),
            (VolumeTargetRecord, "node_uuid, boot_index"),
            (BIOSSettingRecord, "node_uuid, name"),
            (FirmwareComponentRecord, "node_uuid, component"),
        ):
            error = self.assertRaises(DuplicateName, self.record, again[kind])
            self.assertEqual(field, error.details["field"])
        group = self.record(PortgroupRecord(new_uuid(), node.uuid, address="AA:00:00:00:00:01"))
        self.assertRaises(MACAlreadyExists, self.record, PortgroupRecord(new_uuid(), node.uuid, address=group.address))
        self.record(PortgroupRecord(new_uuid(), node.uuid))
        self.record(PortgroupRecord(new_uuid(), node.uuid))

    def test_update_to_duplicate_values_is_refused(self: Any) -> None:
        """An update of one field that makes a pair of values a duplicate is rejected with the whole pair."""
        node = self.node()
        self.record(VolumeConnectorRecord(new_uuid(), node.uuid, "ip", "192.0.2.1"))
        other = self.record(VolumeConnectorRecord(new_uuid(), node.uuid, "ip", "192.0.2.2"))
        change = {"connector_id": "192.0.2.1"}
        error = self.assertRaises(DuplicateName, self.store.update_record, VolumeConnectorRecord, other.uuid, change)
        self.assertEqual("ip, 192.0.2.1", error.details["value"])

    def test_records_are_found_by_name_and_address(self: Any) -> None:
        """A name finds records of kinds with names, and an address finds a port group."""
        found = {type(self.record(record)): record for record in examples(self.node())}
        for kind in (AllocationRecord, DeployTemplateRecord, RunbookRecord, PortgroupRecord):
            self.assertEqual(found[kind].uuid, self.store.record(kind, found[kind].name).uuid)
        address = found[PortgroupRecord].address
        self.assertEqual(found[PortgroupRecord].uuid, self.store.record(PortgroupRecord, address.upper()).uuid)
        self.assertRaises(NotFound, self.store.record, ChassisRecord, "row 3")

    def test_referenced_records_cannot_be_deleted(self: Any) -> None:
        """A chassis with nodes and a port group with ports cannot be deleted; without them the deletion succeeds."""
        chassis = self.record(ChassisRecord(new_uuid()))
        node = self.node(chassis_uuid=chassis.uuid)
        group = self.record(PortgroupRecord(new_uuid(), node.uuid))
        port = self.port(node, portgroup_uuid=group.uuid)
        self.assertIn("ports", str(self.assertRaises(InvalidInput, self.store.delete_record, PortgroupRecord, group.uuid)))
        self.assertIn("nodes", str(self.assertRaises(InvalidInput, self.store.delete_record, ChassisRecord, chassis.uuid)))
        self.store.delete_port(port.uuid, fence=None)
        self.store.delete_record(PortgroupRecord, group.uuid)
        self.store.delete_node(node.uuid, fence=None)
        self.store.delete_record(ChassisRecord, chassis.uuid)

    def test_pages_filters_and_order(self: Any) -> None:
        """Records are listed in pages, filtered by simple fields and sorted by one field."""
        rules = [self.record(InspectionRuleRecord(new_uuid(), priority=number % 3)) for number in range(6)]
        uuids = [rule.uuid for rule in rules]
        listed = self.store.records(InspectionRuleRecord, Query(limit=2, marker=uuids[1], fields=("uuid",)))
        self.assertEqual([{"uuid": uuid} for uuid in uuids[2:4]], [dict(row) for row in listed])
        where = Query(where={"priority": (0, 2)}, sort_key="priority", sort_dir="desc")
        expected = [uuids[5], uuids[2], uuids[3], uuids[0]]
        self.assertEqual(expected, [row.uuid for row in self.store.records(InspectionRuleRecord, where)])
        self.assertRaises(InvalidInput, self.store.records, InspectionRuleRecord, Query(marker=new_uuid()))
        self.assertRaises(InvalidInput, self.store.records, InspectionRuleRecord, Query(where={"actions": "x"}))

    def test_records_are_filtered_by_fields_of_their_node(self: Any) -> None:
        """Records and ports can be filtered by fields of the node that they belong to."""
        one, two = self.node(shard="a"), self.node(shard="b", conductor_group="g")
        groups = [self.record(PortgroupRecord(new_uuid(), node.uuid)) for node in (one, two)]
        ports = [self.port(node) for node in (one, two)]
        for of_node, number in (({"shard": ("a", "c")}, 0), ({"conductor_group": "g"}, 1)):
            query = Query(node_where=of_node)
            self.assertEqual([groups[number].uuid], [row.uuid for row in self.store.records(PortgroupRecord, query)])
            self.assertEqual([ports[number].uuid], [row.uuid for row in self.store.ports(query)])

    def test_scope_of_every_kind(self: Any) -> None:
        """A project sees records of its nodes, its own allocations, its own and public runbooks, and kinds visible to all."""
        mine, other = self.node(lessee="p"), self.node(owner="q")
        scope = Scope("p")
        for node, owner, seen in ((mine, "p", True), (other, "q", False)):
            for example in examples(node):
                kind = type(example)
                if kind in (AllocationRecord, RunbookRecord):
                    example = replace(
                        example, owner=owner, name=f"CUSTOM_{owner}", **({"public": False} if kind is RunbookRecord else {})
                    )
                elif hasattr(example, "name") and kind in (DeployTemplateRecord, PortgroupRecord, TokenRecord):
                    example = replace(example, name=f"CUSTOM_{owner}")
                elif kind is VolumeConnectorRecord:
                    example = replace(example, connector_id=owner)
                record = self.record(example)
                listed = [row.uuid for row in self.store.records(kind, Query(), scope=scope)]
                visible = seen or RECORD_KINDS[kind].visibility is Visibility.ALL
                self.assertEqual(visible, record.uuid in listed, kind)
                if visible:
                    self.assertEqual(record, self.store.record(kind, record.uuid, scope=scope))
                else:
                    self.assertRaises(NotFound, self.store.record, kind, record.uuid, scope=scope)
        public = self.record(RunbookRecord(new_uuid(), "CUSTOM_PUBLIC", owner="q", public=True))
        self.assertEqual(public, self.store.record(RunbookRecord, "CUSTOM_PUBLIC", scope=scope))

    def test_replacing_keeps_unchanged_records(self: Any) -> None:
        """Replacing creates, updates and deletes records of one node, and leaves unchanged records and other nodes alone."""
        node, other = self.node(), self.node()

        def setting(name: str, value: str, at: NodeRecord = node) -> BIOSSettingRecord:
            return BIOSSettingRecord(new_uuid(), at.uuid, name, value)

        kept = self.record(setting("same", "1", other))
        self.store.replace_records(BIOSSettingRecord, node.uuid, [setting("same", "1"), setting("new", "1"), setting("old", "1")])
        before = {row.name: row for row in self.store.records(BIOSSettingRecord, Query(where={"node_uuid": node.uuid}))}
        self.clock.advance(5)
        self.store.replace_records(
            BIOSSettingRecord, node.uuid, [setting("same", "1"), setting("new", "2"), setting("more", "1")]
        )
        after = {row.name: row for row in self.store.records(BIOSSettingRecord, Query(where={"node_uuid": node.uuid}))}
        self.assertEqual({"same", "new", "more"}, set(after))
        self.assertEqual(dict(before["same"]), dict(after["same"]))
        changed = {**before["new"], "value": "2", "updated_at": self.clock.now(), "revision": 1}
        self.assertEqual(changed, dict(after["new"]))
        self.assertEqual(kept, self.store.record(BIOSSettingRecord, kept.uuid))

    def test_replacing_is_one_write_under_the_lease(self: Any) -> None:
        """Replacing without the lease, with a duplicate name or with another node's record changes nothing."""
        node, other = self.node(), self.node()
        one = BIOSSettingRecord(new_uuid(), node.uuid, "a")
        wrong: Any = [one, BIOSSettingRecord(new_uuid(), node.uuid, "a")]
        self.assertRaises(InvalidInput, self.store.replace_records, BIOSSettingRecord, node.uuid, wrong)
        self.assertRaises(InvalidInput, self.store.replace_records, BIOSSettingRecord, other.uuid, [one])
        self.assertRaises(NodeNotFound, self.store.replace_records, BIOSSettingRecord, new_uuid(), [])
        fence = self.lease(node).fence
        self.assertRaises(NodeLocked, self.store.replace_records, BIOSSettingRecord, node.uuid, [one])
        self.store.replace_records(BIOSSettingRecord, node.uuid, [one], fence=fence)
        self.assertEqual([one.uuid], [row.uuid for row in self.store.records(BIOSSettingRecord, Query())])

    def test_purging_deletes_matching_records(self: Any) -> None:
        """Purging deletes matching records of unfenced kinds and rejects fenced kinds."""
        node = self.node()
        old = self.record(NodeHistoryRecord(new_uuid(), node.uuid))
        self.clock.advance(10)
        new = self.record(NodeHistoryRecord(new_uuid(), node.uuid))
        self.assertEqual(0, self.store.purge_records(NodeHistoryRecord, {"severity": "ERROR"}))
        self.assertEqual(1, self.store.purge_records(NodeHistoryRecord, {}, created_before=new.created_at))
        self.assertRaises(NotFound, self.store.record, NodeHistoryRecord, old.uuid)
        self.record(InspectionRuleRecord(new_uuid()))
        self.assertEqual(1, self.store.purge_records(InspectionRuleRecord, {}))
        self.assertRaises(TypeError, self.store.purge_records, PortgroupRecord, {})

    def test_nodes_with_traits(self: Any) -> None:
        """Nodes are filtered by whole traits, and must have all of them."""
        one = self.node(traits=("CUSTOM_A", "CUSTOM_B_X"), resource_class="r")
        self.node(traits=("CUSTOM_B", "CUSTOM_AXB"))
        for traits, expected in (
            ((), 2),
            (("CUSTOM_A",), 1),
            (("CUSTOM_A", "CUSTOM_B_X"), 1),
            (("CUSTOM_A", "CUSTOM_B"), 0),
            (("CUSTOM_BXX",), 0),
            (("CUSTOM_A_B",), 0),
        ):
            self.assertEqual(expected, len(self.store.nodes(NodeQuery(traits=traits))), traits)
        query = NodeQuery(traits=("CUSTOM_A",), where={"resource_class": "r"})
        self.assertEqual([one.uuid], [row.uuid for row in self.store.nodes(query)])

    def test_shards_are_counted(self: Any) -> None:
        """Each shard is listed with its number of nodes, and nodes without a shard come first."""
        for shard in ("b", "a", None, "b"):
            self.node(shard=shard, owner="p" if shard == "b" else None)
        self.assertEqual([(None, 1), ("a", 1), ("b", 2)], list(self.store.shards()))
        self.assertEqual([("b", 2)], list(self.store.shards(scope=Scope("p"))))
        self.assertEqual([("enroll", 4)], list(self.store.provision_states()))

    def test_appended_records_keep_their_times_and_skip_deleted_nodes(self: Any) -> None:
        """Appending keeps the records' times, skips records of deleted nodes, and rejects fenced kinds."""
        node, at = self.node(), self.clock.now()
        entries = [NodeHistoryRecord(new_uuid(), node.uuid, event=name, created_at=at) for name in ("a", "b")]
        gone = NodeHistoryRecord(new_uuid(), new_uuid(), event="c", created_at=at)
        self.clock.advance(5)
        self.assertEqual(2, self.store.append_records(NodeHistoryRecord, [entries[0], gone, entries[1]]))
        self.assertEqual(0, self.store.append_records(NodeHistoryRecord, [gone]))
        rows = self.store.records(NodeHistoryRecord, Query(where={"node_uuid": node.uuid}))
        self.assertEqual([("a", at), ("b", at)], [(row.event, row.created_at) for row in rows])
        self.assertRaises(TypeError, self.store.append_records, BIOSSettingRecord, [])
