"""Helpers of the rescue states, in which a machine runs a repair system temporarily in place of its instance."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import InvalidInput, Kind, NotSupported, Problem
from baremetal_sdk import states
from baremetal_sdk.provisioning import steps, transitions
from baremetal_sdk.tasks.node_task import NodeTask

PASSWORD = "rescue_password"
"""Key of the repair system's password in the ``instance_info`` that the rescue interface sees.

The store has the password only sealed, and only until the rescue has started."""

RESCUED = frozenset(
    {states.RESCUE, states.RESCUEWAIT, states.RESCUEFAIL, states.UNRESCUEFAIL},
)
"""Provision states in which the repair system, or parts of it, may be on the machine."""


def start_changes(task: NodeTask, password: Any) -> dict[str, Any]:
    """Return the changes of the node's record that start a rescue with *password*. Raises ``InvalidInput`` if it is empty."""
    if not isinstance(password, str) or not password.strip():
        raise InvalidInput([Problem(PASSWORD, "is empty", "set the password of the rescue system")])
    return {**steps.start_call_changes(Kind.RESCUE, "rescue"), **task.with_instance_secret(PASSWORD, password)}


def password_removal_changes(task: NodeTask) -> dict[str, Any]:
    """Return the changes of the node's record that remove the rescue password. Empty if the node has none."""
    return task.with_instance_secret(PASSWORD, None) if PASSWORD in task.record.instance_info else {}


def unrescue(task: NodeTask) -> None:
    """Call the driver to boot the instance again, enter ``active``, and release the lease. Work of the state ``unrescuing``."""
    if task.call(Kind.RESCUE, "unrescue", timeout=steps.STEP_TIMEOUT_S) is not None:
        raise NotSupported("the rescue interface returned Wait from unrescue; this release does not support that")
    transitions.follow_event(task, "done", last=True)


def clean_up(task: NodeTask) -> None:
    """Call the driver to remove the repair system from the machine, before other work starts there."""
    task.call(Kind.RESCUE, "clean_up", timeout=steps.STEP_TIMEOUT_S)
