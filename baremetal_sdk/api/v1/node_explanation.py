"""API resource ``/v1/nodes/{node}/explain``: the current work on a node, the reason for its state, and advice."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from datetime import datetime
from typing import NotRequired, TypedDict

from baremetal_interfaces import BareMetalError
from baremetal_sdk import states
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.schemas import UUIDText
from baremetal_sdk.store.records.hardware import NodeHistoryRecord
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import Query

_MAX_HISTORY_ENTRIES = 1000
"""Maximum number of history entries that are read to compute the usual time in a state. They are of all visible nodes."""
_OUTCOMES = (
    ("done", "when the work succeeds"),
    ("resume", "when the awaited event arrives"),
    ("fail", "when the work fails"),
)
"""Events of the state machine, each with the condition that the response names."""
_LONG_STAY_FACTOR = 3.0
"""A time in a state is reported as long if it exceeds the usual time by this factor."""


class NodeReservation(TypedDict):
    """The lease of a node: the conductor that holds it, its purpose and its times."""

    conductor: str
    purpose: str | None
    since: datetime | None
    expires_at: datetime


class RunningStep(TypedDict):
    """The current step of a node, as number *number* of *of* steps. *waits* is true while it waits for an agent or a client."""

    interface: str | None
    step: str | None
    priority: int | None
    abortable: bool | None
    number: int
    of: int
    attempt: int
    waits: bool


class Stay(TypedDict):
    """The time in the current provision state.

    *usual_seconds* is the median of *observed* earlier stays of all visible nodes in that state.
    """

    since: datetime | None
    seconds: float | None
    usual_seconds: float | None
    observed: int


class DriverCall(TypedDict):
    """A finished call of the driver. *bmc* is the address of the BMC, if the call used one."""

    interface: str
    method: str
    bmc: NotRequired[str | None]
    outcome: str
    seconds: float
    ended_at: datetime


class Breaker(TypedDict):
    """The circuit breakers of a BMC: the number of rejected logins, and the seconds until the next attempt to connect."""

    bmc: str
    refused_logins: int
    backed_off_seconds: float


class BMCs(TypedDict):
    """The recent driver calls and the circuit breakers that the conductor of a node reports for its BMCs.

    If the conductor does not answer, both lists are empty and *unknown* is the error. Otherwise *unknown* is missing.
    """

    calls: list[DriverCall]
    breakers: list[Breaker]
    unknown: NotRequired[str]


class Explanation(TypedDict):
    """The response: the state of a node, its current work, the possible next states, and advice for the operator."""

    uuid: UUIDText
    name: str | None
    provision_state: str
    target_provision_state: str | None
    power_state: str | None
    power_observed_at: datetime | None
    power_observed_by: str | None
    last_error: str | None
    held_by: NodeReservation | None
    step: RunningStep | None
    in_state: Stay
    bmc: BMCs
    next: list[str]
    verbs: list[str]
    advice: list[str]


class NodeExplanationResource:
    """Route that explains the state of a node."""

    @route("GET", "/v1/nodes/{node}/explain", policy="baremetal:node:explain", role="owner-reader")
    def explain(self, request: APIRequest) -> Explanation:
        """Explain the state of a node: its lease, running step, BMC, time in the state, next states, and advice."""
        node = request.node()
        reservation = _describe_reservation(request, node)
        bmcs = _describe_bmcs(request, node)
        stay = _describe_stay(request, node)
        return {
            "uuid": node.uuid,
            "name": node.name,
            "provision_state": node.provision_state,
            "target_provision_state": node.target_provision_state,
            "power_state": node.power_state,
            "power_observed_at": node.power_observed_at,
            "power_observed_by": node.power_source,
            "last_error": node.last_error,
            "held_by": reservation,
            "step": _describe_step(node),
            "in_state": stay,
            "bmc": bmcs,
            "next": list(_describe_next_states(node, reservation)),
            "verbs": states.allowed_verbs(node.provision_state),
            "advice": list(_give_advice(node, reservation=reservation, bmcs=bmcs, stay=stay)),
        }


def _describe_reservation(request: APIRequest, node: NodeRecord) -> NodeReservation | None:
    """Return the lease of the node, or None if the node has no lease or the lease has expired."""
    if node.lease_holder is None or node.lease_expires_at is None or node.lease_expires_at <= request.backend.clock.now():
        return None
    return {
        "conductor": node.lease_holder.rpartition("/")[0],
        "purpose": node.lease_purpose,
        "since": node.lease_since,
        "expires_at": node.lease_expires_at,
    }


def _describe_step(node: NodeRecord) -> RunningStep | None:
    """Return the current step, or None if the node runs no steps."""
    if node.run_id is None or node.run_index is None or node.run_index >= len(node.run_steps):
        return None
    step = node.run_steps[node.run_index]
    return {
        "interface": step.get("interface"),
        "step": step.get("step"),
        "priority": step.get("priority"),
        "abortable": step.get("abortable"),
        "number": node.run_index + 1,
        "of": len(node.run_steps),
        "attempt": node.run_attempt,
        "waits": node.provision_state in states.WAITING,
    }


def _describe_bmcs(request: APIRequest, node: NodeRecord) -> BMCs:
    """Return the calls and breakers from the node's conductor. An error of the call is part of the result."""
    try:
        known = request.rpc("explain_node", node=node.uuid) or {}
        return {"calls": known.get("calls", []), "breakers": known.get("breakers", [])}
    except BareMetalError as exc:
        return {"calls": [], "breakers": [], "unknown": exc.message}


