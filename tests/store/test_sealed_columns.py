"""Secrets in a database are encrypted, wherever clients put them, and records read from it have them in clear."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import text
from testtools import TestCase

from baremetal_interfaces import MASK
from baremetal_sdk.store import FernetBox, NodeQuery, NodeRecord
from baremetal_sdk.store.records.access import KeyedRequestRecord
from baremetal_sdk.store.records.hardware import NodeHistoryRecord, NodeInventoryRecord, VolumeTargetRecord
from baremetal_sdk.store.records.node import PortRecord
from baremetal_sdk.store.records.policy import DeployTemplateRecord, InspectionRuleRecord, RunbookRecord
from baremetal_sdk.store.sql.backup import back_up
from baremetal_sdk.store.sql.schema import LAST_UNSEALED
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures.stores import SteppedClock, new_mac, new_uuid

MARK = "PLANTED"
_URL = f"https://user:{MARK}@images.example.org/x.iso?sig={MARK}&v=1"
_STEP = {
    "interface": "bios",
    "step": "apply",
    "args": {"settings": [{"name": "AdminPassword", "value": f"{MARK}-pair"}], "url": _URL},
}
_INFO = {
    "rescue_password": f"{MARK}-rescue",
    "image_auth_token": f"{MARK}-token",
    "boot_iso": _URL,
    "configdrive": {"user_data": f"{MARK}-drive"},
    "deep": [{"api_key": f"{MARK}-key", "pin": 7}],
}


def plant(node: str) -> list[Any]:
    """Return records with a planted secret in each column that clients, agents or plugins write."""
    step = dict(_STEP)
    target = {"volume_type": "iscsi", "volume_id": "v", "boot_index": 0}
    rule_action = {"op": "set-attribute", "args": {"path": "driver_info/redfish_password", "value": f"{MARK}-rule"}}
    headers = {"op": "api-call", "args": {"url": _URL, "headers": {"Authorization": f"{MARK}-header"}}}
    return [
        VolumeTargetRecord(new_uuid(), node, properties={"auth_password": f"{MARK}-chap"}, extra={"url": _URL}, **target),
        DeployTemplateRecord(new_uuid(), "CUSTOM_A", (step,), {"token": f"{MARK}-extra"}),
        RunbookRecord(new_uuid(), "CUSTOM_B", (step,), description=f"see {_URL}"),
        InspectionRuleRecord(new_uuid(), f"from {_URL}", actions=(rule_action, headers)),
        NodeHistoryRecord(new_uuid(), node, event=f"cannot read {_URL}"),
        NodeInventoryRecord(new_uuid(), node, inventory={"bmc": {"password": f"{MARK}-bmc"}}, plugin_data={"logs": _URL}),
        KeyedRequestRecord(new_uuid(), b"d", SteppedClock().now(), 201, f'{{"extra":{{"a":"{MARK}-answer"}}}}', "/v1/nodes/a"),
    ]


def planted_node() -> NodeRecord:
    """Return a node with planted secrets."""
    return NodeRecord(
        new_uuid(),
        "a",
        driver_info={"snmp_community": f"{MARK}-snmp", "deploy_iso": _URL, "redfish_password": MASK},
        instance_info=_INFO,
        properties={"link": _URL},
        extra={"bmc_password": f"{MARK}-extra"},
        network_data={"services": [{"psk": f"{MARK}-wifi"}]},
        driver_internal_info={"agent_secret_token": f"{MARK}-agent"},
        driver_state={"raid": {"session_token": f"{MARK}-session"}},
        clean_step=_STEP,
        run_steps=(_STEP,),
        description=f"installed from {_URL}",
        maintenance_reason=f"look at {_URL}",
        last_error=f"cannot load {_URL}",
    )


class SealedColumnsTest(TestCase):
    """A store on an SQLite file with a key outside of the database."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        (self.directory / "db").mkdir()
        self.url = f"sqlite:///{self.directory}/db/nodes.db"
        self.box = FernetBox(self.directory / "key")

    def opened(self, box: FernetBox | None) -> SQLStore:
        store = SQLStore(self.url, clock=SteppedClock(), secrets=box)
        store.open()
        self.addCleanup(store.close)
        return store

    def raw(self) -> bytes:
        """Return the bytes of the database: the file, the write-ahead log, and a backup."""
        backup = self.directory / "db" / "backup.db"
        backup.unlink(missing_ok=True)
        back_up(self.url, backup)
        return b"".join(file.read_bytes() for file in (self.directory / "db").iterdir())

    def fill(self, store: SQLStore) -> dict[str, Any]:
        """Store planted records and return them by class name."""
        node = store.create_node(planted_node(), fence=None)
        lease, _ = store.take_lease(node.uuid, holder="c/1", purpose="test", duration=600.0)
        created: dict[str, Any] = {"NodeRecord": node}
        for record in plant(node.uuid):
            fence = lease.fence if isinstance(record, VolumeTargetRecord | NodeInventoryRecord) else None
            created[type(record).__name__] = store.create_record(record, fence=fence)
        port = PortRecord(new_uuid(), node.uuid, new_mac(), extra={"switch_password": f"{MARK}-port"})
        created["PortRecord"] = store.create_port(port, fence=lease.fence)
        store.update_node(node.uuid, {"instance_info": {**_INFO, "more": _URL}}, fence=lease.fence, release=True)
        return created

    def test_database_log_and_backup_contain_no_planted_secret(self) -> None:
        """No planted secret is in the bytes of the database, its log or a backup, and none is missing from what is read."""
        store = self.opened(self.box)
        created = self.fill(store)
        self.assertNotIn(MARK.encode(), self.raw())
        node = store.node("a")
        expected = planted_node()
        self.assertEqual({**_INFO, "more": _URL}, node.instance_info)
        for name in (
            "driver_info",
            "properties",
            "extra",
            "network_data",
            "driver_state",
            "clean_step",
            "run_steps",
            "description",
        ):
            self.assertEqual(getattr(expected, name), getattr(node, name), name)
            self.assertEqual(getattr(expected, name), getattr(created["NodeRecord"], name), name)
        [row] = store.nodes(NodeQuery(fields=("instance_info", "extra", "maintenance_reason")))
        self.assertEqual((node.instance_info, expected.extra), (row.instance_info, row.extra))
        self.assertEqual(expected.maintenance_reason, row.maintenance_reason)
        for record in created.values():
            if not isinstance(record, NodeRecord | PortRecord):
                self.assertEqual(record, store.record(type(record), record.uuid))
        self.assertEqual(f'{{"extra":{{"a":"{MARK}-answer"}}}}', created["KeyedRequestRecord"].content)
        self.assertEqual(f"{MARK}-port", store.port(created["PortRecord"].uuid).extra["switch_password"])

    def test_text_of_an_error_loses_the_credentials_of_a_url(self) -> None:
        """Credentials in URLs within a failure text are masked for good, also in the events of the outbox."""
        store = self.opened(self.box)
        self.fill(store)
        expected = f"cannot load https://{MASK}@images.example.org/x.iso?sig={MASK}&v=1"
        self.assertEqual(expected, store.node("a").last_error)

    def test_columns_without_secrets_stay_readable(self) -> None:
        """Only secrets are encrypted: other values stay in the database as they are, with the same bytes."""
        store = self.opened(self.box)
        store.create_node(NodeRecord(new_uuid(), "a", extra={"rack": "r1", "url": "http://h/x?a=b"}), fence=None)
        with store.database.reading() as connection:
            stored = connection.execute(text("SELECT extra FROM bm_nodes")).scalar()
        self.assertEqual('{"rack":"r1","url":"http://h/x?a=b"}', stored)

    def test_client_cannot_have_a_copied_secret_unsealed(self) -> None:
        """A client that stores an encrypted value, copied from a backup, gets back the same text and not the secret."""
        store = self.opened(self.box)
        victim = store.create_node(NodeRecord(new_uuid(), "victim", extra={"password": f"{MARK}-x"}), fence=None)
        with store.database.reading() as connection:
            stored = str(connection.execute(text("SELECT extra FROM bm_nodes")).scalar())
        token = json.loads(stored)["password"]
        self.assertNotEqual(victim.extra["password"], token)
        tried: dict[str, Any] = {"a": token, "b": [f"x {token}"], "c": {token: token}, "d": token.replace("-value", "")}
        thief = store.create_node(NodeRecord(new_uuid(), "thief", extra=tried, description=tried["d"]), fence=None)
        for read in (thief, store.node("thief")):
            self.assertEqual(tried, read.extra)
            self.assertEqual(tried["d"], read.description)

    def test_secret_is_bound_to_its_field(self) -> None:
        """An encrypted value that is copied to another column in the database is read as a mask."""
        store = self.opened(self.box)
        store.create_node(NodeRecord(new_uuid(), "a", instance_info={"x": _URL, "password": f"{MARK}-x"}), fence=None)
        with store.database.writing() as connection:
            connection.execute(text("UPDATE bm_nodes SET extra = instance_info"))
        self.assertEqual(MASK, store.node("a").extra["password"])

    def test_secret_without_its_key_is_a_mask_and_breaks_no_listing(self) -> None:
        """With another key, or without one, secrets are masks and all other values stay readable."""
        self.fill(self.opened(self.box))
        (self.directory / "key").unlink()
        for box in (FernetBox(self.directory / "key"), None):
            [row] = self.opened(box).nodes(NodeQuery(fields=("instance_info", "extra")))
            self.assertEqual(MASK, row.instance_info["rescue_password"])
            self.assertEqual(f"https://{MASK}@images.example.org/x.iso?sig={MASK}&v=1", row.instance_info["boot_iso"])

    def test_replacing_equal_records_writes_nothing(self) -> None:
        """Records with the same secrets count as unchanged, although a secret has other bytes each time it is encrypted."""
        store = self.opened(self.box)
        node = store.create_node(NodeRecord(new_uuid(), "a"), fence=None)
        lease, _ = store.take_lease(node.uuid, holder="c/1", purpose="test", duration=600.0)
        for _ in range(2):
            record = NodeInventoryRecord(new_uuid(), node.uuid, inventory={"password": f"{MARK}-x"})
            store.replace_records(NodeInventoryRecord, node.uuid, [record], fence=lease.fence)
        [row] = store.records(NodeInventoryRecord, NodeQuery())
        self.assertEqual(0, row.revision)
        self.assertNotIn(MARK.encode(), self.raw())

    def test_upgrade_seals_the_rows_of_an_earlier_release(self) -> None:
        """Opening a database of an earlier release encrypts its secrets, and its files keep no copy in clear."""
        earlier = self.opened(None)
        self.fill(earlier)
        gone = earlier.create_node(NodeRecord(new_uuid(), "gone", extra={"password": f"{MARK}-deleted" * 300}), fence=None)
        earlier.delete_node(gone.uuid, fence=None)
        self.add_event(earlier)
        earlier.close()
        self.assertIn(MARK.encode(), self.raw())
        store = self.opened(self.box)
        self.assertNotIn(MARK.encode(), self.raw())
        self.assertEqual({**_INFO, "more": _URL}, store.node("a").instance_info)
        store.close()
        self.assertNotIn(MARK.encode(), self.raw())
        before = self.rows()
        self.opened(self.box)
        self.assertEqual(before, self.rows())

    def test_interrupted_upgrade_continues_at_the_next_start(self) -> None:
        """An upgrade that ended within its work is complete after the next opening, and each secret is encrypted once."""
        earlier = self.opened(None)
        self.fill(earlier)
        earlier.close()
        self.opened(self.box).close()
        with closing(sqlite3.connect(self.directory / "db" / "nodes.db")) as connection, connection:
            connection.execute("UPDATE bm_alembic_version SET version_num = ?", (LAST_UNSEALED,))
            connection.execute("UPDATE bm_nodes SET extra = ?", (json.dumps({"password": f"{MARK}-late"}),))
        store = self.opened(self.box)
        self.assertNotIn(MARK.encode(), self.raw())
        self.assertEqual({"password": f"{MARK}-late"}, store.node("a").extra)
        self.assertEqual({**_INFO, "more": _URL}, store.node("a").instance_info)

    def test_new_key_seals_the_columns_again(self) -> None:
        """After a new first key and renew_seals(), the old key can be removed."""
        store = self.opened(self.box)
        self.fill(store)
        old = (self.directory / "key").read_text()
        FernetBox(self.directory / "new")
        (self.directory / "key").write_text((self.directory / "new").read_text() + old)
        self.box.reload()
        self.assertLess(5, store.renew_seals())
        self.assertEqual(0, store.renew_seals())
        (self.directory / "key").write_text((self.directory / "new").read_text())
        self.box.reload()
        self.assertEqual({**_INFO, "more": _URL}, store.node("a").instance_info)

    def add_event(self, store: SQLStore) -> None:
        """Add an event as an earlier release has written it."""
        with store.database.writing() as connection:
            row = {"content": json.dumps({"last_error": _URL}), "node": new_uuid(), "at": "2030-01-01 00:00:00.000000"}
            columns = "batch, kind, node_uuid, content, created_at"
            connection.execute(text(f"INSERT INTO bm_events ({columns}) VALUES (0, 'state', :node, :content, :at)"), row)

    def rows(self) -> list[Any]:
        with closing(sqlite3.connect(self.directory / "db" / "nodes.db")) as connection:
            return connection.execute("SELECT instance_info, extra, driver_info FROM bm_nodes").fetchall()
