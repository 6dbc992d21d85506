"""Agents on machines: they look for their node, say that they live, and report what the machine is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from baremetal_interfaces import MASK, Conflict, InvalidInput, NodeLocked, NotFound, Problem
from baremetal_sdk import states
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.provisioning import agent_inventory, steps
from baremetal_sdk.provisioning.state_handlers import StateHandlers
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.tasks import agent_info
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager


class AgentLookup(TypedDict):
    """A node as its agent finds it, and the token for the agent: a mask where it was given one before."""

    node: NodeRecord
    token: str


class Heartbeat(TypedDict, total=False):
    """What an agent says of itself."""

    callback_url: str
    agent_version: str | None
    agent_token: str
    agent_verify_ca: str | None
    agent_status: str | None
    agent_status_message: str | None


class Agents:
    """What agents ask. They are known by nothing but their token, so that refusals tell them little."""

    def __init__(self, store: Store, tasks: TaskManager, lane: Lane, handlers: StateHandlers) -> None:
        self._store = store
        self._tasks = tasks
        self._lane = lane
        self._handlers = handlers

    @rpc_method("1.0")
    def lookup_node(self, addresses: Sequence[str], node: str | None = None) -> AgentLookup:
        """Find the node of an agent, by UUID or by MAC addresses. The first one who asks gets its token."""
        record = self._found(addresses, node)
        if record.provision_state not in agent_info.AGENT_STATES:
            raise _not_found()
        return self._met(record)

    @rpc_method("1.0")
    def heartbeat(self, node: str, beat: Heartbeat) -> None:
        """Take note that an agent lives; go on with the run that waits for it."""
        record = self._store.node(node)
        _check_heartbeat(record, beat)
        try:
            task = self._tasks.acquire(node, purpose="heartbeat of the agent")
        except NodeLocked:
            if agent_info.URL in record.driver_internal_info:
                return
            raise
        with task:
            _check_heartbeat(task.record, beat)
            info = {**task.record.driver_internal_info, **_noted(task, beat)}
            if not _waits_for_agent(task.record):
                task.finish(driver_internal_info=info)
                return
            task.write(driver_internal_info=info)
            task.run_in_background(self._lane, self._handlers.resume)

    @rpc_method("1.0")
    def continue_inspection(
        self, addresses: Sequence[str], inventory: Mapping[str, Any], plugin_data: Mapping[str, Any], node: str | None = None
    ) -> AgentLookup:
        """End an inspection that waits for its agent with what the agent found; it is stored in the background."""
        record = self._found(addresses, node)
        if record.provision_state != states.INSPECTWAIT:
            raise _not_found()
        problem = plugin_data.get("error")
        found = agent_inventory.parse_inventory(inventory)
        with self._tasks.acquire(record.uuid, purpose="what the agent found") as task:
            if task.record.provision_state != states.INSPECTWAIT:
                raise Conflict(f"node {record.uuid} no longer waits for what an inspection finds")
            met = self._given_token(task) if not agent_info.has_token(task.record) else AgentLookup(node=task.record, token=MASK)
            self._handlers.resume_inspection(
                task, self._lane, found, dict(plugin_data), None if problem is None else str(problem)
            )
        return met

    def _met(self, record: NodeRecord) -> AgentLookup:
        if agent_info.has_token(record):
            return AgentLookup(node=record, token=MASK)
        with self._tasks.acquire(record.uuid, purpose="a token for the agent") as task:
            if agent_info.has_token(task.record):
                return AgentLookup(node=task.record, token=MASK)
            return self._given_token(task)

    def _given_token(self, task: NodeTask) -> AgentLookup:
        token = agent_info.new_token()
        record = task.write(
            driver_internal_info={**task.record.driver_internal_info, agent_info.TOKEN: agent_info.hash_token(token)}
        )
        return AgentLookup(node=record, token=token)

    def _found(self, addresses: Sequence[str], node: str | None) -> NodeRecord:
        try:
            if node is not None:
                return self._store.node(node)
            return self._store.node(self._node_with(addresses))
        except NotFound:
            raise _not_found() from None

    def _node_with(self, addresses: Iterable[str]) -> str:
        query = Query(where={"address": tuple(addresses)}, fields=("node_uuid",))
        nodes = {row.node_uuid for row in self._store.ports(query)}
        if len(nodes) != 1:
            raise _not_found()
        return str(nodes.pop())


def _not_found() -> NotFound:
    """One refusal for all reasons: who asks may be anybody."""
    return NotFound("no node that expects an agent was found")


def _check_heartbeat(record: NodeRecord, beat: Heartbeat) -> None:
    if not agent_info.matches_token(record, beat["agent_token"]):
        raise InvalidInput([Problem("agent_token", "it is not that of this node", "give the one that the lookup gave")])
    known = record.driver_internal_info.get(agent_info.URL)
    if known is not None and known != beat["callback_url"]:
        raise InvalidInput([Problem("callback_url", "it is not the one from before", "an agent keeps its address")])


def _noted(task: NodeTask, beat: Heartbeat) -> dict[str, Any]:
    said = {
        agent_info.URL: beat["callback_url"],
        agent_info.VERSION: beat.get("agent_version"),
        agent_info.LAST_HEARTBEAT: task.clock.now().isoformat(),
        agent_info.VERIFY_CA: beat.get("agent_verify_ca"),
        agent_info.STATUS: beat.get("agent_status"),
        agent_info.STATUS_MESSAGE: beat.get("agent_status_message"),
    }
    return {name: value for name, value in said.items() if value is not None}


def _waits_for_agent(record: NodeRecord) -> bool:
    """Whether the node's run waits for an event: neither for its time to be polled, nor for a client."""
    waiting = steps.current_wait(record)
    if waiting is None or record.provision_state not in states.WAITING:
        return False
    return waiting.poll_after is None and not waiting.held
