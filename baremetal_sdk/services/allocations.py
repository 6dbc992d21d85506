"""RPC methods for allocations. An allocation finds a free node with requested properties and reserves it for one instance.

An allocation and its node are two records, so two writes link them: first the node, under its lease, then the allocation. A
conductor that dies between them leaves a node that names the allocation. The next search for that allocation finds the node
and completes the link.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

from baremetal_interfaces import BareMetalError, Conflict, InvalidInput, NodeLocked, NotFound
from baremetal_sdk import states
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.errors import (
    InstanceAssociated,
    NodeAssociated,
    NoFreeWorker,
    RevisionConflict,
    StoreUnavailable,
)
from baremetal_sdk.logs import get_logger
from baremetal_sdk.provisioning.allocation_links import unlink_changes
from baremetal_sdk.rpc.argument_types import check_fields
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.short_work import ALLOCATION, ALLOCATION_DELETION, acquire_after_short_work
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.policy import AllocationRecord
from baremetal_sdk.store.records.query import NodeQuery, Query, Row, Scope
from baremetal_sdk.store.revisions import retry_on_revision_conflict
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager
from baremetal_sdk.update_rules.rules import Change
from baremetal_sdk.update_rules.table import ALLOCATION_DELETE

LOG = get_logger(__name__)

ALLOCATING, ACTIVE, ERROR = "allocating", "active", "error"
_MAX_SEARCHES = 5
"""Maximum number of searches for a node while all suitable nodes are locked."""
_SEARCH_INTERVAL_S = 1.0
"""Seconds between two searches of an allocation."""


class Allocations:
    """RPC service that creates and deletes allocations, and searches for their nodes in the background.

    A node belongs to one allocation only, because the reservation happens under the node's lease. *holder* is the lease holder
    name of this conductor. *living* returns the holder names of all conductors that are alive.
    """

    def __init__(self, store: Store, tasks: TaskManager, lane: Lane, holder: str, living: Callable[[], Collection[str]]) -> None:
        self._store = store
        self._tasks = tasks
        self._lane = lane
        self._holder = holder
        self._living = living

    @rpc_method("1.0")
    def create_allocation(self, values: Mapping[str, Any], node: str | None = None) -> AllocationRecord:
        """Store an allocation and return it.

        Without *node*, search for a node in the background. The result, or the error, is in the record later. With *node*, link
        the allocation to this active node at once, and raise errors of the link. Raises ``NoFreeWorker`` if the search
        cannot start; the allocation is then deleted again.
        """
        check_fields(AllocationRecord, values, complete=True)
        record = AllocationRecord(**{"uuid": str(uuid.uuid4()), **values, "conductor": self._holder})
        allocation = self._store.create_record(record)
        if node is not None:
            return self._backfill(allocation, node)
        try:
            self._lane.submit(self._allocate, allocation.uuid, _MAX_SEARCHES)
        except NoFreeWorker:
            self._store.delete_record(AllocationRecord, allocation.uuid)
            raise
        return allocation

    @rpc_method("1.0")
    def delete_allocation(self, allocation: str) -> None:
        """Delete an allocation and the link of its node to it. Raises ``InvalidState`` while the node is in use.

        A search for the allocation may change it, or hold its node for a moment. That is no conflict of the client.
        """
        retry_on_revision_conflict(lambda: self._delete(allocation))

    def _delete(self, allocation: str) -> None:
        record = self._store.record(AllocationRecord, allocation)
        if record.node_uuid is None:
            # On the condition of the revision: a search may be linking a node to it at this moment.
            self._store.delete_record(AllocationRecord, record.uuid, revision=record.revision)
            return
        with acquire_after_short_work(self._tasks, record.node_uuid, ALLOCATION_DELETION) as task:
            _refuse_if_in_use(task.record, record)
            if task.record.allocation_uuid == record.uuid:
                task.write(**unlink_changes(task.record))
            self._store.delete_record(AllocationRecord, record.uuid)

    def sweep(self) -> None:
        """Take over and continue the searches of allocations whose conductor is no longer alive."""
        alive = {self._holder, *self._living()}
        query = Query(where={"state": ALLOCATING}, fields=("uuid", "conductor", "revision"))
        for row in self._store.records(AllocationRecord, query):
            if row.conductor not in alive:
                self._take_over(row)

    def _take_over(self, row: Row) -> None:
        """Make this conductor the one that searches for an allocation, and start the search.

        Do nothing if the allocation was deleted or another conductor was faster.
        """
        try:
            self._store.update_record(AllocationRecord, row.uuid, {"conductor": self._holder}, revision=row.revision)
            # By the timer of the lane, which retries while the lane is full. The allocation is now this conductor's, so no
            # other one would continue it.
            self._lane.after(0.0, lambda: self._allocate(row.uuid, _MAX_SEARCHES))
        except (RevisionConflict, NotFound):
            LOG.debug("allocation %s was deleted or taken over by another conductor", row.uuid)

    def _allocate(self, allocation: str, searches: int) -> None:
        """Search for a node for the allocation and link both. Store an error in the allocation if none is found.

        While all suitable nodes are locked, a timer repeats the search. *searches* counts this search and the remaining ones.
        """
        try:
            self._try_allocate(allocation, searches)
        except StoreUnavailable as exc:
            # Nothing is wrong with the allocation, and a restarted search finds what this one has written.
            LOG.debug("allocation %s waits for the store: %s", allocation, exc)
            self._lane.after(_SEARCH_INTERVAL_S, lambda: self._allocate(allocation, searches))

    def _try_allocate(self, allocation: str, searches: int) -> None:
        try:
            record = self._store.record(AllocationRecord, allocation)
        except NotFound:
            return
        try:
            if not self._search(record) and searches > 1:
                self._lane.after(_SEARCH_INTERVAL_S, lambda: self._allocate(allocation, searches - 1))
                return
            if self._store.record(AllocationRecord, allocation).state == ALLOCATING:
                raise Conflict("all suitable nodes are locked or were allocated meanwhile; create the allocation again later")
        except NotFound:
            LOG.info("allocation %s was deleted before a node was found", allocation)
        except StoreUnavailable:
            raise
        except BareMetalError as exc:
            self._fail(record, exc.message)
        except Exception:
            LOG.exception("allocation %s failed", allocation)
            self._fail(record, "internal error; see the log of the conductor")

    def _search(self, allocation: AllocationRecord) -> bool:
        """Try all suitable nodes, and link the first one that is free. Return whether the allocation has a node now.

        False means that locked nodes are left, so a later search may succeed. Raises ``Conflict`` if no suitable node is left.
        """
        held = self._store.nodes(NodeQuery(where={"instance_uuid": allocation.uuid}, fields=("uuid", "allocation_uuid")))
        if held and held[0]["allocation_uuid"] == allocation.uuid:
            # An earlier search died between its two writes.
            self._activate(allocation, held[0]["uuid"])
            return True
        has_locked = False
        for node in self._candidates(allocation):
            try:
                if self._try_node(allocation, node):
                    return True
            except NodeLocked:
                has_locked = True
        if not has_locked:
            raise Conflict("all suitable nodes were allocated meanwhile; create the allocation again later")
        return False

    def _candidates(self, allocation: AllocationRecord) -> list[str]:
        """Return the UUIDs of suitable nodes in random order; a node with the name of the allocation comes first.

        Raises ``Conflict`` if no node is suitable.
        """
        where: dict[str, Any] = {
            "resource_class": allocation.resource_class,
            "provision_state": states.AVAILABLE,
            "maintenance": False,
            "retired": False,
        }
        if allocation.candidate_nodes:
            where["uuid"] = allocation.candidate_nodes
        query = NodeQuery(where=where, fields=("uuid", "name", "power_state"), associated=False, traits=allocation.traits)
        rows = [row for row in self._store.nodes(query, scope=Scope(allocation.owner)) if row["power_state"] is not None]
        if not rows:
            raise Conflict(_describe_failure(allocation))
        # In random order, so that simultaneous allocations do not all try the same node first.
        random.shuffle(rows)
        rows.sort(key=lambda row: allocation.name is None or row["name"] != allocation.name)
        return [row["uuid"] for row in rows]

    def _try_node(self, allocation: AllocationRecord, node: str) -> bool:
        """Acquire the node and link it to the allocation if it is still suitable. Return whether it was.

        Raises ``NodeLocked`` if a task holds the node.
        """
        try:
            task = self._tasks.acquire(node, purpose=ALLOCATION)
        except NotFound:
            return False
        with task:
            if not _fits(task.record, allocation):
                return False
            self._link(task, allocation)
        return True

    def _link(self, task: NodeTask, allocation: AllocationRecord) -> None:
        """Link the task's node and the allocation: write the node, and then the allocation.

        Raises ``NotFound``, with the node free again, if the allocation was deleted.
        """
        info = {**task.record.instance_info, "traits": list(allocation.traits)}
        task.write(instance_uuid=allocation.uuid, allocation_uuid=allocation.uuid, instance_info=info)
        try:
            self._activate(allocation, task.record.uuid)
        except NotFound:
            # A client deleted the allocation meanwhile.
            task.write(**unlink_changes(task.record))
            raise

    def _activate(self, allocation: AllocationRecord, node: str) -> None:
        changes = {"state": ACTIVE, "node_uuid": node, "last_error": None, "conductor": None}
        self._store.update_record(AllocationRecord, allocation.uuid, changes)
        LOG.info("allocation %s: node %s was allocated", allocation.uuid, node)

    def _fail(self, allocation: AllocationRecord, reason: str) -> None:
        """Store *reason* as the error of the allocation, unless it has a node, has failed, or was deleted."""
        LOG.warning("allocation %s failed: %s", allocation.uuid, reason)

        def store_error() -> None:
            present = self._store.record(AllocationRecord, allocation.uuid)
            if present.state == ALLOCATING:
                changes = {"state": ERROR, "last_error": reason, "conductor": None}
                self._store.update_record(AllocationRecord, allocation.uuid, changes, revision=present.revision)

        try:
            retry_on_revision_conflict(store_error)
        except (RevisionConflict, NotFound):
            LOG.debug("allocation %s: its error was not stored, because it changed or was deleted", allocation.uuid)

    def _backfill(self, allocation: AllocationRecord, node: str) -> AllocationRecord:
        """Link a new allocation to an active *node* and return it. Store and raise the error if the node does not fit."""
        try:
            with acquire_after_short_work(self._tasks, node, ALLOCATION) as task:
                _refuse_backfill(task.record, allocation)
                self._link(task, allocation)
        except BareMetalError as exc:
            self._fail(allocation, exc.message)
            raise
        return self._store.record(AllocationRecord, allocation.uuid)


def _refuse_if_in_use(node: NodeRecord, allocation: AllocationRecord) -> None:
    # A node that names another allocation does not keep this one from being deleted.
    if node.allocation_uuid == allocation.uuid:
        ALLOCATION_DELETE.check(Change(node=node, record=allocation))


def _fits(node: NodeRecord, allocation: AllocationRecord) -> bool:
    """Return whether the node, read under its lease, is still suitable. The search read it without the lease."""
    return (
        node.instance_uuid is None
        and node.provision_state == states.AVAILABLE
        and not node.maintenance
        and not node.retired
        and node.resource_class == allocation.resource_class
        and set(allocation.traits) <= set(node.traits)
        and (not allocation.candidate_nodes or node.uuid in allocation.candidate_nodes)
        and (allocation.owner is None or allocation.owner in (node.owner, node.lessee))
    )


def _refuse_backfill(node: NodeRecord, allocation: AllocationRecord) -> None:
    """Raise an error unless the node is active and fits the allocation that a client creates for it."""
    if node.instance_uuid not in (None, allocation.uuid):
        raise NodeAssociated(
            f"node {node.uuid} has instance {node.instance_uuid}, which is not allocation {allocation.uuid}; choose another node"
        )
    if node.allocation_uuid not in (None, allocation.uuid):
        raise InstanceAssociated(f"node {node.uuid} belongs to allocation {node.allocation_uuid}; choose another node")
    problems = []
    if node.provision_state != states.ACTIVE:
        problems.append(f"its state is {node.provision_state!r} and not 'active'")
    if allocation.resource_class and node.resource_class != allocation.resource_class:
        problems.append(f"its resource class is {node.resource_class!r} and not {allocation.resource_class!r}")
    if not set(allocation.traits) <= set(node.traits):
        problems.append(f"it lacks traits: {', '.join(sorted(set(allocation.traits) - set(node.traits)))}")
    if allocation.candidate_nodes and node.uuid not in allocation.candidate_nodes:
        problems.append("it is not among candidate_nodes")
    if problems:
        raise InvalidInput(f"node {node.uuid} cannot be linked to the allocation: " + "; ".join(problems))


def _describe_failure(allocation: AllocationRecord) -> str:
    among = f" among the {len(allocation.candidate_nodes)} candidates" if allocation.candidate_nodes else ""
    traits = f" with traits {', '.join(allocation.traits)}" if allocation.traits else ""
    # Clients match the beginning of this text.
    return f"no available nodes match the resource class {allocation.resource_class}{traits}{among}"
