"""What a request costs in statements on the database: few, and as many on a large fleet as on a small one."""

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

EXTRA = [{"op": "add", "path": "/extra/a", "value": 1}]
PORT = {"address": "52:54:00:00:00:01"}
PAGE = 20

READS = (
    ("/v1/nodes/m1", 2),  # whether it is as it was rendered, and the node
    ("/v1/nodes/m1", 1),
    ("/v1/nodes/m1/states", 1),
    (f"/v1/nodes?limit={PAGE}", 2),
    (f"/v1/nodes/detail?limit={PAGE}", 2),
    (f"/v1/nodes/detail?limit={PAGE}", 1),
    (f"/v1/ports/detail?limit={PAGE}", 1),
    ("/v1/nodes/m1/ports", 2),
    ("/v1/nodes/m1/bios", 2),
    ("/v1/nodes/m1/traits", 1),
    ("/v1/nodes/m1/history", 2),
    ("/v1/drivers", 0),
)
CHANGES: tuple[tuple[str, str, Any, int, int], ...] = (
    # the change of a node: its UUID, the node, the write
    ("PATCH", "/v1/nodes/m1", EXTRA, 3, 0),
    ("POST", "/v1/nodes", {"driver": "fake-hardware", "name": "new"}, 1, 0),
    ("POST", "/v1/ports", PORT, 3, 0),
    # its UUID, the lease, the deletion
    ("DELETE", "/v1/nodes/new", None, 3, 0),
    # its UUID, the lease, the target; then the power that was observed, and the end with the lease given back
    ("PUT", "/v1/nodes/m1/states/power", {"target": "power on"}, 3, 2),
    ("PUT", "/v1/nodes/m1/states/provision", {"target": "manage"}, 3, 1),
    ("PUT", "/v1/nodes/m1/states/provision", {"target": "provide"}, 3, 1),
    # the step that begins, power twice, the step that ends, the end
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
        self.asked: list[str] = []
        self.written: list[str] = []
        self.told: list[str] = []
        event.listen(Engine, "before_cursor_execute", self.note)
        self.addCleanup(event.remove, Engine, "before_cursor_execute", self.note)

    def note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Tell the statements of the request, in its thread, from what work writes to nodes in the background."""
        # Who lives is looked up every other second, whatever is asked.
        if statement.startswith("BEGIN") or "FROM bm_conductors" in statement:
            return
        # What is told of a write goes with it, whoever makes it.
        if statement.startswith("INSERT INTO bm_events"):
            self.told.append(statement)
        elif threading.current_thread() is threading.main_thread():
            self.asked.append(statement)
        elif statement.startswith("UPDATE bm_nodes"):
            self.written.append(statement)

    def cost(self, method: str, path: str, body: Any = None) -> tuple[int, int]:
        """Statements until the answer, and writes to nodes until all work has ended."""
        self.asked.clear()
        self.written.clear()
        self.told.clear()
        answer = self.request(method, path, body)
        self.assertLess(answer.status, 300, answer.raw)
        settle(self.runtime)
        writes = [one for one in (*self.asked, *self.written) if one.startswith(("INSERT", "UPDATE", "DELETE"))]
        self.assertLessEqual(len(self.told), len(writes), "a write tells of itself in one statement, or in none")
        return len(self.asked), len(self.written)

    def test_statements_of_a_request_are_few_and_do_not_grow(self) -> None:
        """Reads are one statement and a look at what is new; a change is what it has to be, whatever the size of the fleet."""
        self.enrol("m1")
        for size in (PAGE, 3 * PAGE):
            for number in range(size):
                self.enrol(f"n{size}-{number}")
            for path, expected in READS:
                self.assertEqual((expected, 0), self.cost("GET", path), (size, path, self.asked))
            for method, path, body, expected, background in CHANGES:
                if body is PORT:
                    body = {**PORT, "node_uuid": self.get("/v1/nodes/m1")["uuid"]}
                found = self.cost(method, path, body)
                self.assertEqual((expected, background), found, (size, path, body, self.asked, self.written))
            self.cost("DELETE", f"/v1/ports/{self.get('/v1/ports')['ports'][0]['uuid']}")
            self.cost("PUT", "/v1/nodes/m1/states/power", {"target": "power off"})
            self.cost("PUT", "/v1/nodes/m1/states/provision", {"target": "manage"})
            self.cost("DELETE", "/v1/nodes/m1")
            self.enrol("m1")

    def test_many_nodes_in_one_request_cost_what_they_would_alone(self) -> None:
        """Each node of a bulk request is one write; nothing is asked again for each."""
        values = [{"driver": "fake-hardware", "name": f"b{number}"} for number in range(10)]
        self.assertEqual((10, 0), self.cost("POST", "/v1/bulk/nodes", {"nodes": values}))
        power = {"nodes": [one["name"] for one in values], "target": "power on"}
        self.assertEqual((30, 20), self.cost("PUT", "/v1/bulk/nodes/states/power", power))
