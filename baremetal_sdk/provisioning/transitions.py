"""Writes that change a node's provision state. Each is one write together with all fields that change with the state."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_interfaces.text import clean_text
from baremetal_sdk import states
from baremetal_sdk.provisioning.steps import NO_RUN
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.tasks import agent_info
from baremetal_sdk.tasks.node_task import NodeTask

CLEAN_FAILURE = "clean failure"
POWER_FAILURE = "power failure"

_RESTORED_FIELDS = (
    "provision_state", "target_provision_state", "provision_updated_at", "last_error", "run_id", "run_steps",
    "run_index", "run_attempt", "instance_info", "sealed_secrets", "maintenance", "maintenance_reason", "fault",
)  # fmt: skip


def enter(task: NodeTask, state: str, goal: str | None, *, last: bool = False, **changes: Any) -> None:
    """Write provision state *state* with target state *goal*, and *changes* with them.

    In a stable state the target is None. ``last_error`` is cleared unless *changes* sets it. With *last*, the same write
    releases the lease of the task, so that no other task can see the lease held in the new state.
    """
    if state not in agent_info.AGENT_STATES:
        # The agent's token and address must not outlive the agent: the next one gets its own.
        changes = {**agent_info.removal_changes(task.record, expects_agent=False), **changes}
    changes = {
        "last_error": None,
        **changes,
        "provision_state": state,
        "target_provision_state": None if state in states.STABLE else goal,
        "provision_updated_at": task.clock.now(),
    }
    if last:
        task.finish(**changes)
    else:
        task.write(**changes)
    task.log.info("provision state: %s", state)


def follow_event(task: NodeTask, event: str, *, last: bool = False, **changes: Any) -> None:
    """Enter the state to which *event* leads from the present state, and keep the target state. See :func:`enter`.

    Raises ``BareMetalError`` if the event is not allowed in the present state.
    """
    record = task.record
    next_state = states.next_state(record.provision_state, event)
    if next_state is None:
        raise BareMetalError(f"event '{event}' is not allowed in provision state '{record.provision_state}'")
    enter(task, next_state, record.target_provision_state, last=last, **changes)


def fail(task: NodeTask, error: BaseException | str, **changes: Any) -> None:
    """Enter the failed state that belongs to the present state, with *error* in ``last_error``, and release the lease.

    *changes* are written with it, and the run of steps is removed. A failed cleaning also sets maintenance.
    """
    state = task.record.provision_state
    text = str(error) or type(error).__name__
    reason = clean_text(text if text.startswith(f"{state}: ") else f"{state}: {text}")
    if state in (states.CLEANING, states.CLEANWAIT):
        # Maintenance keeps a machine that is only partly clean from being used until an operator has looked at it.
        maintenance = {"maintenance": True, "maintenance_reason": reason, "fault": CLEAN_FAILURE}
        changes = {**changes, **maintenance}
    follow_event(task, "fail", last=True, last_error=reason, **{**NO_RUN, **changes})
    task.log.error("%s", reason)


def restore(task: NodeTask, before: NodeRecord) -> None:
    """Write the fields that :func:`enter` changed back to their values in *before*. The work of the new state cannot start."""
    task.write(**{name: getattr(before, name) for name in _RESTORED_FIELDS})
