"""Entering provision states: what is written, always in one piece."""

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
_MESSAGE = 4000
"""Characters of an error that are kept."""


def enter(task: NodeTask, state: str, goal: str | None, *, last: bool = False, **changes: Any) -> None:
    """Enter *state* on the way to *goal*; a stable state has no goal, and no error is left from before.

    With *last* this is all that the task does: the lease is given back in the same write.
    """
    target = None if state in states.STABLE else goal
    if state not in agent_info.AGENT_STATES:
        changes = {**agent_info.removal_changes(task.record), **changes}
    (task.finish if last else task.write)(
        provision_state=state,
        target_provision_state=target,
        provision_updated_at=task.clock.now(),
        **{"last_error": None, **changes},
    )
    task.log.info("provision state: %s", state)


def follow_event(task: NodeTask, event: str, *, last: bool = False, **changes: Any) -> None:
    """Enter the state that *event* leads to from the present one, with the goal that there was; see :func:`enter`."""
    record = task.record
    after = states.next_state(record.provision_state, event)
    if after is None:
        raise BareMetalError(f"'{event}' leads nowhere from '{record.provision_state}'")
    enter(task, after, record.target_provision_state, last=last, **changes)


def fail(task: NodeTask, error: BaseException | str, **changes: Any) -> None:
    """Enter the state of failure that belongs to the present one, say why, and end the task's work."""
    doing = task.record.provision_state
    reason = f"{doing}: {error}" if str(error) else f"{doing}: {type(error).__name__}"
    if doing in (states.CLEANING, states.CLEANWAIT):
        changes |= {"maintenance": True, "maintenance_reason": reason[:_MESSAGE], "fault": CLEAN_FAILURE}
    follow_event(task, "fail", last=True, last_error=reason[:_MESSAGE], **{**NO_RUN, **changes})
    task.log.error("%s", reason)


def restore(task: NodeTask, before: NodeRecord) -> None:
    """Put back what :func:`enter` changed, where its work could not be begun."""
    task.write(
        **{
            name: getattr(before, name)
            for name in (
                "provision_state", "target_provision_state", "provision_updated_at", "last_error", "run_id", "run_steps",
                "run_index", "run_attempt", "instance_info", "sealed_secrets", "maintenance", "maintenance_reason", "fault",
            )
        }
    )  # fmt: skip
