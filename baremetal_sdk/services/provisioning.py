"""Provisioning: what clients ask of a node's provision state, and the way there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from baremetal_interfaces import Conflict, InvalidInput, Kind, NodeLocked, Phase
from baremetal_sdk import provision, steps
from baremetal_sdk.errors import InvalidStateRequested, NodeInMaintenance, NodeProtected, NoFreeWorker
from baremetal_sdk.pool import Lane
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services import prepared_steps, rescue, transitions, work
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records import NodeRecord
from baremetal_sdk.task import NodeTask
from baremetal_sdk.tasks import Tasks

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

    def __init__(self, store: Store, tasks: Tasks, lane: Lane, works: work.Works, resuming: Resuming) -> None:
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
                self._resuming.now(task.record)
                return
            begin = self._works.of(after, before.provision_state)
            transitions.enter(task, after, goal, last=begin is None, **changes)
            if begin is not None:
                self._hand_over(task, before, begin)

    def _hand_over(self, task: NodeTask, before: NodeRecord, begin: work.Work) -> None:
        try:
            task.hand_over(self._lane, begin)
        except NoFreeWorker:
            transitions.restore(task, before)
            raise

    def _allowed(self, record: NodeRecord, verb: str, event: str) -> str:
        after = provision.next_state(record.provision_state, event)
        if after is None or not self._works.knows(event, after):
            allowed = ", ".join(one for one in provision.allowed_verbs(record.provision_state)) or "none"
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
                arguments = prepared_steps.runbook_arguments(self._store, task.record, arguments, phase)
            entries = steps.requested(task.driver, phase, arguments.get(f"{phase}_steps") or ())
            return steps.begin(phase, entries, ramdisk=not arguments.get("disable_ramdisk"))
        if event == "rescue":
            return rescue.begin(task, arguments.get("rescue_password"))
        if event in ("deploy", "rebuild"):
            return self._prepared_deployment(task, arguments)
        if event == "manage" and task.record.fault == transitions.CLEAN_FAILURE:
            return {"maintenance": False, "maintenance_reason": None, "fault": None}
        return {}

    def _prepared_deployment(self, task: NodeTask, arguments: Mapping[str, Any]) -> dict[str, Any]:
        # What the client gives comes last: it overrides what templates say of the same step.
        wanted = [*prepared_steps.template_steps(self._store, task.record), *(arguments.get("deploy_steps") or ())]
        entries = steps.merged(task.driver, Phase.DEPLOY, wanted)
        if not entries:
            raise InvalidInput(
                f"deploy_interface: {task.record.deploy_interface!r} declares no deploy step, so nothing can be deployed"
            )
        changes = steps.begin(Phase.DEPLOY, entries)
        if arguments.get("configdrive") is not None:
            changes["instance_info"] = {**task.record.instance_info, "configdrive": arguments["configdrive"]}
        return changes


class Resuming:
    """Goes on with runs that wait: polls them when they asked for it."""

    def __init__(
        self, tasks: Tasks, lane: Lane, works: work.Works, *, is_elsewhere: Callable[[NodeRecord], bool] = lambda record: False
    ) -> None:
        self._tasks = tasks
        self._lane = lane
        self._works = works
        self._is_elsewhere = is_elsewhere
        self._lock = threading.Lock()
        self._scheduled: set[str] = set()

    def later(self, node: str, waiting: steps.Waiting) -> None:
        """Look at the node's run again after the time that it asked for, if it asked for one."""
        if waiting.poll_after is not None and not waiting.held:
            self._schedule(node, waiting, waiting.poll_after)

    def take_up(self, node: str, waiting: steps.Waiting) -> None:
        """Poll a run that nobody here polls yet: that of a conductor that is gone, or of before the last start."""
        with self._lock:
            known = node in self._scheduled
        if not known:
            self.later(node, waiting)

    def _schedule(self, node: str, waiting: steps.Waiting, seconds: float) -> None:
        with self._lock:
            self._scheduled.add(node)
        self._lane.after(seconds, lambda: self.look(node, waiting))

    def now(self, record: NodeRecord) -> None:
        """Go on with the node's run, whatever it waits for."""
        waiting = steps.waiting_of(record)
        if waiting is None:
            return
        try:
            self._lane.submit(self.look, record.uuid, waiting)
        except NoFreeWorker:
            # It was promised by now: it is tried again until there is room.
            self._schedule(record.uuid, waiting, 1.0)

    def look(self, node: str, waiting: steps.Waiting) -> None:
        """Poll the run, unless it has gone on or ended without us, or is by now for another conductor to poll."""
        with self._lock:
            self._scheduled.discard(node)
        try:
            task = self._tasks.acquire(node, purpose="polling a step")
        except NodeLocked:
            self._schedule(node, waiting, 1.0)
            return
        with task:
            if steps.is_current(task.record, waiting) and not self._is_elsewhere(task.record):
                self._works.resume(task)


def _parsed(verb: str) -> tuple[str, str | None]:
    try:
        return provision.VERBS[verb]
    except KeyError:
        raise InvalidInput(f"target: {verb!r} is not known; it has to be one of {', '.join(sorted(provision.VERBS))}") from None
