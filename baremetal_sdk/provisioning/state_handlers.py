"""The work of each provision state in which a task works on the node. Handlers run on a worker, under the task's lease."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
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

StateWork = Callable[[NodeTask], None]
WaitListener = Callable[[str, steps.WaitingRun], None]

_CLEANUP_METHODS: Mapping[str, tuple[Kind, str]] = {
    states.DEPLOYING: (Kind.DEPLOY, "clean_up"),
    states.DEPLOYWAIT: (Kind.DEPLOY, "clean_up"),
    states.DEPLOYHOLD: (Kind.DEPLOY, "clean_up"),
    states.INSPECTWAIT: (Kind.INSPECT, "abort"),
    states.RESCUEWAIT: (Kind.RESCUE, "clean_up"),
}
"""Provision state -> the driver method that removes from the machine what unfinished work of that state left there."""


class StateHandlers:
    """Runs the work of each provision state under the lease of a task."""

    def __init__(self, store: Store, rules: InspectionRules) -> None:
        self._store = store
        self._facts = HardwareFacts(store)
        self._inspector = Inspector(store, self._facts, rules)
        self._wait_listeners: list[WaitListener] = []
        self._handlers: dict[str, StateWork] = {
            states.VERIFYING: self._verify,
            states.INSPECTING: self._inspector.inspect,
            states.CLEANING: self._clean,
            states.DEPLOYING: self._deploy,
            states.DELETING: self._tear_down,
            states.ADOPTING: self._adopt,
            states.SERVICING: self._run_steps,
            states.RESCUING: self._run_steps,
            states.UNRESCUING: rescue.unrescue,
        }

    def on_wait(self, listener: WaitListener) -> None:
        """Call *listener* with the node's UUID and the waiting run after each write that puts a run in a wait state."""
        self._wait_listeners.append(listener)

    def work_for(self, state: str, previous_state: str) -> StateWork | None:
        """Return the work of *state*, entered from *previous_state*, including the handling of its failures.

        Return None if the state has no work, as a stable state.
        """
        handler = self._handlers.get(state)
        if handler is None:
            return None
        if state == states.DELETING and previous_state in rescue.RESCUED:
            handler = self._tear_down_rescued
        return functools.partial(self._guard, handler)

    def supports(self, verb: states.Verb, state: str) -> bool:
        """Return whether this release can do the work of *state*, to which *verb* leads."""
        return not verb.needs_handler or state in states.STABLE or state in self._handlers

    def abort(self, task: NodeTask, state: str) -> None:
        """Stop the work that the node waits for, and enter *state*. Raises ``InvalidStateRequested`` if the step forbids it."""
        record = task.record
        entry = steps.current_entry(record)
        if record.provision_state == states.CLEANWAIT and entry is not None and not entry.is_abortable:
            raise InvalidStateRequested(f"target: clean step {entry.label} cannot be aborted; wait for its end")
        if record.provision_state == states.INSPECTWAIT:
            task.call(Kind.INSPECT, "abort")
        elif record.provision_state == states.RESCUEWAIT:
            task.call(Kind.RESCUE, "clean_up")
        else:
            self.clean_up(task)
        reason = f"{record.provision_state}: aborted by a client"
        changes = {**steps.NO_RUN, **rescue.password_removal_changes(task), "last_error": reason}
        transitions.enter(task, state, record.target_provision_state, last=True, **changes)

    def clean_up(self, task: NodeTask) -> None:
        """Remove from the machine what failed or ended work left there. Errors are logged, because the BMC may be away."""
        cleanup = _CLEANUP_METHODS.get(task.record.provision_state)
        if cleanup is not None:
            with _log_errors(task):
                task.call(*cleanup)

    def run_again(self, task: NodeTask) -> None:
        """Continue the run of a conductor that died in it, from the step that was current."""
        self._guard(self._run_steps, task)

    def resume(self, task: NodeTask) -> None:
        """Continue a run that waited: poll its current step, and run the rest if the step is done."""
        self._guard(self._resume_steps, task)

    def resume_inspection(
        self, task: NodeTask, lane: Executor, found: Inspection, plugin_data: dict[str, Any], problem: str | None
    ) -> None:
        """Continue on a worker an inspection that waited for its agent. See :meth:`Inspector.resume`."""

        def finish(task: NodeTask) -> None:
            self._inspector.resume(task, found, plugin_data, problem)

        task.run_in_background(lane, functools.partial(self._guard, finish))

    def _guard(self, work: StateWork, task: NodeTask) -> None:
        """Run *work*, and turn each of its errors into the failed state of the node."""
        try:
            work(task)
        except LeaseLost:
            # Another conductor may already hold the node, so this task must not write to it, not even a failure.
            raise
        except steps.HandedOver:
            task.log.info("another conductor continues the run: this one stops")
        except BareMetalError as exc:
            self._fail(task, exc)
        except Exception as exc:
            task.log.exception("unexpected error in state '%s'", task.record.provision_state)
            self._fail(task, exc)

    def _fail(self, task: NodeTask, error: Exception) -> None:
        """Clean up, observe the power, and enter the failed state with the reason."""
        self.clean_up(task)
        # The work may have changed the power, and the node has to show what is true now. Verifying began with a read.
        if task.record.provision_state != states.VERIFYING:
            with _log_errors(task):
                task.power.get()
        transitions.fail(task, error, **rescue.password_removal_changes(task))

    def _verify(self, task: NodeTask) -> None:
        """Check that the BMC reports the power, run the verify steps, and read all hardware facts."""
        power_state, changes = task.power.read_with_changes()
        if power_state is PowerState.UNKNOWN:
            task.write(**changes)
            raise UnexpectedAnswer("the BMC does not say whether the machine is on or off")
        entries = steps.automatic_steps(task.driver, Phase.VERIFY)
        if entries:
            task.write(**steps.start_run_changes(Phase.VERIFY, entries), **changes)
            changes = dict(steps.NO_RUN)
            if steps.run(task) is not None:
                raise NotSupported("a verify step returned Wait; only steps of other phases can wait")
        facts = self._facts.read_all(task)
        # Without verify steps, power, health, state and lease change in this one write.
        transitions.follow_event(task, "done", last=True, **changes, **facts)

    def _clean(self, task: NodeTask) -> None:
        """Run the clean steps: those of a manual cleaning, which are already in the record, or the automatic ones."""
        is_manual = task.record.target_provision_state == states.MANAGEABLE
        if not is_manual and task.record.run_id is None:
            if not _wants_automated_cleaning(task):
                transitions.follow_event(task, _event_after_cleaning(task), last=True)
                return
            task.write(**_automated_cleaning_changes(task))
        record = task.record
        is_first_step = record.run_index == 0 and bool(record.run_steps)
        if is_first_step and steps.wants_ramdisk(record) and task.call(Kind.DEPLOY, "prepare_cleaning") is not None:
            raise NotSupported("the deploy interface needs an agent to clean the node; this release does not support that")
        self._run_steps(task)

    def _deploy(self, task: NodeTask) -> None:
        """Prepare the deployment before its first step, and run the deploy steps."""
        if task.record.run_index == 0:
            task.call(Kind.DEPLOY, "prepare")
        self._run_steps(task)

    def _tear_down(self, task: NodeTask) -> None:
        """Remove the instance from the machine and the node, and continue with the cleaning under the same lease."""
        if task.call(Kind.DEPLOY, "tear_down", timeout=steps.STEP_TIMEOUT_S) is not None:
            raise NotSupported("the deploy interface returned Wait from tear_down; this release does not support that")
        task.call(Kind.DEPLOY, "clean_up")
        allocation = task.record.allocation_uuid
        changes: dict[str, Any] = {
            **steps.NO_RUN,
            **rescue.password_removal_changes(task),
            "instance_uuid": None,
            "instance_name": None,
            "allocation_uuid": None,
            "instance_info": {},
            "network_data": {},
        }
        if _wants_automated_cleaning(task):
            changes |= _automated_cleaning_changes(task)
        transitions.follow_event(task, "clean", **changes)
        # Unlink first: a conductor that dies between the two writes leaves an allocation that a client can still delete.
        delete_allocation(self._store, allocation)
        self._clean(task)

    def _tear_down_rescued(self, task: NodeTask) -> None:
        """Remove the rescue system before the tear-down."""
        rescue.clean_up(task)
        self._tear_down(task)

    def _adopt(self, task: NodeTask) -> None:
        """Take over a machine that already runs its instance, without changing it."""
        if task.power.get() is PowerState.UNKNOWN:
            raise UnexpectedAnswer("the BMC does not say whether the machine is on or off")
        task.call(Kind.DEPLOY, "take_over")
        transitions.follow_event(task, "done", last=True)

    def _run_steps(self, task: NodeTask) -> None:
        self._wait_or_finish(task, steps.run(task))

    def _resume_steps(self, task: NodeTask) -> None:
        transitions.follow_event(task, "resume")
        self._wait_or_finish(task, steps.poll(task))

    def _wait_or_finish(self, task: NodeTask, waiting: steps.WaitingRun | None) -> None:
        """Let the run wait, or end the work of the state because all steps are done."""
        if waiting is not None:
            self._wait(task, waiting)
        elif task.record.provision_state == states.CLEANING:
            self._finish_cleaning(task)
        else:
            facts = self._facts.read_after_steps(task)
            changes = {**steps.NO_RUN, **facts, **rescue.password_removal_changes(task)}
            transitions.follow_event(task, "done", last=True, **changes)

    def _wait(self, task: NodeTask, waiting: steps.WaitingRun) -> None:
        """Enter the wait or hold state, release the lease, and notify the listeners."""
        event = "hold" if waiting.held else "wait"
        wait_state = states.next_state(task.record.provision_state, event) or ""
        # The sweep of recovery seldom sees a node in its wait state if its step is polled often. So each poll checks, too.
        reason = poll_timeout_reason(task.record, wait_state, task.options, task.clock.now())
        if reason is not None:
            raise DriverError(reason)
        # Listeners are called after the write has released the lease: a poll that starts at once finds the node free.
        transitions.follow_event(task, event, last=True)
        for listener in self._wait_listeners:
            listener(task.record.uuid, waiting)

    def _finish_cleaning(self, task: NodeTask) -> None:
        if task.record.run_steps and steps.wants_ramdisk(task.record):
            task.call(Kind.DEPLOY, "tear_down_cleaning")
        facts = self._facts.read_after_steps(task)
        transitions.follow_event(task, _event_after_cleaning(task), last=True, **steps.NO_RUN, **facts)


@contextmanager
def _log_errors(task: NodeTask) -> Iterator[None]:
    """Log the errors of an action of the clean-up, so that they do not hide the error that made it necessary."""
    try:
        yield
    except LeaseLost:
        raise
    except BareMetalError as exc:
        task.log.warning("ignored an error of the clean-up: %s", exc)


def _wants_automated_cleaning(task: NodeTask) -> bool:
    """Return the node's own setting, or that of the conductor if the node has none."""
    own = task.record.automated_clean
    return task.options.automated_clean if own is None else own


def _automated_cleaning_changes(task: NodeTask) -> dict[str, Any]:
    """Return the changes that start an automated cleaning."""
    return steps.start_run_changes(Phase.CLEAN, steps.automatic_steps(task.driver, Phase.CLEAN))


def _event_after_cleaning(task: NodeTask) -> str:
    """Return the event that ends a cleaning. A node cleaned manually, or retired meanwhile, does not become available."""
    is_manual = task.record.target_provision_state == states.MANAGEABLE
    return "manage" if is_manual or task.record.retired else "done"
