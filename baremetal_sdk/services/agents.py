"""RPC methods for requests of agents: lookup of their node, heartbeats, and the results of an inspection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from baremetal_interfaces import MASK, Conflict, InvalidInput, NodeLocked, NotFound, Problem
from baremetal_sdk import states
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.errors import wrong_agent_token_error
from baremetal_sdk.provisioning import agent_inventory, bmc_addresses, steps
from baremetal_sdk.provisioning.inspection_limits import require_json
from baremetal_sdk.provisioning.state_handlers import StateHandlers
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import NodeQuery, Query
from baremetal_sdk.tasks import agent_info
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager


class AgentLookup(TypedDict):
    """Answer to the lookup of an agent: its node, and its token, or a mask if an agent of the node already has a token."""

    node: NodeRecord
    token: str


class AgentIdentity(TypedDict):
    """Values that every heartbeat has: the address and the token of the agent."""

    callback_url: str
    agent_token: str


class Heartbeat(AgentIdentity, total=False):
    """Values that an agent sends in a heartbeat: its address and token, and optionally its version, certificate and status."""

    agent_version: str | None
    agent_verify_ca: str | None
    agent_status: str | None
    agent_status_message: str | None


class Agents:
    """RPC service for agents. Lookups are not authenticated, so their errors contain no information about nodes."""

    def __init__(self, store: Store, tasks: TaskManager, lane: Lane, handlers: StateHandlers) -> None:
        self._store = store
        self._tasks = tasks
        self._lane = lane
        self._handlers = handlers

    @rpc_method("1.0")
    def lookup_node(self, addresses: Sequence[str], node: str | None = None) -> AgentLookup:
        """Return the node of an agent, found by UUID *node*, or else by its MAC addresses.

        The first lookup creates and returns a token for the agent; later ones return a mask in its place. Raises ``NotFound`` if
        no node matches, or if the node is in no state in which it expects an agent.
        """
        record = self._find_node(addresses, node)
        if record.provision_state not in agent_info.AGENT_STATES:
            raise _not_found()
        return self._look_up(record)

    @rpc_method("1.0")
    def heartbeat(self, node: str, beat: Heartbeat) -> None:
        """Store the agent's address and status on its node. If the node's run waits for an event, continue it in the background.

        Raises ``InvalidInput`` for a wrong token and for a changed address. While a task holds the node, the heartbeat is
        ignored. Only the first one of an agent then raises ``NodeLocked``, so that the agent sends it again.
        """
        record = self._store.node(node)
        _check_heartbeat(record, beat)
        try:
            task = self._tasks.acquire(node, purpose="heartbeat of the agent")
        except NodeLocked:
            # A task works on the node. That is the usual case while a step runs, and the heartbeat brings no news. Only the
            # first one must not be lost: without the agent's address, its step cannot start.
            if agent_info.URL in record.driver_internal_info:
                return
            raise
        with task:
            # The record was read without the lease, and may have changed since, together with the agent.
            _check_heartbeat(task.record, beat)
            info = {**task.record.driver_internal_info, **_heartbeat_info(task, beat)}
            if not _waits_for_agent(task.record):
                task.finish(driver_internal_info=info)
                return
            task.write(driver_internal_info=info)
            task.run_in_background(self._lane, self._handlers.resume)

    @rpc_method("1.0")
    def continue_inspection(
        self, addresses: Sequence[str], inventory: Mapping[str, Any], plugin_data: Mapping[str, Any], node: str | None = None
    ) -> AgentLookup:
        """Continue an inspection that waits for its agent with the agent's *inventory* and *plugin_data*.

        The node is found by its UUID *node*, by MAC addresses or by the BMC addresses of the inventory. All that are known must
        lead to the same node. Return the node and the agent's token, as :meth:`lookup_node`; the results are stored in the
        background. Raises ``NotFound`` if no matching node waits for inspection results.
        """
        # Before the search: an error about the inventory must not tell that a node waits.
        found = agent_inventory.parse_inventory(inventory)
        require_json(plugin_data, "plugin_data")
        record = self._find_inspected_node(addresses, bmc_addresses.parse_reported(inventory), node)
        problem = plugin_data.get("error")
        with self._tasks.acquire(record.uuid, purpose="results of the agent's inspection") as task:
            if task.record.provision_state != states.INSPECTWAIT:
                raise Conflict(f"node {record.uuid} no longer waits for inspection results; start the inspection again")
            lookup = self._get_or_issue_token(task)
            reason = None if problem is None else str(problem)
            self._handlers.resume_inspection(task, self._lane, found, dict(plugin_data), reason)
        return lookup

    def _look_up(self, record: NodeRecord) -> AgentLookup:
        if agent_info.has_token(record):
            return AgentLookup(node=record, token=MASK)
        with self._tasks.acquire(record.uuid, purpose="token for the agent") as task:
            return self._get_or_issue_token(task)

    def _get_or_issue_token(self, task: NodeTask) -> AgentLookup:
        # Checked under the lease, because only one of two simultaneous lookups may get a token.
        if agent_info.has_token(task.record):
            return AgentLookup(node=task.record, token=MASK)
        token = agent_info.new_token()
        info = {**task.record.driver_internal_info, agent_info.TOKEN: agent_info.hash_token(token)}
        return AgentLookup(node=task.write(driver_internal_info=info), token=token)

    def _find_node(self, addresses: Sequence[str], node: str | None) -> NodeRecord:
        try:
            if node is not None:
                return self._store.node(node)
            return self._store.node(self._find_node_by_ports(addresses))
        except NotFound:
            raise _not_found() from None

    def _find_inspected_node(self, addresses: Sequence[str], bmc: frozenset[str], node: str | None) -> NodeRecord:
        """Return the node in ``inspect wait`` to which all hints lead. Raises ``NotFound`` without a reason, also for conflicts.

        Hints that lead to no node are ignored: a machine may have ports, and a BMC, that nobody has entered.
        """
        hints = [{node}] if node is not None else []
        owners = self._list_owners(addresses)
        hints += [found for found in (owners, self._list_inspected_with(bmc)) if found]
        common = set.intersection(*hints) if hints else set()
        # Several nodes may have one BMC, such as that of a chassis. The ports of one machine belong to one node.
        if len(common) != 1 or len(owners) > 1:
            raise _not_found()
        try:
            record = self._store.node(common.pop())
        except NotFound:
            raise _not_found() from None
        if record.provision_state != states.INSPECTWAIT:
            raise _not_found()
        return record

    def _find_node_by_ports(self, addresses: Iterable[str]) -> str:
        nodes = self._list_owners(addresses)
        if len(nodes) != 1:
            raise _not_found()
        return nodes.pop()

    def _list_owners(self, addresses: Iterable[str]) -> set[str]:
        """Return the UUIDs of the nodes with ports of the MAC *addresses*."""
        query = Query(where={"address": tuple(addresses)}, fields=("node_uuid",))
        return {str(row.node_uuid) for row in self._store.ports(query)}

    def _list_inspected_with(self, bmc: frozenset[str]) -> set[str]:
        """Return the UUIDs of the nodes that wait for inspection results and whose BMC has one of the addresses *bmc*."""
        if not bmc:
            return set()
        query = NodeQuery(where={"provision_state": states.INSPECTWAIT}, fields=("uuid", "driver_internal_info"))
        rows = self._store.nodes(query)
        return {str(row.uuid) for row in rows if not bmc.isdisjoint(row.driver_internal_info.get(agent_info.BMC_ADDRESSES, ()))}


def _not_found() -> NotFound:
    """Return the error of a failed lookup. It is the same for all causes, because the caller is not authenticated."""
    return NotFound("no node that expects an agent was found")


def _check_heartbeat(record: NodeRecord, beat: Heartbeat) -> None:
    if not agent_info.matches_token(record, beat["agent_token"]):
        raise wrong_agent_token_error()
    url = record.driver_internal_info.get(agent_info.URL)
    if url is not None and url != beat["callback_url"]:
        raise InvalidInput([Problem("callback_url", "differs from the previous one", "an agent must keep its address")])


def _heartbeat_info(task: NodeTask, beat: Heartbeat) -> dict[str, Any]:
    """Return the entries of ``driver_internal_info`` that a heartbeat sets. Values that the agent did not send are omitted."""
    info = {
        agent_info.URL: beat["callback_url"],
        agent_info.VERSION: beat.get("agent_version"),
        agent_info.LAST_HEARTBEAT: task.clock.now().isoformat(),
        agent_info.VERIFY_CA: beat.get("agent_verify_ca"),
        agent_info.STATUS: beat.get("agent_status"),
        agent_info.STATUS_MESSAGE: beat.get("agent_status_message"),
    }
    return {name: value for name, value in info.items() if value is not None}


def _waits_for_agent(record: NodeRecord) -> bool:
    """Return whether the node's run waits for an event, and not for its next poll or for a client."""
    waiting = steps.current_wait(record)
    if waiting is None or record.provision_state not in states.WAITING:
        return False
    return waiting.poll_after is None and not waiting.held
