"""Operation of a BMC that a step waits for: its stored state, its polls, and the restart of the machine that it needs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import sushy.exceptions

from baremetal_interfaces import BMCBusy, BMCUnreachable, DriverError, InvalidInput, PowerState, Task, UnexpectedAnswer, Wait
from baremetal_interfaces.http import HTTPSessionError
from baremetal_interfaces.steady_time import steady_time
from baremetal_redfish.links import get_nested, get_text
from baremetal_redfish.response import RedfishResponse
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.task_monitor import (
    NO_TASK,
    RESTART_STATES,
    TaskFailed,
    TaskOutcome,
    TaskReport,
    get_monitor,
    get_task_path,
    read_task,
)

LOG = logging.getLogger(__name__)
RETRY_INTERVAL_S = 30.0
"""Time between two polls of a BMC that does not answer or is not ready."""
MAX_STAGING_S = 120.0
"""Longest time for which a change for the next restart may stay new. A restart before it is staged would not apply it."""
TRANSIENT_ERRORS = (sushy.exceptions.ConnectionError, sushy.exceptions.ServerSideError, HTTPSessionError, BMCUnreachable, BMCBusy)
"""Errors of a BMC that is busy or restarts. They say nothing about an operation."""

# BootProgress.LastState (ComputerSystem schema, DSP2046) and HPE's PostState during the power-on self-test.
_SELF_TEST_STATES = frozenset(
    {
        "PrimaryProcessorInitializationStarted",
        "BusInitializationStarted",
        "MemoryInitializationStarted",
        "SecondaryProcessorInitializationStarted",
        "PCIResourceConfigStarted",
    }
)
_HPE_SELF_TEST_STATES = frozenset({"InPost", "Reset"})


def build_state(response: RedfishResponse, timeout: float) -> dict[str, Any]:
    """Return the stored state of an operation that *response* started, with *timeout* seconds for it. Its values are JSON.

    A step may add ``on_reset``: the change was requested for the next restart. :func:`poll_operation` adds ``restarted`` and
    the BMC's last ``words``.
    """
    now = steady_time()
    return {"monitor": get_monitor(response), "task": get_task_path(response), "asked_at": now, "until": now + timeout}


def poll_operation(
    session: RedfishSession,
    task: Task,
    state: Mapping[str, Any],
    *,
    name: str,
    system_path: str | None,
    is_effective: Callable[[], bool],
) -> Wait | None:
    """Return None if the operation in *state* is done, else a Wait. *name* stands for the operation in errors.

    The BMC's task decides. If the BMC has none, or no longer, *is_effective* does: it reads whether the change is there. If the
    task says that it continues at the next restart, or the change was requested for it (``on_reset``), the machine is restarted
    once. Raises TaskFailed if the task has failed, and DriverError with the BMC's own words after the time of the operation.
    """
    report = read_report(session, state)
    if report.outcome is TaskOutcome.DONE:
        return None
    if report.outcome is TaskOutcome.FAILED:
        raise TaskFailed(f"{name} failed: the BMC's task says: {report.words}")
    next_state = {**state, "words" if report.exists else "missing": report.words}
    if not state.get("restarted") and _wants_restart(report, state):
        # Before the restart a change for the next restart is only stored, whatever the resources show.
        return restart(session, task, next_state, name=name, system_path=system_path)
    if not report.exists and is_effective():
        return None
    return wait(next_state, report.poll_after, name=name)


def read_report(session: RedfishSession, state: Mapping[str, Any]) -> TaskReport:
    """Return the report about the operation in *state*: from the monitor, or from the task if the monitor is missing."""
    report = NO_TASK
    for path in dict.fromkeys((state.get("monitor"), state.get("task"))):
        if path:
            report = read_task(session, str(path))
            if report.exists:
                return report
    return report


def wait(state: Mapping[str, Any], seconds: float, *, name: str) -> Wait:
    """Return a Wait for the operation in *state*. Raises DriverError with the BMC's last words if its time is over."""
    if steady_time() > float(state.get("until", 0.0)):
        said = [str(state[key]) for key in ("words", "missing") if state.get(key)]
        words = "; ".join(said) or "the BMC has said nothing about it"
        raise DriverError(f"{name} did not finish in time; check the BMC before the next attempt: {words}")
    return Wait(poll_after=seconds, state=dict(state))


def restart(session: RedfishSession, task: Task, state: Mapping[str, Any], *, name: str, system_path: str | None) -> Wait:
    """Restart the machine and return a Wait whose state has ``restarted``. Wait first if the machine cannot be restarted yet."""
    if is_in_self_test(session, system_path):
        return wait({**state, "words": "the machine is in its power-on self-test"}, RETRY_INTERVAL_S, name=name)
    try:
        task.power.set(PowerState.REBOOT)
    except TRANSIENT_ERRORS as exc:
        return wait({**state, "words": str(exc)}, RETRY_INTERVAL_S, name=name)
    now = steady_time()
    return Wait(poll_after=RETRY_INTERVAL_S, state={**state, "restarted": True, "restarted_at": now})


def is_in_self_test(session: RedfishSession, system_path: str | None) -> bool:
    """Return whether the BMC reports that the machine is in its power-on self-test, where a restart may damage an update."""
    system = read_if_available(lambda: session.read_document(system_path)) or {}
    hpe = get_text(get_nested(system, "Oem", "Hpe", "PostState"))
    return get_text(get_nested(system, "BootProgress", "LastState")) in _SELF_TEST_STATES or hpe in _HPE_SELF_TEST_STATES


def read_if_available(read: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    """Return the document that *read* reads, or None if the BMC refuses it. Errors of the connection are raised."""
    try:
        return read()
    except (sushy.exceptions.HTTPError, InvalidInput, UnexpectedAnswer) as exc:
        LOG.info("An optional document of the BMC could not be read: %s", exc)
        return None


def _wants_restart(report: TaskReport, state: Mapping[str, Any]) -> bool:
    """Return whether the task continues only after a restart, and is ready for it."""
    if report.awaits_restart:
        return True
    if not state.get("on_reset") or report.state == "running":
        return False
    # An iDRAC job is new until it is staged, and only then waits for the restart. Other services do not show the difference.
    is_staged = report.state in RESTART_STATES or (report.outcome is TaskOutcome.RUNNING and report.state != "new")
    return is_staged or not report.exists or steady_time() > float(state.get("asked_at", 0.0)) + MAX_STAGING_S
