"""What is done in each provision state in which a task works on the node. It runs on a worker, under the task's lease."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

from baremetal_interfaces import (
    BareMetalError,
    DriverError,
    Inspection,
    Kind,
    NotSupported,
    Phase,
    PowerState,
    UnexpectedAnswer,
)
from baremetal_sdk import states
from baremetal_sdk.errors import InvalidStateRequested, LeaseLost
from baremetal_sdk.provisioning import rescue, steps, transitions
from baremetal_sdk.provisioning.allocation_links import delete_allocation
from baremetal_sdk.provisioning.hardware_facts import HardwareFacts
from baremetal_sdk.provisioning.inspection import Inspector
from baremetal_sdk.provisioning.inspection_rules import InspectionRules
from baremetal_sdk.provisioning.wait_timeouts import poll_timeout_reason
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.tasks.node_task import NodeTask

Work = Callable[[NodeTask], None]
WaitListener = Callable[[str, steps.WaitingRun], None]

_UNDONE_BY: Mapping[str, tuple[Kind, str]] = {
    states.DEPLOYING: (Kind.DEPLOY, "clean_up"),
    states.DEPLOYWAIT: (Kind.DEPLOY, "clean_up"),
    states.DEPLOYHOLD: (Kind.DEPLOY, "clean_up"),
    states.INSPECTWAIT: (Kind.INSPECT, "abort"),
    states.RESCUEWAIT: (Kind.RESCUE, "clean_up"),
}
"""State of work that ends early -> the method that leaves nothing of it."""


class StateHandlers:
    """Runs the work of each provision state under the lease of a task."""

    def __init__(self, store: Store, rules: InspectionRules) -> None:
        self._store = store
        self._findings = HardwareFacts(store)
        self._inspections = Inspector(store, self._findings, rules)
        self._wait_listeners: list[WaitListener] = []
        self._works: dict[str, Work] = {
            states.VERIFYING: self._verify,
            states.INSPECTING: self._inspections.inspect,
            states.CLEANING: self._clean,
            states.DEPLOYING: self._deploy,
            states.DELETING: self._tear_down,
            states.ADOPTING: self._adopt,
            states.SERVICING: lambda task: self._run(task, steps.run),
            states.RESCUING: lambda task: self._run(task, steps.run),
            states.UNRESCUING: rescue.unrescue,
        }

    def on_wait(self, listener: WaitListener) -> None:
        """Call *listener* with the node's UUID and the waiting run after each write that puts a run in a wait state."""
        self._wait_listeners.append(listener)

    def of(self, state: str, before: str | None = None) -> Work | None:
        """The work of a state that was entered from *before*, with its failures dealt with; None where there is none."""
        begin = self._works.get(state)
        if begin is not None and state == states.DELETING and before in rescue.RESCUED:
            begin = rescue.after_rescue_cleanup(begin)
        return None if begin is None else lambda task: self._guarded(task, begin)

    def knows(self, event: str, state: str) -> bool:
        """Whether this release can do what *event* asks for."""
        return event in ("abort", "unhold") or state in states.STABLE or state in self._works

    def abort(self, task: NodeTask, state: str) -> None:
        """End a wait that a client no longer wants."""
        record = task.record
        waiting = record.run_steps[record.run_index] if record.run_index is not None and record.run_steps else None
        if record.provision_state == states.CLEANWAIT and waiting is not None and not waiting.get("abortable"):
            raise InvalidStateRequested(
                f"target: clean step {waiting['interface']}.{waiting['step']} cannot be aborted; wait for its end"
            )
        if record.provision_state == states.INSPECTWAIT:
            task.call(Kind.INSPECT, "abort")
        elif record.provision_state == states.RESCUEWAIT:
            task.call(Kind.RESCUE, "clean_up")
        else:
            self.undo(task)
        reason = f"{record.provision_state}: aborted by a client"
        ended = {**steps.NO_RUN, **rescue.password_removal_changes(task), "last_error": reason}
        transitions.enter(task, state, record.target_provision_state, last=True, **ended)

    def undo(self, task: NodeTask) -> None:
        """Leave nothing on the machine of what failed or waits no longer, as far as its driver can be reached."""
        undoing = _UNDONE_BY.get(task.record.provision_state)
        if undoing is not None:
            self._quietly(task, lambda: task.call(*undoing))

    def run_again(self, task: NodeTask) -> None:
        """Go on with the run of a conductor that died in it, from the step that it died in."""
        self._guarded(task, lambda task: self._run(task, steps.run))

    def resume(self, task: NodeTask) -> None:
        """Go on with a run that waited, because its time to be polled has come."""
        self._guarded(task, self._poll)

    def resume_inspection(
        self, task: NodeTask, lane: Executor, found: Inspection, plugin_data: dict[str, Any], problem: str | None
    ) -> None:
        """Have a worker go on with an inspection that waited for its agent."""
        task.run_in_background(
            lane,
            lambda task: self._guarded(task, lambda task: self._inspections.resume(task, found, plugin_data, problem)),
        )

    def _guarded(self, task: NodeTask, work: Work) -> None:
        try:
            work(task)
        except LeaseLost:
            raise
        except steps.HandedOver:
            task.log.info("handed over between two steps: this conductor stops, and another one goes on")
        except BareMetalError as exc:
            self._failed(task, exc)
        except Exception as exc:
            task.log.exception("work of state '%s' failed", task.record.provision_state)
            self._failed(task, exc)

    def _failed(self, task: NodeTask, error: Exception) -> None:
        """Leave the node truthful: what its power is now, and the state of failure with the reason."""
        self.undo(task)
        if not isinstance(error, LeaseLost) and task.record.provision_state != states.VERIFYING:
            self._quietly(task, lambda: task.power.get())
        transitions.fail(task, error, **rescue.password_removal_changes(task))

    def _quietly(self, task: NodeTask, function: Callable[[], object]) -> None:
        """Try what helps after a failure, and must not hide it."""
        try:
            function()
        except LeaseLost:
            raise
        except BareMetalError as exc:
            task.log.warning("after a failure: %s", exc)

    def _verify(self, task: NodeTask) -> None:
        state, seen = task.power.look()
        if state is PowerState.UNKNOWN:
            task.write(**seen)
            raise UnexpectedAnswer("the BMC does not say whether the machine is on or off")
        entries = steps.automatic_steps(task.driver, Phase.VERIFY)
        if entries:
            task.write(**steps.start_run_changes(Phase.VERIFY, entries), **seen)
            seen = {}
            if steps.run(task) is not None:
                raise NotSupported("a verify step waits, and only the steps of other phases can")
        found = self._findings.read_all(task)
        transitions.follow_event(task, "done", last=True, **(steps.NO_RUN if entries else {}), **seen, **found)

    def _clean(self, task: NodeTask) -> None:
        manual = task.record.target_provision_state == states.MANAGEABLE
        if not manual and task.record.run_id is None:
            if not self._wants_cleaning(task):
                transitions.follow_event(task, _when_clean(task), last=True)
                return
            task.write(**_cleaning(task))
        first = task.record.run_index == 0 and bool(task.record.run_steps) and steps.wants_ramdisk(task.record)
        if first and task.call(Kind.DEPLOY, "prepare_cleaning") is not None:
            raise NotSupported("the deploy interface waits for an agent to clean the node, and this release has none")
        self._run(task, steps.run)

    def _wants_cleaning(self, task: NodeTask) -> bool:
        own = task.record.automated_clean
        return task.options.automated_clean if own is None else own

    def _deploy(self, task: NodeTask) -> None:
        if task.record.run_index == 0:
            task.call(Kind.DEPLOY, "prepare")
        self._run(task, steps.run)

    def _poll(self, task: NodeTask) -> None:
        transitions.follow_event(task, "resume")
        self._run(task, steps.poll)

    def _run(self, task: NodeTask, advance: Callable[[NodeTask], steps.WaitingRun | None]) -> None:
        waiting = advance(task)
        if waiting is not None:
            self._wait(task, waiting)
        elif task.record.provision_state == states.CLEANING:
            self._cleaned(task)
        else:
            found = self._findings.read_after_steps(task)
            transitions.follow_event(task, "done", last=True, **steps.NO_RUN, **found, **rescue.password_removal_changes(task))

    def _wait(self, task: NodeTask, waiting: steps.WaitingRun) -> None:
        event = "hold" if waiting.held else "wait"
        state = states.next_state(task.record.provision_state, event) or ""
        reason = poll_timeout_reason(task.record, state, task.options, task.clock.now())
        if reason is not None:
            raise DriverError(reason)
        transitions.follow_event(task, event, last=True)
        for listener in self._wait_listeners:
            listener(task.record.uuid, waiting)

    def _cleaned(self, task: NodeTask) -> None:
        if task.record.run_steps and steps.wants_ramdisk(task.record):
            task.call(Kind.DEPLOY, "tear_down_cleaning")
        found = self._findings.read_after_steps(task)
        transitions.follow_event(task, _when_clean(task), last=True, **steps.NO_RUN, **found)

    def _tear_down(self, task: NodeTask) -> None:
        outcome = task.call(Kind.DEPLOY, "tear_down", timeout=steps.STEP_TIMEOUT_S)
        if outcome is not None:
            raise NotSupported("the deploy interface waits while it tears down, and this release cannot wait there")
        task.call(Kind.DEPLOY, "clean_up")
        allocation = task.record.allocation_uuid
        forgotten: dict[str, Any] = dict.fromkeys(("instance_uuid", "instance_name", "allocation_uuid"))
        forgotten = {**rescue.password_removal_changes(task), **forgotten, "instance_info": {}, "network_data": {}}
        run = _cleaning(task) if self._wants_cleaning(task) else {}
        transitions.follow_event(task, "clean", **forgotten, **{**steps.NO_RUN, **run})
        delete_allocation(self._store, allocation)
        self._clean(task)

    def _adopt(self, task: NodeTask) -> None:
        if task.power.get() is PowerState.UNKNOWN:
            raise UnexpectedAnswer("the BMC does not say whether the machine is on or off")
        task.call(Kind.DEPLOY, "take_over")
        transitions.follow_event(task, "done", last=True)


def _cleaning(task: NodeTask) -> dict[str, Any]:
    """The changes that begin an automated cleaning."""
    return steps.start_run_changes(Phase.CLEAN, steps.automatic_steps(task.driver, Phase.CLEAN))


def _when_clean(task: NodeTask) -> str:
    """What follows when a node is clean: cleaned by hand, or retired meanwhile, it does not become available."""
    manual = task.record.target_provision_state == states.MANAGEABLE
    return "manage" if manual or task.record.retired else "done"
