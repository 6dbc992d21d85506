"""Changes of the provision state. Each change is one write, together with everything that has to change with it."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk import states
from baremetal_sdk.provisioning.steps import NO_RUN
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.tasks import agent_info
from baremetal_sdk.tasks.node_task import NodeTask

CLEAN_FAILURE = "clean failure"
POWER_FAILURE = "power failure"

_MAX_ERROR_LENGTH = 4000
"""Characters of an error that are stored in the node."""

_RESTORED_FIELDS = (
    "provision_state", "target_provision_state", "provision_updated_at", "last_error", "run_id", "run_steps",
    "run_index", "run_attempt", "instance_info", "sealed_secrets", "maintenance", "maintenance_reason", "fault",
)  # fmt: skip


def enter(task: NodeTask, state: str, goal: str | None, *, last: bool = False, **changes: Any) -> None:
    """Enter *state* on the way to *goal*, and write *changes* with it.

    A stable state has no goal. The last error is cleared unless *changes* sets one. With *last*, the write also ends the task
    and releases its lease, so that no other writer can come between the two.
    """
    if state not in agent_info.AGENT_STATES:
        # The agent's token and address must not outlive the agent: the next one gets its own.
        changes = {**agent_info.removal_changes(task.record), **changes}
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
    """Enter the state that *event* leads to from the present state, and keep the goal. See :func:`enter`."""
    record = task.record
    next_state = states.next_state(record.provision_state, event)
    if next_state is None:
        raise BareMetalError(f"event '{event}' is not allowed in provision state '{record.provision_state}'")
    enter(task, next_state, record.target_provision_state, last=last, **changes)


def fail(task: NodeTask, error: BaseException | str, **changes: Any) -> None:
    """Enter the failed state of the present state, store the reason and *changes*, and end the task. The run ends."""
    state = task.record.provision_state
    reason = f"{state}: {error}" if str(error) else f"{state}: {type(error).__name__}"
    if state in (states.CLEANING, states.CLEANWAIT):
        # Maintenance keeps a machine that is only partly clean from being used until an operator has looked at it.
        maintenance = {"maintenance": True, "maintenance_reason": reason[:_MAX_ERROR_LENGTH], "fault": CLEAN_FAILURE}
        changes = {**changes, **maintenance}
    follow_event(task, "fail", last=True, last_error=reason[:_MAX_ERROR_LENGTH], **{**NO_RUN, **changes})
    task.log.error("%s", reason)


def restore(task: NodeTask, before: NodeRecord) -> None:
    """Write back the fields that :func:`enter` changed, because the work of the new state could not start."""
    task.write(**{name: getattr(before, name) for name in _RESTORED_FIELDS})
