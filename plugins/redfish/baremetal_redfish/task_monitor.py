"""Tasks of a Redfish service: requests answered with status 202, which continue in the background.

The response names a task monitor, which is polled until the task is done.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import sushy.exceptions

from baremetal_interfaces import DriverError
from baremetal_redfish.links import get_nested, get_objects, get_path, get_text
from baremetal_redfish.response import RedfishResponse
from baremetal_redfish.session import RedfishSession

MIN_POLL_INTERVAL_S = 1.0
"""Shortest poll interval, even if the service asks for a shorter one."""
MAX_POLL_INTERVAL_S = 60.0
"""Longest poll interval, even if the service asks for a longer one."""
DEFAULT_POLL_INTERVAL_S = 5.0
"""Poll interval if the service does not send ``Retry-After``."""

_FAILED_STATES = frozenset({"Exception", "Killed", "Cancelled"})
_RUNNING_STATES = frozenset(
    {"New", "Starting", "Running", "Suspended", "Interrupted", "Pending", "Stopping", "Service", "Cancelling"}
)


class TaskFailed(DriverError):
    """The service's task ended without success. The message contains the service's own texts."""


class Progress(NamedTuple):
    """Progress of a service's task: whether it is done, and the seconds until the next poll if not."""

    is_done: bool
    poll_after: float = DEFAULT_POLL_INTERVAL_S


def get_monitor(response: RedfishResponse) -> str | None:
    """Return the address of a response's task monitor, or None if the request is complete."""
    if response.status_code != 202:
        return None
    location = get_text(response.headers.get("Location"))
    document = _parse_document(response)
    return location or get_path(document) or get_text(get_nested(document, "TaskMonitor"))


def get_poll_interval(response: RedfishResponse) -> float:
    """Return the seconds until the next poll: ``Retry-After`` within the limits, or the default without that header."""
    text = response.headers.get("Retry-After")
    if text is None or not text.isdecimal() or len(text) >= 6:
        return DEFAULT_POLL_INTERVAL_S
    return min(MAX_POLL_INTERVAL_S, max(MIN_POLL_INTERVAL_S, float(text)))


def poll_monitor(session: RedfishSession, monitor: str) -> Progress:
    """Return the progress of the service's task behind *monitor*. Raises TaskFailed if the task has failed.

    A missing monitor counts as done, because services delete it when the task is complete.
    """
    try:
        response = session.transport.get(monitor)
    except sushy.exceptions.ResourceNotFoundError:
        return Progress(True)
    document = _parse_document(response)
    state = get_nested(document, "TaskState")
    if state in _FAILED_STATES or get_nested(document, "TaskStatus") == "Critical":
        raise TaskFailed(f"the BMC's task ended as {state}: {_format_messages(document)}")
    if response.status_code == 202 or state in _RUNNING_STATES:
        return Progress(False, get_poll_interval(response))
    return Progress(True)


def _format_messages(document: Any) -> str:
    texts = [get_text(message.get("Message")) for message in get_objects(get_nested(document, "Messages"))]
    return "; ".join(text for text in texts if text) or "the BMC gives no reason"


def _parse_document(response: RedfishResponse) -> Any:
    try:
        return response.json() if response.content else None
    except ValueError:
        return None
