"""Allocations: finding a node that is what somebody asks for, and giving it to nobody else."""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

from baremetal_interfaces import BareMetalError, Conflict, InvalidInput, NodeLocked, NotFound
from baremetal_sdk import states
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.errors import InstanceAssociated, InvalidState, NodeAssociated, NoFreeWorker, RevisionConflict
from baremetal_sdk.provisioning.allocation_links import unlink_changes
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.policy import AllocationRecord
from baremetal_sdk.store.records.query import NodeQuery, Query, Row, Scope
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = logging.getLogger(__name__)

ALLOCATING, ACTIVE, ERROR = "allocating", "active", "error"
_ROUNDS = 5
"""How often nodes are looked for, while those that fit are held by somebody."""
_PAUSE = 1.0
_ATTEMPTS = 5
_REMOVABLE = (
    frozenset(states.STATES)
    - states.WORKING
    - {
        states.ACTIVE,
        states.CLEANWAIT,
        states.DEPLOYWAIT,
        states.RESCUEWAIT,
        states.SERVICEWAIT,
    }
)
"""Provision states in which the allocation of a node may end; in maintenance it may always."""


class Allocations:
    """Finds nodes. That a node is given to one allocation only is in the write: under its lease, and unique."""

    def __init__(self, store: Store, tasks: TaskManager, lane: Lane, holder: str, living: Callable[[], Collection[str]]) -> None:
        self._store = store
        self._tasks = tasks
        self._lane = lane
        self._holder = holder
        self._living = living
        """The holders that live."""

    @rpc_method("1.0")
    def create_allocation(self, values: Mapping[str, Any], node: str | None = None) -> AllocationRecord:
        """Store a wish, and look for a node in the background; with *node*, note that this node is given away already."""
        wish = AllocationRecord(**{"uuid": str(uuid.uuid4()), **values, "conductor": self._holder})
        allocation = self._store.create_record(wish)
        if node is not None:
            return self._backfill(allocation, node)
        try:
            self._lane.submit(self._allocate, allocation.uuid, _ROUNDS)
        except NoFreeWorker:
            self._store.delete_record(AllocationRecord, allocation.uuid)
            raise
        return allocation

    @rpc_method("1.0")
    def delete_allocation(self, allocation: str) -> None:
        """End an allocation; its node is free then. Raises ``InvalidState`` while the node is in use."""
        record = self._store.record(AllocationRecord, allocation)
        if record.node_uuid is None:
            # With the revision: somebody may be finding a node for it at this moment.
            self._store.delete_record(AllocationRecord, record.uuid, revision=record.revision)
            return
        with self._tasks.acquire(record.node_uuid, purpose="deletion of an allocation") as task:
            _refuse_use(task.record, record)
            if task.record.allocation_uuid == record.uuid:
                task.write(**unlink_changes(task.record))
            self._store.delete_record(AllocationRecord, record.uuid)

    def sweep(self) -> None:
        """Go on with the allocations of conductors that died while they looked for a node."""
        alive = {self._holder, *self._living()}
        query = Query(where={"state": ALLOCATING}, fields=("uuid", "conductor", "revision"))
        for row in self._store.records(AllocationRecord, query):
            if row.conductor not in alive:
                self._take_over(row)

    def _take_over(self, row: Row) -> None:
        try:
            self._store.update_record(AllocationRecord, row.uuid, {"conductor": self._holder}, revision=row.revision)
            # Later, as that is tried again where there is no room now: it is ours from here on, and nobody else's.
            self._lane.after(0.0, lambda: self._allocate(row.uuid, _ROUNDS))
        except (RevisionConflict, NotFound):
            LOG.debug("allocation %s is taken care of by somebody else", row.uuid)

    def _allocate(self, allocation: str, rounds: int) -> None:
        """Give the allocation a node; when all that fit are held by somebody, try again in a moment."""
        try:
            wish = self._store.record(AllocationRecord, allocation)
        except NotFound:
            return
        try:
            if not self._found(wish) and rounds > 1:
                self._lane.after(_PAUSE, lambda: self._allocate(allocation, rounds - 1))
                return
            if self._store.record(AllocationRecord, allocation).state == ALLOCATING:
                raise Conflict("all nodes that would do are held by somebody, or were taken meanwhile")
        except NotFound:
            LOG.info("allocation %s was deleted before it had a node", allocation)
        except BareMetalError as exc:
            self._failed(wish, exc.message)
        except Exception:
            LOG.exception("allocation %s failed", allocation)
            self._failed(wish, "an internal error happened; the service's log has it")

    def _found(self, wish: AllocationRecord) -> bool:
        """Whether the search has ended. Raises ``Conflict`` where no node would do."""
        held = self._store.nodes(NodeQuery(where={"instance_uuid": wish.uuid}, fields=("uuid", "allocation_uuid")))
        if held and held[0]["allocation_uuid"] == wish.uuid:
            # Whoever looked before was stopped between the two writes.
            self._settle(wish, held[0]["uuid"])
            return True
        locked = False
        for node in self._candidates(wish):
            try:
                if self._taken(wish, node):
                    return True
            except NodeLocked:
                locked = True
        if not locked:
            raise Conflict("all nodes that would do were taken meanwhile")
        return False

    def _candidates(self, wish: AllocationRecord) -> list[str]:
        """The UUIDs of the nodes that would do, that of the same name first. Raises ``Conflict`` where there is none."""
        where: dict[str, Any] = {
            "resource_class": wish.resource_class,
            "provision_state": states.AVAILABLE,
            "maintenance": False,
            "retired": False,
        }
        if wish.candidate_nodes:
            where["uuid"] = wish.candidate_nodes
        query = NodeQuery(where=where, fields=("uuid", "name", "power_state"), associated=False, traits=wish.traits)
        rows = [row for row in self._store.nodes(query, scope=Scope(wish.owner)) if row["power_state"] is not None]
        if not rows:
            raise Conflict(_nothing_found(wish))
        # In another order each time, so that allocations do not all try the same node first.
        random.shuffle(rows)
        rows.sort(key=lambda row: wish.name is None or row["name"] != wish.name)
        return [row["uuid"] for row in rows]

    def _taken(self, wish: AllocationRecord, node: str) -> bool:
        """Whether this node has become the allocation's."""
        try:
            task = self._tasks.acquire(node, purpose="allocation")
        except NotFound:
            return False
        with task:
            if not _fits(task.record, wish):
                return False
            self._give(task, wish)
        return True

    def _give(self, task: NodeTask, wish: AllocationRecord) -> None:
        given = {"instance_uuid": wish.uuid, "allocation_uuid": wish.uuid}
        task.write(**given, instance_info={**task.record.instance_info, "traits": list(wish.traits)})
        try:
            self._settle(wish, task.record.uuid)
        except NotFound:
            task.write(**unlink_changes(task.record))
            raise

    def _settle(self, wish: AllocationRecord, node: str) -> None:
        changes = {"state": ACTIVE, "node_uuid": node, "last_error": None, "conductor": None}
        self._store.update_record(AllocationRecord, wish.uuid, changes)
        LOG.info("allocation %s has node %s", wish.uuid, node)

    def _failed(self, wish: AllocationRecord, reason: str) -> None:
        LOG.warning("allocation %s: %s", wish.uuid, reason)
        for _ in range(_ATTEMPTS):
            try:
                now = self._store.record(AllocationRecord, wish.uuid)
                if now.state == ALLOCATING:
                    changes = {"state": ERROR, "last_error": reason, "conductor": None}
                    self._store.update_record(AllocationRecord, wish.uuid, changes, revision=now.revision)
                return
            except RevisionConflict:
                continue
            except NotFound:
                return

    def _backfill(self, wish: AllocationRecord, node: str) -> AllocationRecord:
        """Note that a node which is in use belongs to this allocation."""
        try:
            with self._tasks.acquire(node, purpose="allocation") as task:
                _refuse_backfill(task.record, wish)
                self._give(task, wish)
        except BareMetalError as exc:
            self._failed(wish, exc.message)
            raise
        return self._store.record(AllocationRecord, wish.uuid)


