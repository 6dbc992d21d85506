"""The number of SQL statements of a request, which is small and does not depend on the number of nodes."""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import Engine, event

from baremetal_sdk import ConductorConfig, bare_metal_api
from baremetal_sdk.store.secrets import PlainBox
from baremetal_sdk.store.sql.store import SQLStore
from baremetal_sdk.testing import quick_options, running_conductor, settle
from tests.api.machines import MachineAPITestCase
from tests.fixtures.databases import EmptyDatabase

EXTRA_PATCH = [{"op": "add", "path": "/extra/a", "value": 1}]
NEW_PORT = {"address": "52:54:00:00:00:01"}
PAGE_SIZE = 20

READS = (
    ("/v1/nodes/m1", 2),  # the version for the render cache, and the node
    ("/v1/nodes/m1", 1),
    ("/v1/nodes/m1/states", 1),
    (f"/v1/nodes?limit={PAGE_SIZE}", 2),
    (f"/v1/nodes/detail?limit={PAGE_SIZE}", 2),
    (f"/v1/nodes/detail?limit={PAGE_SIZE}", 1),
    (f"/v1/ports/detail?limit={PAGE_SIZE}", 1),
    ("/v1/nodes/m1/ports", 2),
    ("/v1/nodes/m1/bios", 2),
    ("/v1/nodes/m1/traits", 1),
    ("/v1/nodes/m1/history", 2),
    ("/v1/drivers", 0),
)
CHANGES: tuple[tuple[str, str, Any, int, int], ...] = (
    # Changing a node: read its UUID, read the node, write.
    ("PATCH", "/v1/nodes/m1", EXTRA_PATCH, 3, 0),
    ("POST", "/v1/nodes", {"driver": "fake-hardware", "name": "new"}, 1, 0),
    ("POST", "/v1/ports", NEW_PORT, 3, 0),
    # Deleting a node: read its UUID, take the lease, delete.
    ("DELETE", "/v1/nodes/new", None, 3, 0),
    # Changing power: read its UUID, take the lease, write the target. In the background: the observed power, and the end
    # with the release of the lease.
    ("PUT", "/v1/nodes/m1/states/power", {"target": "power on"}, 3, 2),
    ("PUT", "/v1/nodes/m1/states/provision", {"target": "manage"}, 3, 1),
    ("PUT", "/v1/nodes/m1/states/provision", {"target": "provide"}, 3, 1),
    # In the background: start of the step, power twice, end of the step, end of the deployment.
    ("PUT", "/v1/nodes/m1/states/provision", {"target": "active"}, 3, 5),
    ("PUT", "/v1/nodes/m1/states/provision", {"target": "deleted"}, 3, 3),
)


class StatementsTest(MachineAPITestCase):
    def setUp(self) -> None:
        super().setUp()
        store = SQLStore(self.useFixture(EmptyDatabase("")).url)
        store.open()
        self.addCleanup(store.close)
        options = quick_options(automated_clean=False)
        context = running_conductor(ConductorConfig(host="test", conductor=options), store=store, secrets=PlainBox())
        self.runtime = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.app = bare_metal_api(self.runtime)
        self.statements: list[str] = []
        self.background_writes: list[str] = []
        self.event_statements: list[str] = []
        event.listen(Engine, "before_cursor_execute", self.record_statement)
        self.addCleanup(event.remove, Engine, "before_cursor_execute", self.record_statement)

    def record_statement(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Record a statement of the request's thread, and writes to nodes by work in the background."""
        # The live conductors are read every other second, independent of requests.
        if statement.startswith("BEGIN") or "FROM bm_conductors" in statement:
            return
        # Events are written together with the write that they describe, by requests and by background work.
        if statement.startswith("INSERT INTO bm_events"):
            self.event_statements.append(statement)
        elif threading.current_thread() is threading.main_thread():
            self.statements.append(statement)
        elif statement.startswith("UPDATE bm_nodes"):
            self.background_writes.append(statement)

    def count_statements(self, method: str, path: str, body: Any = None) -> tuple[int, int]:
        """Return the number of statements until the response, and of writes to nodes until all work has ended."""
        self.statements.clear()
        self.background_writes.clear()
        self.event_statements.clear()
        response = self.request(method, path, body)
        self.assertLess(response.status, 300, response.raw)
        settle(self.runtime)
        writes = [
            entry for entry in (*self.statements, *self.background_writes) if entry.startswith(("INSERT", "UPDATE", "DELETE"))
        ]
        self.assertLessEqual(len(self.event_statements), len(writes), "a write adds at most one statement for its events")
        return len(self.statements), len(self.background_writes)

    def test_statements_do_not_grow_with_the_number_of_nodes(self) -> None:
        """Each request needs the same number of statements with 20 and with 80 nodes."""
        self.enroll("m1")
        for size in (PAGE_SIZE, 3 * PAGE_SIZE):
            for number in range(size):
                self.enroll(f"n{size}-{number}")
            for path, expected in READS:
                self.assertEqual((expected, 0), self.count_statements("GET", path), (size, path, self.statements))
            for method, path, body, expected, background in CHANGES:
                if body is NEW_PORT:
                    body = {**NEW_PORT, "node_uuid": self.get("/v1/nodes/m1")["uuid"]}
                counts = self.count_statements(method, path, body)
                self.assertEqual((expected, background), counts, (size, path, body, self.statements, self.background_writes))
            self.count_statements("DELETE", f"/v1/ports/{self.get('/v1/ports')['ports'][0]['uuid']}")
            self.count_statements("PUT", "/v1/nodes/m1/states/power", {"target": "power off"})
            self.count_statements("PUT", "/v1/nodes/m1/states/provision", {"target": "manage"})
            self.count_statements("DELETE", "/v1/nodes/m1")
            self.enroll("m1")

    def test_bulk_request_costs_the_sum_of_its_nodes(self) -> None:
        """A bulk request needs no additional statements for its nodes."""
        values = [{"driver": "fake-hardware", "name": f"b{number}"} for number in range(10)]
        self.assertEqual((10, 0), self.count_statements("POST", "/v1/bulk/nodes", {"nodes": values}))
        power = {"nodes": [entry["name"] for entry in values], "target": "power on"}
        self.assertEqual((30, 20), self.count_statements("PUT", "/v1/bulk/nodes/states/power", power))
