"""Values that cannot be shown: refused with their place when they enter, and replaced if a database has them already."""

from __future__ import annotations

import logging

from fixtures import FakeLogger
from sqlalchemy import text

from baremetal_sdk.rpc.codec import Codec
from baremetal_sdk.store.records.hardware import NodeInventoryRecord
from tests.api.test_concurrent_writes import ConcurrencyTestCase
from tests.fixtures.api import APITestCase
from tests.fixtures.stores import new_uuid

BAD_TEXTS = (
    '{"a": [1, ' + "9" * 40 + "]}",
    '{"a": -' + "9" * 5000 + "}",
    r'{"a": "x\ud800", "k\udfff": 1}',
    '{"a": NaN, "b": Infinity}',
    "not JSON",
    "[1, 2]",
    '{"a": ' + "[" * 300 + "]" * 300 + "}",
    "null",
)
"""JSON texts that an earlier release or another program may have written to a column of objects."""


class TestStoredValues(ConcurrencyTestCase):
    """A bad value in one record breaks neither the record nor a listing, a message or the event stream."""

    def create_records(self) -> dict[str, str]:
        """Create one record of each resource. Return the path of each, by table."""
        node = {"node_uuid": self.node}
        steps = [{"interface": "deploy", "step": "erase_devices", "args": {}, "priority": 1}]
        book = [{"interface": "deploy", "step": "erase_devices", "args": {}, "order": 1}]
        return {
            "nodes": f"/v1/nodes/{self.node}",
            "ports": self.create("ports", **node, address="02:00:00:00:00:01"),
            "portgroups": self.create("portgroups", **node),
            "chassis": self.create("chassis"),
            "volume_connectors": self.create("volume/connectors", **node, type="iqn", connector_id="iqn.a"),
            "volume_targets": self.create("volume/targets", **node, volume_type="iscsi", volume_id="1", boot_index=0),
            "deploy_templates": self.create("deploy_templates", name="CUSTOM_A", steps=steps),
            "runbooks": self.create("runbooks", name="CUSTOM_B", steps=book),
            "allocations": self.create("allocations", resource_class="none-such"),
        }

    def spoil(self, table: str, column: str, stored: str) -> None:
        """Write *stored* to a column of all records in a table, as no release of the service does."""
        with self.store.database.writing() as connection:
            connection.execute(text(f"UPDATE bm_{table} SET {column} = :stored, revision = revision + 1"), {"stored": stored})

    def test_record_and_listings_are_shown(self) -> None:
        """Each read of the record and each listing answers, the value is replaced, and the log says so."""
        log = self.useFixture(FakeLogger(level=logging.WARNING))
        records = self.create_records()
        for stored in (*BAD_TEXTS, f"not JSON {new_uuid()}"):
            for table, path in records.items():
                self.spoil(table, "extra", stored)
                extra = self.get(path)["extra"]
                self.assertIsInstance(extra, dict)
                collection = path.rpartition("/")[0]
                self.get(collection if table == "allocations" else f"{collection}?detail=true")
                self.get(f"{collection}?fields=uuid,extra")
        self.assertIn("replaced", log.output)
        self.assertIn("field extra of a record in the database is not valid JSON", log.output)

    def test_other_columns_are_shown(self) -> None:
        """The same holds for the other columns with JSON, for inventories and for lists."""
        inventory = NodeInventoryRecord(new_uuid(), self.node, inventory={"a": 1})
        lease, _ = self.store.take_lease(self.node, holder="test/1", purpose="test", duration=60)
        self.store.replace_records(NodeInventoryRecord, self.node, [inventory], fence=lease.fence)
        self.store.release_lease(lease.fence)
        for stored in (*BAD_TEXTS, "{}"):
            for column in (
                "properties",
                "driver_info",
                "instance_info",
                "driver_internal_info",
                "traits",
                "clean_step",
                "raid_config",
            ):
                self.spoil("nodes", column, stored)
            self.spoil("node_inventories", "inventory", stored)
            for path in ("", "/inventory", "/states", "/traits", "/explain", "/history"):
                self.get(f"/v1/nodes/{self.node}{path}")
            self.get("/v1/nodes/detail")
            self.assertEqual(200, self.patch(f"/v1/nodes/{self.node}", ("add", "/description", stored[:20])).status)

    def test_record_is_sent_between_processes(self) -> None:
        """A record with a bad value can be a part of a message."""
        codec = Codec()
        for stored in BAD_TEXTS:
            self.spoil("nodes", "extra", stored)
            try:
                message = codec.dump(self.store.node(self.node))
            except ValueError as exc:
                self.fail(f"{stored[:20]}: {exc}")
            received = codec.load(codec.from_bytes(codec.to_bytes(message)))
            self.assertEqual(self.node, received.uuid)

    def test_spoiled_record_can_be_repaired_and_deleted(self) -> None:
        """A client replaces the field, or deletes the node."""
        self.spoil("nodes", "extra", "not JSON")
        self.assertEqual({"a": 1}, self.patch(f"/v1/nodes/{self.node}", ("replace", "/extra", {"a": 1})).json["extra"])
        self.spoil("nodes", "extra", BAD_TEXTS[2])
        self.assertEqual(204, self.request("DELETE", f"/v1/nodes/{self.node}").status)


class TestRequests(APITestCase):
    """A client gets 400 with the place of the value, in every kind of request."""

    def assert_named(self, method: str, path: str, body: bytes, place: str, wrong: str) -> None:
        """Send *body* and assert that the error names the place and the problem."""
        response = self.request(method, path, body)
        self.assert_refused(response, 400, place, wrong)

    def test_wrong_value_is_named(self) -> None:
        """Integers of more than 64 bits, infinite numbers, NUL and halves of surrogate pairs are refused by name."""
        self.create_node(name="n1")
        for value, wrong in (
            (b"18446744073709551616", "more than 64 bits"),
            (b"-9223372036854775809", "more than 64 bits"),
            (b"1" * 5000, "more than 64 bits"),
            (b"1e400", "it is inf"),
            (b'"a\\u0000"', "NUL"),
            (b'"a\\ud800b"', "half of a surrogate pair"),
        ):
            new_node = b'{"driver": "fake-hardware", "extra": {"rack": [1, ' + value + b"]}}"
            self.assert_named("POST", "/v1/nodes", new_node, "extra/rack/1", wrong)
            patch = (
                b'[{"op": "add", "path": "/name", "value": "x"}, {"op": "add", "path": "/extra/a", "value": {"b": '
                + value
                + b"}}]"
            )
            self.assert_named("PATCH", "/v1/nodes/n1", patch, "patch[1]/value/b", wrong)
            self.assert_named("POST", "/v1/chassis", b'{"extra": {"x": ' + value + b"}}", "extra/x", wrong)

    def test_wrong_key_is_named(self) -> None:
        """A key is text as well."""
        self.assert_named("POST", "/v1/chassis", b'{"extra": {"x\\u0000": 1}}', "extra", "NUL")

    def test_integers_of_64_bits_are_kept(self) -> None:
        """The largest integers are read exactly as they were written."""
        for value in (2**63 - 1, -(2**63), 2**64 - 1, 2**53 + 1):
            uuid = self.create_node(extra={"n": value})
            self.assertEqual(value, self.get(f"/v1/nodes/{uuid}")["extra"]["n"])
