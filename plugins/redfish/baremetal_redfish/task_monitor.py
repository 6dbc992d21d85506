"""Tasks of a Redfish service: work that continues after the answer to the request.

DSP0266 lets a service answer with status 202 and the address of a task monitor. Services also answer with the task itself,
with a job, with the address in a message only, or with nothing. A task is done, failed, running or unknown. An unknown task is
never taken as done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import sushy.exceptions

from baremetal_interfaces import DriverError
from baremetal_interfaces.text import clean_text
from baremetal_redfish.errors import describe_error, is_busy
from baremetal_redfish.links import get_nested, get_objects, get_path, get_text
from baremetal_redfish.response import RedfishResponse
from baremetal_redfish.session import RedfishSession

MIN_POLL_INTERVAL_S = 1.0
"""Shortest poll interval, even if the service asks for a shorter one."""
MAX_POLL_INTERVAL_S = 60.0
"""Longest poll interval, even if the service asks for a longer one."""
DEFAULT_POLL_INTERVAL_S = 5.0
"""Poll interval if the service does not send ``Retry-After``."""
_MAX_WORDS_LENGTH = 600
"""Number of characters of the service's own words in an error."""

_DONE_STATES = frozenset({"completed"})
# UserIntervention waits for a person (Job schema, DSP2046), which a step cannot do. The others that are not in the Task
# schema are states of iDRAC jobs.
_FAILED_STATES = frozenset(
    {"exception", "killed", "cancelled", "canceled", "aborted", "failed", "failure", "error"}
    | {"userintervention", "completedwitherrors", "rebootfailed"}
)
_RUNNING_STATES = frozenset(
    {"new", "starting", "running", "suspended", "interrupted", "pending", "stopping", "service", "cancelling"}
    | {"continue", "validating"}
)
RESTART_STATES = frozenset({"scheduled", "readyforexecution", "rebootpending", "pendingreboot"})
"""States of iDRAC jobs that run at the next restart of the machine. ``TaskState`` has no such state."""
_RESTART_MESSAGES = ("ResetRequired", "RebootRequired")
"""Ends of message identifiers that ask for a restart of the machine: of the Base registry (DSP8011) and of iLO."""
_TASK_PATH = re.compile(r"/(?:Tasks|TaskMonitors?|Jobs)/[^/]+/?\Z", re.IGNORECASE)
_TASK_RESOURCE_PATH = re.compile(r"/(?:Tasks|Jobs)/[^/]+/?\Z", re.IGNORECASE)
_TASK_PATH_IN_TEXT = re.compile(r"/redfish/v1/[\w./-]*/(?:Tasks|TaskMonitors?|Jobs)/[\w-]+")


class TaskFailed(DriverError):
    """The service's task ended without success. The message contains the service's own texts."""


class TaskOutcome(StrEnum):
    """State of a service's task. ``UNKNOWN``: the service does not say, or in words that are not specified."""

    DONE = "done"
    FAILED = "failed"
    RUNNING = "running"
    UNKNOWN = "unknown"


class TaskReport(NamedTuple):
    """Report of a service about one of its tasks.

    *words* are the service's own words. *exists* is false if the service has no such task, or no longer. *state* is the task's
    state in lower case, empty without one. *awaits_restart* says that the task continues at the next restart of the machine.
    """

    outcome: TaskOutcome
    words: str
    poll_after: float = DEFAULT_POLL_INTERVAL_S
    exists: bool = True
    state: str = ""
    awaits_restart: bool = False


NO_TASK = TaskReport(TaskOutcome.UNKNOWN, "the BMC has named no task", exists=False)
"""Report about a request whose response named no task."""


