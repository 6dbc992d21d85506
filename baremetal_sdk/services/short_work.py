"""Acquisition of nodes that are held by work without calls to a BMC, which ends within moments.

Two requests for different records of one node hold the node one after the other. A client must not get the second one's
conflict, because it cannot know of the first.
"""

from __future__ import annotations

import random
import time

from baremetal_interfaces import Deadline, NodeLocked
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

ALLOCATION, ALLOCATION_DELETION = "allocation", "deletion of an allocation"
VIF_ATTACHMENT, VIF_DETACHMENT = "attaching a VIF", "detaching a VIF"
RECORD_CHANGE, RECORD_DELETION = "change of a {label}", "deletion of a {label}"
_RECORD_LABELS = ("portgroup", "volume connector", "volume target")
_SHORT_PURPOSES = frozenset(
    {
        ALLOCATION,
        ALLOCATION_DELETION,
        VIF_ATTACHMENT,
        VIF_DETACHMENT,
        *(RECORD_CHANGE.format(label=label) for label in _RECORD_LABELS),
        *(RECORD_DELETION.format(label=label) for label in _RECORD_LABELS),
    }
)
"""The purposes of leases that are held for moments only."""
_MAX_WAIT_S = 3.0
_MAX_PAUSE_S = 0.02


def acquire_after_short_work(tasks: TaskManager, node: str, purpose: str) -> NodeTask:
    """Acquire the node with UUID *node*, as ``TaskManager.acquire``, but wait up to 3 seconds while short work holds it.

    Raises ``NodeLocked`` at once if any other work holds the node.
    """
    deadline = Deadline.after(_MAX_WAIT_S)
    while True:
        try:
            return tasks.acquire(node, purpose=purpose)
        except NodeLocked as exc:
            if exc.details.get("purpose") not in _SHORT_PURPOSES or deadline.expired:
                raise
            time.sleep(random.uniform(0.001, _MAX_PAUSE_S))
