"""Handlers for the working provision states, such as ``cleaning``. They run on a worker, under the task's lease."""

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
from baremetal_interfaces.redaction import redact_text
from baremetal_sdk import states
from baremetal_sdk.errors import InvalidStateRequested, LeaseLost
from baremetal_sdk.observability.redaction import redact
from baremetal_sdk.provisioning import rescue, steps, transitions
from baremetal_sdk.provisioning.allocation_links import delete_allocation
from baremetal_sdk.provisioning.hardware_facts import HardwareFacts
from baremetal_sdk.provisioning.inspection import Inspector
from baremetal_sdk.provisioning.inspection_rules import InspectionRules
from baremetal_sdk.provisioning.wait_timeouts import poll_timeout_reason
from baremetal_sdk.store.large_values import CONFIG_DRIVE, LargeValues
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.tasks.node_task import NodeTask

StateWork = Callable[[NodeTask], None]
WaitListener = Callable[[str, steps.WaitingRun], None]

_CLEANUP_METHODS: Mapping[str, tuple[Kind, str]] = {
    states.DEPLOYING: (Kind.DEPLOY, "clean_up"),
    states.DEPLOYWAIT: (Kind.DEPLOY, "clean_up"),
    states.DEPLOYHOLD: (Kind.DEPLOY, "clean_up"),
    states.CLEANING: (Kind.DEPLOY, "tear_down_cleaning"),
    states.CLEANWAIT: (Kind.DEPLOY, "tear_down_cleaning"),
    states.CLEANHOLD: (Kind.DEPLOY, "tear_down_cleaning"),
    states.INSPECTWAIT: (Kind.INSPECT, "abort"),
    states.RESCUING: (Kind.RESCUE, "clean_up"),
    states.RESCUEWAIT: (Kind.RESCUE, "clean_up"),
}
"""Provision state -> interface and method of the driver that remove the leftovers of unfinished work from the machine."""
_CLEANING = frozenset({states.CLEANING, states.CLEANWAIT, states.CLEANHOLD})