def get_monitor(response: RedfishResponse) -> str | None:
    """Return the address of a response's task monitor, or None if the response names none.

    After status 202 the header ``Location`` has it. Other responses are searched for a task in the body and for an address
    that can only be a task's.
    """
    document = _parse_document(response)
    location = get_text(response.headers.get("Location"))
    if location and (response.status_code == 202 or _TASK_PATH.search(location)):
        return location
    if _is_task(document) or response.status_code == 202:
        found = get_text(get_nested(document, "TaskMonitor")) or get_path(document)
        if found:
            return found
    # Supermicro answers with a message whose argument is the path of the task.
    named = set(_TASK_PATH_IN_TEXT.findall(response.text)) if document is not None else set()
    return named.pop() if len(named) == 1 else None


def get_task_path(response: RedfishResponse) -> str | None:
    """Return the path of the task resource in a response's body, or None. It outlives the task monitor."""
    document = _parse_document(response)
    return get_path(document) if _is_task(document) else None


def get_poll_interval(response: RedfishResponse) -> float:
    """Return the seconds until the next poll: ``Retry-After`` within the limits, or the default without that header."""
    text = response.headers.get("Retry-After")
    if text is None or not text.isdecimal() or len(text) >= 6:
        return DEFAULT_POLL_INTERVAL_S
    return min(MAX_POLL_INTERVAL_S, max(MIN_POLL_INTERVAL_S, float(text)))


def read_task(session: RedfishSession, monitor: str) -> TaskReport:
    """Return the report of the task monitor, task or job at *monitor*.

    A missing monitor is unknown: services delete it when the response was read, when they restart, or when they forget the
    task. Errors of the connection, and of a busy service, are raised.
    """
    try:
        response = session.transport.get(monitor)
    except sushy.exceptions.HTTPError as exc:
        return _judge_error(exc)
    document = _parse_document(response)
    poll_after = get_poll_interval(response)
    if _is_task(document):
        report = judge_task(document)._replace(poll_after=poll_after)
        # Status 202 means that the operation goes on, whatever the task says (DSP0266, asynchronous operations).
        is_early = response.status_code == 202 and report.outcome is TaskOutcome.DONE
        return report._replace(outcome=TaskOutcome.RUNNING) if is_early else report
    words = _format_words(document) or f"the BMC answers with status {response.status_code}"
    if response.status_code == 202:
        return TaskReport(TaskOutcome.RUNNING, words, poll_after, awaits_restart=_asks_for_restart(document))
    return TaskReport(_judge_result(monitor, response, document), words, poll_after)


def judge_task(document: Mapping[str, Any]) -> TaskReport:
    """Return the report in the document of a task or job. The job in Dell's OEM part explains the state of its task."""
    job = _find_dell_job(document)
    state = _normalize(document.get("TaskState")) or _normalize(document.get("JobState"))
    job_state = _normalize(job.get("JobState"))
    status = get_text(document.get("TaskStatus")) or get_text(document.get("JobStatus"))
    words = _format_task(document, job)
    awaits_restart = state not in _DONE_STATES | {"running"} and (job_state in RESTART_STATES or _asks_for_restart(document))
    if state in _FAILED_STATES or job_state in _FAILED_STATES:
        outcome = TaskOutcome.FAILED
    elif state in _RUNNING_STATES:
        # TaskStatus is set only when the task has ended (DSP2046). Some services set it earlier.
        outcome = TaskOutcome.RUNNING
    elif status == "Critical" or (state in _DONE_STATES and status != "OK" and _has_critical_message(document)):
        outcome = TaskOutcome.FAILED
    elif state in _DONE_STATES:
        outcome = TaskOutcome.DONE
    else:
        outcome = TaskOutcome.UNKNOWN
    return TaskReport(outcome, words, state=state or job_state, awaits_restart=awaits_restart)