def _describe_stay(request: APIRequest, node: NodeRecord) -> Stay:
    """Return the time in the current provision state. Stable states have no usual time, because clients end them."""
    since = node.provision_updated_at or node.created_at
    seconds = None if since is None else max(0.0, (request.backend.clock.now() - since).total_seconds())
    durations = [] if node.provision_state in states.STABLE else _read_durations(request, node.provision_state)
    return {
        "since": since,
        "seconds": seconds,
        "usual_seconds": statistics.median(durations) if durations else None,
        "observed": len(durations),
    }


def _read_durations(request: APIRequest, state: str) -> list[int]:
    """Return the durations in seconds of the latest stays in *state*, for all nodes that the caller may see."""
    newest = Query(
        where={"event_type": "provisioning"},
        fields=("event", "duration_seconds"),
        limit=_MAX_HISTORY_ENTRIES,
        sort_key="created_at",
        sort_dir="desc",
    )
    # Only the text of the event names the state that the node left.
    prefix = f"provision state '{state}' -> "
    rows = request.backend.store.records(NodeHistoryRecord, newest, scope=request.scope)
    return [row["duration_seconds"] for row in rows if row["duration_seconds"] is not None and row["event"].startswith(prefix)]


def _describe_next_states(node: NodeRecord, reservation: NodeReservation | None) -> Iterator[str]:
    """Yield sentences about the next states that the node can reach without a client, each with its condition."""
    state = node.provision_state
    if state in states.STABLE:
        yield f"the node stays '{state}' until a client requests a change"
        return
    if state in states.WORKING and reservation is None:
        yield "no conductor works on the node: a conductor will resume the work or end it in the failure state"
    for event, condition in _OUTCOMES:
        next_state = states.next_state(state, event)
        if next_state is not None:
            yield f"{condition}, the node becomes '{next_state}'"


def _give_advice(node: NodeRecord, *, reservation: NodeReservation | None, bmcs: BMCs, stay: Stay) -> Iterator[str]:
    """Yield advice for the operator, the most urgent first."""
    for breaker in bmcs["breakers"]:
        address = breaker["bmc"]
        if breaker["refused_logins"]:
            yield f"{address} refused the credentials: correct them in driver_info, or set them again if they are right"
        if breaker["backed_off_seconds"]:
            wait = breaker["backed_off_seconds"]
            yield f"{address} does not answer: check that it can be reached; the next attempt is in {wait:.0f} s"
    if "unknown" in bmcs:
        yield "no conductor answers for the node: check that one runs which offers its driver in its conductor group"
    if node.maintenance:
        reason = f" ({node.maintenance_reason})" if node.maintenance_reason else ""
        yield f"the node is in maintenance{reason}: DELETE /v1/nodes/{node.uuid}/maintenance to end it"
    if node.last_error:
        yield "the last operation failed: read last_error for the reason, and GET .../history for the time"
    if stay["usual_seconds"] and stay["seconds"] and stay["seconds"] > _LONG_STAY_FACTOR * max(1.0, stay["usual_seconds"]):
        usual = f"usually that takes {stay['usual_seconds']:.0f} s"
        yield f"the node has been '{node.provision_state}' for {stay['seconds']:.0f} s; {usual}"
    if "abort" in states.allowed_verbs(node.provision_state):
        yield "the verb 'abort' ends the current work"
    if reservation is not None:
        work = f"'{reservation['purpose']}' on {reservation['conductor']}"
        yield f"changes are refused with status 409 until {work} ends; if that conductor dies, its lease expires"
