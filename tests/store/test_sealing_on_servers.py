"""The upgrade encrypts the secrets of earlier releases on database servers, too."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

from fixtures import TempDir
from sqlalchemy import MetaData, Table, select
from testtools import TestCase

from baremetal_sdk.store import FernetBox, NodeRecord
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures import mariadb, postgresql
from tests.fixtures.stores import SteppedClock, new_uuid

MARK = "PLANTED"
_URL = f"https://user:{MARK}@images.example.org/x.iso?sig={MARK}"


class ServerSealing:
    """An upgrade on one kind of server."""

    url: str

    def opened(self: Any, box: FernetBox | None) -> SQLStore:
        store = SQLStore(self.url, clock=SteppedClock(), secrets=box)
        store.open()
        self.addCleanup(store.close)
        return store

    def test_upgrade_seals_each_row(self: Any) -> None:
        """No row has a secret in clear after the upgrade, in more rows than one batch, and each is read as it was written."""
        earlier = self.opened(None)
        for number in range(250):
            info = {"image_auth_token": f"{MARK}-{number}", "boot_iso": _URL}
            node = NodeRecord(new_uuid(), f"n{number}", instance_info=info, description=f"from {_URL}")
            earlier.create_node(node, fence=None)
        earlier.close()
        directory = Path(self.useFixture(TempDir()).path)
        store = self.opened(FernetBox(directory / "key"))
        with store.database.reading() as connection:
            nodes = Table("bm_nodes", MetaData(), autoload_with=connection)
            rows = connection.execute(select(nodes)).all()
        self.assertEqual(250, len(rows))
        self.assertNotIn(MARK, repr(rows))
        for number in (0, 249):
            node = store.node(f"n{number}")
            self.assertEqual({"image_auth_token": f"{MARK}-{number}", "boot_iso": _URL}, node.instance_info)
            self.assertEqual(f"from {_URL}", node.description)


@unittest.skipIf(postgresql.missing(), str(postgresql.missing()))
class PostgreSQLSealingTest(ServerSealing, TestCase):
    """On PostgreSQL."""

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(postgresql.PostgreSQL()).url


@unittest.skipIf(mariadb.missing(), str(mariadb.missing()))
class MariaDBSealingTest(ServerSealing, TestCase):
    """On MariaDB."""

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(mariadb.MariaDB()).url
