"""Provisioning: what clients ask of a node's provision state, and the way there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import Conflict, InvalidInput, Kind, Phase
from baremetal_sdk import states
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.errors import InvalidStateRequested, NodeInMaintenance, NodeProtected, NoFreeWorker
from baremetal_sdk.provisioning import rescue, steps, templates_and_runbooks, transitions
from baremetal_sdk.provisioning.resuming import StepResumer
from baremetal_sdk.provisioning.state_handlers import StateHandlers, Work
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

_NEEDED: Mapping[str, tuple[Kind, ...]] = {
    "manage": (Kind.POWER, Kind.MANAGEMENT),
    "inspect": (Kind.POWER, Kind.INSPECT),
    "provide": (Kind.POWER,),
    "clean": (Kind.POWER,),
    "deploy": (Kind.POWER, Kind.MANAGEMENT, Kind.BOOT, Kind.DEPLOY),
    "rebuild": (Kind.POWER, Kind.MANAGEMENT, Kind.BOOT, Kind.DEPLOY),
    "delete": (Kind.POWER,),
    "adopt": (Kind.POWER,),
    "service": (Kind.POWER,),
    "rescue": (Kind.POWER, Kind.MANAGEMENT, Kind.BOOT, Kind.RESCUE),
    "unrescue": (Kind.POWER, Kind.MANAGEMENT, Kind.BOOT, Kind.RESCUE),
}
"""Event -> the interfaces whose information has to be right before it."""

_NOT_IN_MAINTENANCE = frozenset({"deploy", "rebuild", "provide", "rescue", "unrescue"})
_BY_STEPS: Mapping[str, Phase] = {"clean": Phase.CLEAN, "service": Phase.SERVICE}
_NOT_WHEN_PROTECTED = frozenset({"rebuild", "delete"})


class Provisioning:
    """The verbs of ``states/provision``."""

    def __init__(self, store: Store, tasks: TaskManager, lane: Lane, works: StateHandlers, resuming: StepResumer) -> None:
        self._store = store
        self._tasks = tasks
        self._lane = lane
        self._works = works
        self._resuming = resuming

    @rpc_method("1.0")
    def change_provision_state(self, node: str, verb: str, arguments: Mapping[str, Any] | None = None) -> None:
        """Enter the state that *verb* leads to; its work goes on in the background.

        What is wrong with the node for it is told at once, in the error and as the node's ``last_error``.
        """
        event, goal = _parsed(verb)
        with self._tasks.acquire(node, purpose=f"provisioning: {verb}") as task:
            before = task.record
            after = self._allowed(before, verb, event)
            try:
                task.validate(*_NEEDED.get(event, ()))
                changes = self._prepared(task, event, arguments or {})
            except InvalidInput as exc:
                task.write(last_error=f"{verb}: {exc.message}")
                raise
            if event == "abort":
                self._works.abort(task, after)
                return
            if event == "unhold":
                transitions.enter(task, after, before.target_provision_state, last=True)
                self._resuming.resume_now(task.record)
                return
            begin = self._works.of(after, before.provision_state)
            transitions.enter(task, after, goal, last=begin is None, **changes)
            if begin is not None:
                self._hand_over(task, before, begin)

    def _hand_over(self, task: NodeTask, before: NodeRecord, begin: Work) -> None:
        try:
            task.run_in_background(self._lane, begin)
        except NoFreeWorker:
            transitions.restore(task, before)
            raise

    def _allowed(self, record: NodeRecord, verb: str, event: str) -> str:
        after = states.next_state(record.provision_state, event)
        if after is None or not self._works.knows(event, after):
            allowed = ", ".join(one for one in states.allowed_verbs(record.provision_state)) or "none"
            raise InvalidStateRequested(
                f"target: '{verb}' cannot be done while node {record.uuid} is '{record.provision_state}'; allowed now: {allowed}"
            )
        if record.maintenance and event in _NOT_IN_MAINTENANCE:
            raise NodeInMaintenance(f"target: node {record.uuid} is in maintenance; '{verb}' needs it out of maintenance")
        if record.protected and event in _NOT_WHEN_PROTECTED:
            raise NodeProtected(f"target: node {record.uuid} is protected; unset 'protected' before '{verb}'")
        if record.retired and event == "provide":
            raise Conflict(f"target: node {record.uuid} is retired; unset 'retired' before '{verb}'")
        return after

    def _prepared(self, task: NodeTask, event: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The further changes with which the new state is entered."""
        if event in _BY_STEPS:
            phase = _BY_STEPS[event]
            if "runbook" in arguments:
                arguments = templates_and_runbooks.runbook_arguments(self._store, task.record, arguments, phase)
            entries = steps.resolve_requested_steps(task.driver, phase, arguments.get(f"{phase}_steps") or ())
            return steps.start_run_changes(phase, entries, ramdisk=not arguments.get("disable_ramdisk"))
        if event == "rescue":
            return rescue.start_changes(task, arguments.get("rescue_password"))
        if event in ("deploy", "rebuild"):
            return self._prepared_deployment(task, arguments)
        if event == "manage" and task.record.fault == transitions.CLEAN_FAILURE:
            return {"maintenance": False, "maintenance_reason": None, "fault": None}
        return {}

    def _prepared_deployment(self, task: NodeTask, arguments: Mapping[str, Any]) -> dict[str, Any]:
        # What the client gives comes last: it overrides what templates say of the same step.
        wanted = [*templates_and_runbooks.template_steps(self._store, task.record), *(arguments.get("deploy_steps") or ())]
        entries = steps.merge_steps(task.driver, Phase.DEPLOY, wanted)
        if not entries:
            raise InvalidInput(
                f"deploy_interface: {task.record.deploy_interface!r} declares no deploy step, so nothing can be deployed"
            )
        changes = steps.start_run_changes(Phase.DEPLOY, entries)
        if arguments.get("configdrive") is not None:
            changes["instance_info"] = {**task.record.instance_info, "configdrive": arguments["configdrive"]}
        return changes


def _parsed(verb: str) -> tuple[str, str | None]:
    try:
        return states.VERBS[verb]
    except KeyError:
        raise InvalidInput(f"target: {verb!r} is not known; it has to be one of {', '.join(sorted(states.VERBS))}") from None
