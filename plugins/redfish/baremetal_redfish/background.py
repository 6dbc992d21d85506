"""What a service goes on with after its answer: status 202 and a monitor that is looked at until it is over."""

from __future__ import annotations

from typing import Any, NamedTuple

import sushy.exceptions

from baremetal_interfaces import DriverError
from baremetal_redfish.links import below, listed, path_of, text_of
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.transport import Answer

SHORTEST, LONGEST, USUAL = 1.0, 60.0, 5.0
"""Seconds between two looks: whatever a service says, not more often, not more seldom; and where it says nothing."""

_FAILED = frozenset({"Exception", "Killed", "Cancelled"})
_RUNNING = frozenset({"New", "Starting", "Running", "Suspended", "Interrupted", "Pending", "Stopping", "Service", "Cancelling"})


class TaskFailed(DriverError):
    """The service began with it and did not bring it to an end; the text is the service's own."""


class Progress(NamedTuple):
    """Whether it is over, and else after how many seconds to look again."""

    over: bool
    poll_after: float = USUAL


def monitor_of(answer: Answer) -> str | None:
    """Where the work that *answer* speaks of can be watched; None where it is done."""
    if answer.status_code != 202:
        return None
    location = text_of(answer.headers.get("Location"))
    return location or path_of(_document(answer)) or text_of(below(_document(answer), "TaskMonitor"))


def poll_after(answer: Answer) -> float:
    """When to look next."""
    said = answer.headers.get("Retry-After")
    return min(LONGEST, max(SHORTEST, float(said))) if said is not None and said.isdecimal() and len(said) < 6 else USUAL


def look(session: RedfishSession, monitor: str) -> Progress:
    """See how the work at *monitor* is getting on. Raises TaskFailed.

    A monitor that is no longer there has done its duty: services remove it when the work is over.
    """
    try:
        answer = session.transport.get(monitor)
    except sushy.exceptions.ResourceNotFoundError:
        return Progress(True)
    document = _document(answer)
    state = below(document, "TaskState")
    if state in _FAILED or below(document, "TaskStatus") == "Critical":
        raise TaskFailed(f"the BMC's task ended as {state}: {_said(document)}")
    if answer.status_code == 202 or state in _RUNNING:
        return Progress(False, poll_after(answer))
    return Progress(True)


def _said(document: Any) -> str:
    texts = [text_of(one.get("Message")) for one in listed(below(document, "Messages"))]
    return "; ".join(text for text in texts if text) or "it does not say why"


def _document(answer: Answer) -> Any:
    try:
        return answer.json() if answer.content else None
    except ValueError:
        return None