def refuse_removal(node: NodeRecord) -> None:
    """Raise ``InvalidState`` while the allocation of a node must not end."""
    if not node.maintenance and node.provision_state not in _REMOVABLE:
        raise InvalidState(
            f"the allocation of node {node.uuid} cannot end while the node is {node.provision_state!r}; "
            "undeploy it first, or put it in maintenance"
        )


def _refuse_use(node: NodeRecord, allocation: AllocationRecord) -> None:
    if node.allocation_uuid == allocation.uuid:
        refuse_removal(node)


def _fits(node: NodeRecord, wish: AllocationRecord) -> bool:
    return (
        node.instance_uuid is None
        and node.provision_state == states.AVAILABLE
        and not node.maintenance
        and not node.retired
        and node.resource_class == wish.resource_class
        and set(wish.traits) <= set(node.traits)
        and (not wish.candidate_nodes or node.uuid in wish.candidate_nodes)
        and (wish.owner is None or wish.owner in (node.owner, node.lessee))
    )


def _refuse_backfill(node: NodeRecord, wish: AllocationRecord) -> None:
    if node.instance_uuid not in (None, wish.uuid):
        raise NodeAssociated(f"node {node.uuid} carries instance {node.instance_uuid}, and the allocation is {wish.uuid}")
    if node.allocation_uuid not in (None, wish.uuid):
        raise InstanceAssociated(f"node {node.uuid} belongs to allocation {node.allocation_uuid}")
    problems = []
    if node.provision_state != states.ACTIVE:
        problems.append(f"the node is {node.provision_state!r}, and only one that is 'active' is in use")
    if wish.resource_class and node.resource_class != wish.resource_class:
        problems.append(f"its resource class is {node.resource_class!r} and not {wish.resource_class!r}")
    if not set(wish.traits) <= set(node.traits):
        problems.append(f"it lacks traits: {', '.join(sorted(set(wish.traits) - set(node.traits)))}")
    if wish.candidate_nodes and node.uuid not in wish.candidate_nodes:
        problems.append("it is not among candidate_nodes")
    if problems:
        raise InvalidInput(f"node {node.uuid} cannot be noted as allocated: " + "; ".join(problems))


def _nothing_found(wish: AllocationRecord) -> str:
    among = f" among the {len(wish.candidate_nodes)} candidates" if wish.candidate_nodes else ""
    traits = f" with traits {', '.join(wish.traits)}" if wish.traits else ""
    return f"no available node of resource class {wish.resource_class}{traits} was found{among}"
