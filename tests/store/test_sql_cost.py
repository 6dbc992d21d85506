"""Cost of the SQL store's operations, in statements and in work of the database."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine, event
from testtools import TestCase

from baremetal_sdk.store import (
    ChassisRecord,
    ConductorRecord,
    NodeQuery,
    NodeRecord,
    PortRecord,
    Query,
    Scope,
    VolumeConnectorRecord,
)
from baremetal_sdk.store.outbox import START
from baremetal_sdk.store.records.node import Fence
from baremetal_sdk.store.records.policy import AllocationRecord
from baremetal_sdk.store.sql.store import SQLStore
from tests.fixtures.stores import SteppedClock, StoreBehaviour, new_mac, new_uuid

CHASSIS = new_uuid()


class CostTest(StoreBehaviour, TestCase):
    """Costs are counted, not timed."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.clock = SteppedClock()
        self.store = SQLStore(f"sqlite:///{Path(directory.name) / 'nodes.db'}", clock=self.clock)
        self.store.open()
        self.addCleanup(self.store.close)

    def listen(self, target: Any, name: str, listener: Callable[..., None]) -> None:
        event.listen(target, name, listener)
        self.addCleanup(event.remove, target, name, listener)

    def test_statements_of_each_operation(self) -> None:
        """A read is one statement, a node's write one, with its event two, and a write to a node's record also reads the
        lease.
        """
        statements: list[str] = []
        self.listen(Engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        node, kept = self.node(name="a"), self.node()
        port = self.port(node)
        fence = self.lease(node).fence
        many = [fence, *(self.lease(self.node()).fence for _ in range(300))]
        self.store.register_conductor(ConductorRecord("c", "1"))
        new_port = PortRecord(new_uuid(), node.uuid, new_mac())
        connector = VolumeConnectorRecord(new_uuid(), node.uuid, "mac", new_mac())
        operations: list[tuple[int, Callable[[], Any]]] = [
            (2, lambda: self.store.create_node(NodeRecord(uuid=new_uuid()), fence=None)),
            (1, lambda: self.store.node(node.uuid)),
            (1, lambda: self.store.node("a")),
            (1, lambda: self.store.nodes(NodeQuery(limit=1))),
            (1, lambda: self.store.nodes(NodeQuery(limit=1, sort_key="owner"))),
            (2, lambda: self.store.nodes(NodeQuery(limit=1, marker=node.uuid))),
            (1, lambda: self.store.update_node(node.uuid, {"owner": "x"}, fence=fence, revision=0)),
            (1, lambda: self.store.renew_leases(many, duration=60)),
            (1, lambda: self.store.port(port.address)),
            (1, lambda: self.store.ports(Query(where={"node_uuid": node.uuid}))),
            (2, lambda: self.store.create_port(new_port, fence=fence)),
            (2, lambda: self.store.update_port(port.uuid, {"extra": {"a": 1}}, fence=fence)),
            (2, lambda: self.store.delete_port(port.uuid, fence=fence)),
            (1, lambda: self.store.create_record(ChassisRecord(CHASSIS))),
            (1, lambda: self.store.record(ChassisRecord, CHASSIS)),
            (1, lambda: self.store.records(ChassisRecord, Query())),
            (2, lambda: self.store.update_record(ChassisRecord, CHASSIS, {"description": "x"})),
            (3, lambda: self.store.delete_record(ChassisRecord, CHASSIS)),
            (2, lambda: self.store.create_record(connector, fence=fence)),
            (3, lambda: self.store.update_record(VolumeConnectorRecord, connector.uuid, {"type": "ip"}, fence=fence)),
            (3, lambda: self.store.delete_record(VolumeConnectorRecord, connector.uuid, fence=fence)),
            (1, lambda: self.store.shards()),
            (1, lambda: self.store.provision_states()),
            (2, lambda: self.store.update_node(node.uuid, {"provision_state": "x"}, fence=fence)),
            (2, lambda: self.store.update_node(node.uuid, {"power_state": "x", "maintenance": True}, fence=fence)),
            (2, lambda: self.store.release_lease(fence)),
            (2, lambda: self.store.take_lease(node.uuid, holder="c/1", purpose="x", duration=60)),
            (2, lambda: self.store.delete_node(kept.uuid, fence=None)),
            (2, lambda: self.store.outbox.read(START, 10)),
            (1, lambda: self.store.heartbeat("c", "1")),
            (1, lambda: self.store.conductors()),
        ]
        for number, (expected, operation) in enumerate(operations):
            statements.clear()
            operation()
            counted = [statement for statement in statements if not statement.startswith("BEGIN")]
            self.assertEqual(expected, len(counted), (number, counted))

    def test_listeners_change_nothing(self) -> None:
        """Reads and writes have the same results with and without a listener to the statements."""
        node = self.node(name="a", properties={"cpus": 4}, maintenance=True, traits=("CUSTOM_A",), owner="x")
        direct = (self.store.node(node.uuid), self.store.node_version(node.uuid))
        statements: list[str] = []

        def hear(*arguments: Any) -> None:
            statements.append(arguments[2])

        event.listen(Engine, "before_cursor_execute", hear)
        try:
            heard = (self.store.node(node.uuid), self.store.node_version(node.uuid))
            created = self.store.create_node(NodeRecord(uuid=new_uuid(), extra={"a": [1]}), fence=None)
            written = self.store.update_node(node.uuid, {"extra": {"b": None}, "maintenance": False}, fence=None)
        finally:
            event.remove(Engine, "before_cursor_execute", hear)
        self.assertEqual(6, len(statements), statements)
        self.assertEqual(direct, heard)
        self.assertEqual(created, self.store.node(created.uuid))
        self.assertEqual(written, self.store.node(node.uuid))

    def test_without_events_writes_are_one_statement(self) -> None:
        """A store without events writes a node in one statement and stores no event."""
        store = SQLStore(str(self.store.database.url), clock=self.clock, events=False)
        store.open()
        self.addCleanup(store.close)
        node = store.create_node(NodeRecord(uuid=new_uuid()), fence=None)
        statements: list[str] = []
        self.listen(Engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        lease, _ = store.take_lease(node.uuid, holder="c/1", purpose="x", duration=60)
        store.update_node(node.uuid, {"provision_state": "x"}, fence=lease.fence)
        store.release_lease(lease.fence)
        store.delete_node(node.uuid, fence=None)
        self.assertEqual(4, len([statement for statement in statements if not statement.startswith("BEGIN")]), statements)
        self.assertEqual(START, self.store.outbox.head())

    def test_cost_of_a_page_depends_on_its_size(self) -> None:
        """The last page costs the same in small and large fleets, by order of creation, sort key and filter."""
        queries: list[dict[str, Any]] = [
            {},
            {"sort_key": "name"},
            {"sort_key": "owner"},
            {"sort_key": "provision_state"},
            {"where": {"provision_state": "active"}},
            {"where": {"maintenance": True}},
            {"where": {"fault": "power failure"}},
            {"sharded": True},
            {"associated": True},
            {"where": {"provision_state": "active"}, "sharded": False, "associated": False, "include_children": False},
            {"sort_key": "name", "include_children": False},
            {"scope": Scope("p")},
        ]
        self.add_rare_nodes(20)
        self.grow(60)
        small = [self.cost_of_last_page(query) for query in queries]
        self.grow(1500)
        large = [self.cost_of_last_page(query) for query in queries]
        for query, few, many in zip(queries, small, large, strict=True):
            self.assertLess(many, 2 * few + 500, query)

    def test_cost_of_a_sweep_depends_on_its_results(self) -> None:
        """A sweep without results costs the same in small and large fleets, for states, power actions, leases and allocations."""
        sweeps: list[Callable[[], Any]] = [
            lambda: self.store.nodes(NodeQuery(where={"provision_state": ("cleaning", "deploying")}, fields=("uuid",))),
            lambda: self.store.nodes(NodeQuery(where={"target_power_state": "power on"}, fields=("uuid", "driver"))),
            lambda: self.store.expire_leases("nobody/1"),
            lambda: self.store.renew_leases([Fence(new_uuid(), "nobody/1", 1)], duration=60),
            lambda: self.store.records(AllocationRecord, Query(where={"state": "allocating"}, fields=("uuid",))),
        ]
        self.grow(60)
        small = [self.work_of(sweep) for sweep in sweeps]
        self.grow(1500)
        large = [self.work_of(sweep) for sweep in sweeps]
        for number, (few, many) in enumerate(zip(small, large, strict=True)):
            self.assertLess(many, 2 * few + 500, number)

    def work_of(self, operation: Callable[[], Any]) -> int:
        with InstructionCounter() as counted:
            operation()
        return counted.number

    def grow(self, count: int) -> None:
        for number in range(count):
            state = "active" if number % 3 else "error"
            self.node(name=new_uuid(), owner=None if number % 2 else "p", provision_state=state)

    def add_rare_nodes(self, count: int) -> None:
        """Create nodes with rare values."""
        for _ in range(count):
            rare = {"maintenance": True, "fault": "power failure", "shard": "s", "instance_uuid": new_uuid(), "lessee": "p"}
            self.node(name=new_uuid(), provision_state="active", **rare)

    def cost_of_last_page(self, query: dict[str, Any]) -> int:
        """Return the number of instructions of SQLite's virtual machine for the last page in each direction."""
        scope = query.get("scope", Scope.ALL)
        query = {name: value for name, value in query.items() if name != "scope"}
        whole = self.store.nodes(NodeQuery(fields=("uuid",), **query), scope=scope)
        pages = [
            NodeQuery(fields=("uuid",), limit=5, marker=marker, sort_dir=direction, **query)  # type: ignore[arg-type]
            for direction, marker in (("asc", whole[-6].uuid), ("desc", whole[5].uuid))
        ]
        with InstructionCounter() as counted:
            for page in pages:
                self.assertEqual(5, len(self.store.nodes(page, scope=scope)))
        self.assertGreater(counted.number, 0)
        return counted.number


class InstructionCounter:
    """Counts the instructions of SQLite's virtual machine on all connections."""

    def __init__(self) -> None:
        self.number = 0
        self._watched: list[Any] = []

    def __enter__(self) -> Self:
        event.listen(Engine, "before_cursor_execute", self._watch)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, "before_cursor_execute", self._watch)
        for connection in self._watched:
            connection.set_progress_handler(None, 1)

    def _watch(self, _connection: Any, cursor: Any, *_: Any) -> None:
        self._watched.append(cursor.connection)
        cursor.connection.set_progress_handler(self._count, 1)

    def _count(self) -> int:
        self.number += 1
        return 0
