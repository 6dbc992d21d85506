"""Rescue: a machine runs a system that repairs it, and then its instance again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baremetal_interfaces import InvalidInput, Kind, NotSupported, Problem
from baremetal_sdk import states
from baremetal_sdk.provisioning import steps, transitions
from baremetal_sdk.tasks.node_task import NodeTask

PASSWORD = "rescue_password"
"""The name of the password in what the rescue interface sees as ``instance_info``. It is sealed, and kept no longer than the
rescue takes to begin."""

RESCUED = frozenset(
    {states.RESCUE, states.RESCUEWAIT, states.RESCUEFAIL, states.UNRESCUEFAIL},
)
"""States in which something of a rescue may be left on the machine."""


def start_changes(task: NodeTask, password: Any) -> dict[str, Any]:
    """The changes with which a rescue is begun. Raises ``InvalidInput`` where there is no password."""
    if not isinstance(password, str) or not password.strip():
        raise InvalidInput([Problem(PASSWORD, "it is empty", "give the password of the rescue system")])
    return {**steps.start_call_changes(Kind.RESCUE, "rescue"), **task.with_instance_secret(PASSWORD, password)}


def password_removal_changes(task: NodeTask) -> dict[str, Any]:
    """The changes that forget the password; none where there is none."""
    return task.with_instance_secret(PASSWORD, None) if PASSWORD in task.record.instance_info else {}


def unrescue(task: NodeTask) -> None:
    """Boot the instance again."""
    if task.call(Kind.RESCUE, "unrescue", timeout=steps.STEP_TIMEOUT_S) is not None:
        raise NotSupported("the rescue interface waits while it ends a rescue, and this release cannot wait there")
    transitions.follow_event(task, "done", last=True)


def after_rescue_cleanup(work: Callable[[NodeTask], None]) -> Callable[[NodeTask], None]:
    """*work*, after nothing of a rescue is left."""

    def run(task: NodeTask) -> None:
        task.call(Kind.RESCUE, "clean_up", timeout=steps.STEP_TIMEOUT_S)
        work(task)

    return run