def _judge_error(exc: sushy.exceptions.HTTPError) -> TaskReport:
    """Return the report in an error response of a task monitor. Raises *exc* if it says nothing about the task."""
    words = clean_text(describe_error(exc), _MAX_WORDS_LENGTH)
    if exc.status_code in (404, 410):
        return TaskReport(TaskOutcome.UNKNOWN, f"the BMC no longer has the task ({words})", exists=False)
    if is_busy(exc) or exc.status_code in (401, 403):
        raise exc
    if exc.status_code in (400, 409, 412, 415, 422):
        # The monitor of a failed operation answers with the error of that operation (DSP0266, asynchronous operations).
        return TaskReport(TaskOutcome.FAILED, words)
    return TaskReport(TaskOutcome.UNKNOWN, words)


def _judge_result(monitor: str, response: RedfishResponse, document: Any) -> TaskOutcome:
    """Return the outcome for a response that is not a task: the response to the operation itself, from its monitor."""
    if response.status_code in (201, 204):
        return TaskOutcome.DONE
    messages = _list_messages(document)
    if messages:
        names = [str(message.get("MessageId", "")).rpartition(".")[2] for message in messages]
        return TaskOutcome.DONE if all(name in ("Success", "Created", "NoOperation") for name in names) else TaskOutcome.UNKNOWN
    if isinstance(document, dict) and "error" in document:
        return TaskOutcome.UNKNOWN
    # The resource of a task always has a state. Without one, a response at its path says nothing.
    return TaskOutcome.UNKNOWN if _TASK_RESOURCE_PATH.search(monitor) else TaskOutcome.DONE


def _is_task(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    kind = str(document.get("@odata.type", ""))
    return "TaskState" in document or "JobState" in document or kind.startswith(("#Task.", "#Job.", "#DellJob."))


def _find_dell_job(document: Mapping[str, Any]) -> Mapping[str, Any]:
    job = get_nested(document, "Oem", "Dell")
    return job if isinstance(job, dict) else {}


def _normalize(state: Any) -> str:
    return "".join(filter(str.isalpha, state)).lower() if isinstance(state, str) else ""


def _list_messages(document: Any) -> list[Mapping[str, Any]]:
    """Return the messages of a task or of the body of an error, with those that are nested in a message."""
    found: list[Mapping[str, Any]] = []
    for holder in (document, get_nested(document, "error")):
        for name in ("Messages", "@Message.ExtendedInfo"):
            for message in get_objects(get_nested(holder, name)):
                nested = get_objects(message.get("@Message.ExtendedInfo"))
                found += nested or [message]
    return found


def _asks_for_restart(document: Any) -> bool:
    return any(str(message.get("MessageId", "")).endswith(_RESTART_MESSAGES) for message in _list_messages(document))


def _has_critical_message(document: Any) -> bool:
    severities = ((message.get("MessageSeverity"), message.get("Severity")) for message in _list_messages(document))
    return any("Critical" in severity for severity in severities)


def _format_task(document: Mapping[str, Any], job: Mapping[str, Any]) -> str:
    """Return the state of a task and its messages, as the service words them."""
    names = ("TaskState", "JobState", "TaskStatus", "JobStatus", "PercentComplete")
    parts = [f"{name} {_format_value(document[name])}" for name in names if name in document]
    if get_text(job.get("JobState")):
        parts.append(f"JobState {_format_value(job['JobState'])} ({get_text(job.get('Message')) or 'no message'})")
    words = ", ".join(parts) or "no TaskState"
    messages = _format_words(document)
    return clean_text(f"{words}: {messages}" if messages else words, _MAX_WORDS_LENGTH)


def _format_value(value: Any) -> str:
    return value if isinstance(value, str) else "null" if value is None else repr(value)


def _format_words(document: Any) -> str:
    texts = [get_text(message.get("Message")) or get_text(message.get("MessageId")) or "" for message in _list_messages(document)]
    found = list(dict.fromkeys(text for text in texts if text))
    if not found:
        found = [get_text(get_nested(document, "error", "message")) or ""]
    return clean_text("; ".join(found), _MAX_WORDS_LENGTH)


def _parse_document(response: RedfishResponse) -> Any:
    try:
        return response.json() if response.content else None
    except ValueError:
        return None
