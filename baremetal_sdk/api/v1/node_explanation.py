"""``/v1/nodes/{node}/explain``: why a node is as it is, what happens next, and what an operator can do."""

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

_LOOKED_AT = 1000
"""Changes of states that are looked at, of all nodes that the caller may see, to tell what is usual."""
_OUTCOMES = (("done", "when the work succeeds"), ("resume", "when what it waits for comes"), ("fail", "when it fails"))
_LONG = 3.0
"""How many times the usual time is long."""


class NodeReservation(TypedDict):
    """Who works on a node, and for what."""

    conductor: str
    purpose: str | None
    since: datetime | None
    expires_at: datetime


class RunningStep(TypedDict):
    """The step that a run is at."""

    interface: str | None
    step: str | None
    priority: int | None
    abortable: bool | None
    number: int
    of: int
    attempt: int
    waits: bool


class Stay(TypedDict):
    """The time in a provision state, against what is usual."""

    since: datetime | None
    seconds: float | None
    usual_seconds: float | None
    observed: int


class DriverCall(TypedDict):
    """A call of a driver, as it ended; *bmc* is the address that it spoke to, if it did."""

    interface: str
    method: str
    bmc: NotRequired[str | None]
    outcome: str
    seconds: float
    ended_at: datetime


class Breaker(TypedDict):
    """Whether a BMC is asked at the moment."""

    bmc: str
    refused_logins: int
    backed_off_seconds: float


class BMCs(TypedDict):
    """What a node's conductor knows of its BMCs; *unknown* is why it cannot be asked, where it cannot."""

    calls: list[DriverCall]
    breakers: list[Breaker]
    unknown: NotRequired[str]


class Explanation(TypedDict):
    """A node, explained."""

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
    """A node, explained."""

    @route("GET", "/v1/nodes/{node}/explain", policy="baremetal:node:explain", role="owner-reader")
    def explain(self, request: APIRequest) -> Explanation:
        """Tell who holds a node, its running step, its BMC, its time in this state, what comes next, and what to do."""
        node = request.node()
        held, bmc, stay = _held(request, node), _bmc(request, node), _stay(request, node)
        return {
            "uuid": node.uuid,
            "name": node.name,
            "provision_state": node.provision_state,
            "target_provision_state": node.target_provision_state,
            "power_state": node.power_state,
            "power_observed_at": node.power_observed_at,
            "power_observed_by": node.power_source,
            "last_error": node.last_error,
            "held_by": held,
            "step": _step(node),
            "in_state": stay,
            "bmc": bmc,
            "next": list(_next(node, held)),
            "verbs": states.allowed_verbs(node.provision_state),
            "advice": list(_advice(node, held, bmc, stay)),
        }


def _held(request: APIRequest, node: NodeRecord) -> NodeReservation | None:
    if node.lease_holder is None or node.lease_expires_at is None or node.lease_expires_at <= request.backend.clock.now():
        return None
    return {
        "conductor": node.lease_holder.rpartition("/")[0],
        "purpose": node.lease_purpose,
        "since": node.lease_since,
        "expires_at": node.lease_expires_at,
    }


def _step(node: NodeRecord) -> RunningStep | None:
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


def _bmc(request: APIRequest, node: NodeRecord) -> BMCs:
    try:
        known = request.rpc("explain_node", node=node.uuid) or {}
        return {"calls": known.get("calls", []), "breakers": known.get("breakers", [])}
    except BareMetalError as exc:
        return {"calls": [], "breakers": [], "unknown": exc.message}


def _stay(request: APIRequest, node: NodeRecord) -> Stay:
    since = node.provision_updated_at or node.created_at
    seconds = None if since is None else max(0.0, (request.backend.clock.now() - since).total_seconds())
    usual = [] if node.provision_state in states.STABLE else _durations(request, node.provision_state)
    return {
        "since": since,
        "seconds": seconds,
        "usual_seconds": statistics.median(usual) if usual else None,
        "observed": len(usual),
    }


def _durations(request: APIRequest, state: str) -> list[int]:
    newest = Query(
        where={"event_type": "provisioning"},
        fields=("event", "duration_seconds"),
        limit=_LOOKED_AT,
        sort_key="created_at",
        sort_dir="desc",
    )
    left = f"provision state '{state}' -> "
    rows = request.backend.store.records(NodeHistoryRecord, newest, scope=request.scope)
    return [row["duration_seconds"] for row in rows if row["duration_seconds"] is not None and row["event"].startswith(left)]


def _next(node: NodeRecord, held: NodeReservation | None) -> Iterator[str]:
    """What happens when nobody does anything."""
    state = node.provision_state
    if state in states.STABLE:
        yield f"it stays '{state}' until a client asks for something else"
        return
    if state in states.WORKING and held is None:
        yield "nobody works on it: a conductor that looks for such nodes takes it up, or ends it in the state of failure"
    for event, when in _OUTCOMES:
        after = states.next_state(state, event)
        if after is not None:
            yield f"{when}, it becomes '{after}'"


def _advice(node: NodeRecord, held: NodeReservation | None, bmc: BMCs, stay: Stay) -> Iterator[str]:
    """What an operator can do, the most pressing first."""
    for breaker in bmc["breakers"]:
        if breaker["refused_logins"]:
            yield f"{breaker['bmc']} refused the credentials: correct them in driver_info, or give them anew if they are right"
        if breaker["backed_off_seconds"]:
            wait = breaker["backed_off_seconds"]
            yield f"{breaker['bmc']} does not answer: see that it can be reached; it is tried again in {wait:.0f} s"
    if "unknown" in bmc:
        yield "its conductor cannot be asked: see that one runs which offers its driver, in its conductor group"
    if node.maintenance:
        reason = f" ({node.maintenance_reason})" if node.maintenance_reason else ""
        yield f"it is in maintenance{reason}: DELETE /v1/nodes/{node.uuid}/maintenance when that is over"
    if node.last_error:
        yield "see last_error for what went wrong, and GET .../history for when"
    if stay["usual_seconds"] and stay["seconds"] and stay["seconds"] > _LONG * max(1.0, stay["usual_seconds"]):
        usual = f"usually that takes {stay['usual_seconds']:.0f} s"
        yield f"it has been '{node.provision_state}' for {stay['seconds']:.0f} s, and {usual}"
    if "abort" in states.allowed_verbs(node.provision_state):
        yield "the verb 'abort' ends what is going on"
    if held is not None:
        until = f"until '{held['purpose']}' on {held['conductor']} is over"
        yield f"changes are refused with 409 {until}; its lease ends by itself if that conductor dies"