class StateHandlers:
    """Registry of the handlers of the working provision states, and the handling of their errors and waits."""

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
        """Register *listener*, to be called each time a node enters a wait or hold state, also after a poll.

        *listener* gets the node's UUID and the position of the run. It is called after the write that releases the lease.
        """
        self._wait_listeners.append(listener)

    def work_for(self, state: str, previous_state: str) -> StateWork | None:
        """Return the function that does the work of *state* when it is entered from *previous_state*.

        The function takes a task. It turns errors of the work into the failed state. Return None if the state has no work, as
        a stable state.
        """
        handler = self._handlers.get(state)
        if handler is None:
            return None
        if state == states.DELETING and previous_state in rescue.RESCUED:
            handler = self._tear_down_rescued
        return functools.partial(self._guard, handler)

    def supports(self, verb: states.Verb, state: str) -> bool:
        """Return whether *verb* can be offered: *state*, to which it leads, has a handler here or needs none."""
        return not verb.needs_handler or state in states.STABLE or state in self._handlers

    def abort(self, task: NodeTask, state: str) -> None:
        """End the work for which the node waits at the request of a client, and enter *state*.

        The driver removes its leftovers from the machine. The run ends, and ``last_error`` says that a client aborted it.
        Raises ``InvalidStateRequested`` if the current clean step cannot be aborted.
        """
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
        """Call the driver to remove the leftovers of failed or ended work from the machine, if the state has such a method.

        Errors of the driver are logged and not raised, because the BMC may be unreachable. ``LeaseLost`` passes.
        """
        cleanup = _CLEANUP_METHODS.get(task.record.provision_state)
        is_cleaning = task.record.provision_state in _CLEANING
        if cleanup is None or (is_cleaning and not _has_prepared_cleaning(task.record)):
            return
        with _log_errors(task):
            task.call(*cleanup)

    def run_again(self, task: NodeTask) -> None:
        """Continue, with its current step, the run of a node whose conductor died. Errors lead to the failed state."""
        self._guard(self._run_steps, task)

    def resume(self, task: NodeTask) -> None:
        """Continue a run that waited: poll its current step, and run the following steps if it is done.

        Errors lead to the failed state.
        """
        self._guard(self._resume_steps, task)

    def resume_inspection(
        self, task: NodeTask, lane: Executor, found: Inspection, plugin_data: dict[str, Any], problem: str | None
    ) -> None:
        """Submit to *lane* the rest of an inspection that waited for its agent. See :meth:`Inspector.resume`.

        Raises ``NoFreeWorker`` if the lane is full.
        """

        def finish(task: NodeTask) -> None:
            self._inspector.resume(task, found, plugin_data, problem)

        task.run_in_background(lane, functools.partial(self._guard, finish))

    def _guard(self, work: StateWork, task: NodeTask) -> None:
        """Run *work*. Turn each of its errors into the failed state of the node, except ``LeaseLost``, which passes.

        If another conductor continues the run, end without a change of the node.
        """
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
            with redact(lambda: task.unsealed_secrets):
                task.log.exception("unexpected error in state '%s'", task.record.provision_state)
            # The error can quote what a driver returned.
            self._fail(task, RuntimeError(redact_text(str(exc) or type(exc).__name__, task.unsealed_secrets)))

    def _fail(self, task: NodeTask, error: Exception) -> None:
        """Clean up the machine, read its power, and enter the failed state with *error* as the reason."""
        self.clean_up(task)
        # The work may have changed the power, and the node has to show what is true now. Verifying began with a read.
        if task.record.provision_state != states.VERIFYING:
            with _log_errors(task):
                task.power.get()
        transitions.fail(task, error, **rescue.password_removal_changes(task))

    def _verify(self, task: NodeTask) -> None:
        """Do the work of ``verifying``: check that the BMC reports the power, run the verify steps, and read hardware facts."""
        power_state, changes = task.power.read_with_changes()
        if power_state is PowerState.UNKNOWN:
            task.write(**changes)
            raise UnexpectedAnswer("the BMC does not report whether the machine is on or off; check the BMC and its driver_info")
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
        """Do the work of ``cleaning``: run the requested steps of a manual cleaning, or else the automatic steps."""
        is_manual = task.record.target_provision_state == states.MANAGEABLE
        if not is_manual:
            check_automated_cleaning(task)
        if not is_manual and task.record.run_id is None:
            if not _wants_automated_cleaning(task):
                transitions.follow_event(task, _event_after_cleaning(task), last=True)
                return
            task.write(**_automated_cleaning_changes(task))
            if not task.record.run_steps and task.record.automated_clean:
                # Clients such as Metal3 set the field on every node, also where Ironic's agent would do the cleaning.
                task.log.warning("automated_clean is true, but no interface has an automatic clean step; nothing is cleaned")
        record = task.record
        is_first_step = record.run_index == 0 and bool(record.run_steps)
        if is_first_step and steps.wants_ramdisk(record) and task.call(Kind.DEPLOY, "prepare_cleaning") is not None:
            raise NotSupported("the deploy interface needs an agent to clean the node; this release does not support that")
        self._run_steps(task)

    def _deploy(self, task: NodeTask) -> None:
        """Do the work of ``deploying``: prepare the deployment before its first step, and run the deploy steps."""
        if task.record.run_index == 0:
            task.call(Kind.DEPLOY, "prepare")
        self._run_steps(task)

    def _tear_down(self, task: NodeTask) -> None:
        """Do the work of ``deleting``: remove the instance from the machine and the node, then clean under the same lease."""
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
        # All drives: those of requests whose process died are left over.
        LargeValues(self._store).delete_others(task.record.uuid, CONFIG_DRIVE, None)
        # Unlink first: a conductor that dies between the two writes leaves an allocation that a client can still delete.
        delete_allocation(self._store, allocation)
        self._clean(task)

    def _tear_down_rescued(self, task: NodeTask) -> None:
        """Do the work of ``deleting`` for a node in rescue: remove the repair system first."""
        rescue.clean_up(task)
        self._tear_down(task)

    def _adopt(self, task: NodeTask) -> None:
        """Do the work of ``adopting``: take over a machine that already runs its instance, without changing the machine."""
        if task.power.get() is PowerState.UNKNOWN:
            raise UnexpectedAnswer("the BMC does not report whether the machine is on or off; check the BMC and its driver_info")
        task.call(Kind.DEPLOY, "take_over")
        transitions.follow_event(task, "done", last=True)

    def _run_steps(self, task: NodeTask) -> None:
        self._wait_or_finish(task, steps.run(task))

    def _resume_steps(self, task: NodeTask) -> None:
        transitions.follow_event(task, "resume")
        self._wait_or_finish(task, steps.poll(task))

    def _wait_or_finish(self, task: NodeTask, waiting: steps.WaitingRun | None) -> None:
        """Enter the wait state if *waiting* is the position of a waiting run. For None, all steps are done: end the work."""
        if waiting is not None:
            self._wait(task, waiting)
        elif task.record.provision_state == states.CLEANING:
            self._finish_cleaning(task)
        else:
            facts = self._facts.read_after_steps(task)
            changes = {**steps.NO_RUN, **facts, **rescue.password_removal_changes(task)}
            transitions.follow_event(task, "done", last=True, **changes)

    def _wait(self, task: NodeTask, waiting: steps.WaitingRun) -> None:
        """Enter the wait or hold state, release the lease, and notify the wait listeners.

        Raises ``DriverError`` if the polled step has waited longer than its timeout.
        """
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
        if _has_prepared_cleaning(task.record):
            task.call(Kind.DEPLOY, "tear_down_cleaning")
        facts = self._facts.read_after_steps(task)
        transitions.follow_event(task, _event_after_cleaning(task), last=True, **steps.NO_RUN, **facts)


@contextmanager
def _log_errors(task: NodeTask) -> Iterator[None]:
    """Log and suppress errors of the block, so that they do not hide the error that led to the clean-up.

    ``LeaseLost`` and exceptions outside of the contract still pass.
    """
    try:
        yield
    except LeaseLost:
        raise
    except BareMetalError as exc:
        task.log.warning("ignored an error of the clean-up: %s", exc)


def _has_prepared_cleaning(record: NodeRecord) -> bool:
    """Return whether the deploy interface has prepared the machine for the node's run of clean steps."""
    return bool(record.run_steps) and steps.wants_ramdisk(record)


def _wants_automated_cleaning(task: NodeTask) -> bool:
    """Return whether the node is cleaned automatically, by its field ``automated_clean`` or else the conductor's option."""
    own = task.record.automated_clean
    return task.options.automated_clean if own is None else own


def check_automated_cleaning(task: NodeTask) -> None:
    """Raise ``InvalidInput`` if the node has to be cleaned automatically and only an agent could clean it."""
    if _wants_automated_cleaning(task):
        task.call(Kind.DEPLOY, "validate_cleaning")


def _automated_cleaning_changes(task: NodeTask) -> dict[str, Any]:
    """Return the changes of the node's record that start a run of the driver's automatic clean steps."""
    return steps.start_run_changes(Phase.CLEAN, steps.automatic_steps(task.driver, Phase.CLEAN))


def _event_after_cleaning(task: NodeTask) -> str:
    """Return the event that ends a cleaning: ``manage`` for a manual cleaning or a retired node, else ``done``."""
    is_manual = task.record.target_provision_state == states.MANAGEABLE
    return "manage" if is_manual or task.record.retired else "done"
