"""RPC method for the requests of clients to change a node's provision state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import Conflict, InvalidInput, Phase
from baremetal_sdk import states
from baremetal_sdk.concurrency.pool import Lane
from baremetal_sdk.errors import InvalidStateRequested, NodeInMaintenance, NodeProtected, NoFreeWorker, StoreUnavailable
from baremetal_sdk.logs import get_logger
from baremetal_sdk.provisioning import rescue, steps, templates_and_runbooks, transitions
from baremetal_sdk.provisioning.resuming import StepResumer
from baremetal_sdk.provisioning.state_handlers import StateHandlers, check_automated_cleaning
from baremetal_sdk.provisioning.step_entry import StepRequest
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.store.large_values import LargeValues, delete_replaced, is_reference
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

LOG = get_logger(__name__)


class Provisioning:
    """RPC service that starts the work of provisioning verbs, such as ``clean`` and ``deploy``."""

    def __init__(self, store: Store, tasks: TaskManager, lane: Lane, handlers: StateHandlers, resumer: StepResumer) -> None:
        self._store = store
        self._tasks = tasks
        self._lane = lane
        self._handlers = handlers
        self._resumer = resumer

    @rpc_method("1.0")
    def change_provision_state(self, node: str, verb: str, arguments: Mapping[str, Any] | None = None) -> None:
        """Enter the provision state to which *verb* leads, and start the work of that state in the background.

        Raises an error at once if the node's state or a mark forbids the verb, and ``InvalidInput`` for invalid settings and
        *arguments*; the node is then unchanged. ``last_error`` only has errors of work that was accepted. Raises
        ``NoFreeWorker`` if the work cannot start; the node then has its previous state again.
        """
        requested = _find_verb(verb)
        with self._tasks.acquire(node, purpose=f"provisioning: {verb}") as task:
            before = task.record
            next_state = self._check_allowed(before, requested)
            task.validate(*requested.kinds)
            changes = self._build_changes(task, requested, arguments or {})
            if requested.event == "abort":
                self._handlers.abort(task, next_state)
                return
            if requested.event == "unhold":
                transitions.enter(task, next_state, before.target_provision_state, last=True)
                self._resumer.resume_now(task.record)
                return
            work = self._handlers.work_for(next_state, before.provision_state)
            transitions.enter(task, next_state, requested.goal, last=work is None, **changes)
            if work is None:
                return
            try:
                task.run_in_background(self._lane, work)
            except NoFreeWorker:
                transitions.restore(task, before)
                raise
            if "instance_info" in changes:
                self._delete_old_config_drive(before, changes["instance_info"])

    def _delete_old_config_drive(self, before: NodeRecord, info: Mapping[str, Any]) -> None:
        """Delete a large config drive that a deployment has replaced. A drive that remains is deleted with the instance."""
        try:
            # Only the drive of this node's earlier record: the work may have ended, and a client may send the next drive.
            delete_replaced(self._store, before, info)
        except StoreUnavailable as exc:
            LOG.warning("node %s: the previous config drive was not deleted: %s", before.uuid, exc)

    def _check_allowed(self, record: NodeRecord, verb: states.Verb) -> str:
        """Return the provision state to which *verb* leads.

        Raises an error if the verb is not allowed in the node's state, in maintenance, or for a protected or retired node.
        """
        next_state = states.next_state(record.provision_state, verb.event)
        if next_state is None or not self._handlers.supports(verb, next_state):
            allowed = ", ".join(states.allowed_verbs(record.provision_state)) or "none"
            raise InvalidStateRequested(
                f"target: '{verb.name}' cannot be done while node {record.uuid} is '{record.provision_state}'; "
                f"allowed now: {allowed}"
            )
        if record.maintenance and not verb.allowed_in_maintenance:
            raise NodeInMaintenance(f"target: node {record.uuid} is in maintenance; '{verb.name}' needs it out of maintenance")
        if record.protected and not verb.allowed_when_protected:
            raise NodeProtected(f"target: node {record.uuid} is protected; unset 'protected' before '{verb.name}'")
        if record.retired and not verb.allowed_when_retired:
            raise Conflict(f"target: node {record.uuid} is retired; unset 'retired' before '{verb.name}'")
        return next_state

    def _build_changes(self, task: NodeTask, verb: states.Verb, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the changes of the node's record that are written with the new state, such as the steps of its run."""
        if verb.step_phase is not None:
            return self._build_run(task, verb.step_phase, arguments)
        if verb.event == "rescue":
            return rescue.start_changes(task, arguments.get("rescue_password"))
        if verb.event in ("deploy", "rebuild"):
            return self._build_deployment(task, arguments)
        if verb.event == "provide":
            check_automated_cleaning(task)
        if verb.event == "manage" and task.record.fault == transitions.CLEAN_FAILURE:
            # "manage" is the operator's statement that the cause of the failed cleaning is gone.
            return {"maintenance": False, "maintenance_reason": None, "fault": None}
        return {}

    def _build_run(self, task: NodeTask, phase: Phase, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if "runbook" in arguments:
            arguments = templates_and_runbooks.runbook_arguments(self._store, task.record, arguments, phase)
        requests = [StepRequest.from_json(step) for step in arguments.get(f"{phase}_steps") or ()]
        entries = steps.resolve_requested_steps(task.driver, phase, requests)
        return steps.start_run_changes(phase, entries, ramdisk=not arguments.get("disable_ramdisk"))

    def _build_deployment(self, task: NodeTask, arguments: Mapping[str, Any]) -> dict[str, Any]:
        requests = templates_and_runbooks.template_steps(self._store, task.record)
        # The client's steps come last, because a later request for the same step overrides the template's.
        requests += [StepRequest.from_json(step) for step in arguments.get("deploy_steps") or ()]
        entries = steps.merge_steps(task.driver, Phase.DEPLOY, requests)
        if not entries:
            raise InvalidInput(
                f"deploy_interface: {task.record.deploy_interface!r} declares no deploy step, so nothing can be deployed; "
                "set deploy_interface to another one"
            )
        changes = steps.start_run_changes(Phase.DEPLOY, entries)
        if arguments.get("configdrive") is not None:
            if is_reference(arguments["configdrive"]):
                LargeValues(self._store).require(task.record.uuid, arguments["configdrive"])
            changes["instance_info"] = {**task.record.instance_info, "configdrive": arguments["configdrive"]}
        return changes


def _find_verb(name: str) -> states.Verb:
    verb = states.VERBS.get(name)
    if verb is None:
        raise InvalidInput(f"target: {name!r} is not known; it has to be one of {', '.join(sorted(states.VERBS))}")
    return verb
