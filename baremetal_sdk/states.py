"""Provision states, the transitions between them, and the verbs of clients. All names are those of the Bare Metal API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from baremetal_interfaces import Kind, Phase

ENROLL = "enroll"
VERIFYING = "verifying"
MANAGEABLE = "manageable"
AVAILABLE = "available"
INSPECTING = "inspecting"
INSPECTWAIT = "inspect wait"
INSPECTFAIL = "inspect failed"
CLEANING = "cleaning"
CLEANWAIT = "clean wait"
CLEANHOLD = "clean hold"
CLEANFAIL = "clean failed"
DEPLOYING = "deploying"
DEPLOYWAIT = "wait call-back"
DEPLOYHOLD = "deploy hold"
DEPLOYFAIL = "deploy failed"
ACTIVE = "active"
DELETING = "deleting"
ERROR = "error"
ADOPTING = "adopting"
ADOPTFAIL = "adopt failed"
RESCUE = "rescue"
RESCUING = "rescuing"
RESCUEWAIT = "rescue wait"
RESCUEFAIL = "rescue failed"
UNRESCUING = "unrescuing"
UNRESCUEFAIL = "unrescue failed"
SERVICING = "servicing"
SERVICEWAIT = "service wait"
SERVICEHOLD = "service hold"
SERVICEFAIL = "service failed"


class Transition(NamedTuple):
    """A transition between provision states: in *state*, *event* leads to the state *to*."""

    state: str
    event: str
    to: str


TRANSITIONS: tuple[Transition, ...] = (
    Transition(ENROLL, "manage", VERIFYING),
    Transition(VERIFYING, "done", MANAGEABLE),
    Transition(VERIFYING, "fail", ENROLL),
    Transition(MANAGEABLE, "provide", CLEANING),
    Transition(MANAGEABLE, "clean", CLEANING),
    Transition(MANAGEABLE, "inspect", INSPECTING),
    Transition(MANAGEABLE, "adopt", ADOPTING),
    Transition(AVAILABLE, "deploy", DEPLOYING),
    Transition(AVAILABLE, "manage", MANAGEABLE),
    Transition(DEPLOYING, "done", ACTIVE),
    Transition(DEPLOYING, "fail", DEPLOYFAIL),
    Transition(DEPLOYING, "wait", DEPLOYWAIT),
    Transition(DEPLOYING, "hold", DEPLOYHOLD),
    Transition(DEPLOYWAIT, "resume", DEPLOYING),
    Transition(DEPLOYWAIT, "fail", DEPLOYFAIL),
    Transition(DEPLOYWAIT, "abort", DEPLOYFAIL),
    Transition(DEPLOYWAIT, "hold", DEPLOYHOLD),
    Transition(DEPLOYWAIT, "delete", DELETING),
    Transition(DEPLOYHOLD, "unhold", DEPLOYWAIT),
    Transition(DEPLOYHOLD, "abort", DEPLOYFAIL),
    Transition(DEPLOYFAIL, "deploy", DEPLOYING),
    Transition(DEPLOYFAIL, "rebuild", DEPLOYING),
    Transition(DEPLOYFAIL, "delete", DELETING),
    Transition(ACTIVE, "rebuild", DEPLOYING),
    Transition(ACTIVE, "delete", DELETING),
    Transition(ACTIVE, "rescue", RESCUING),
    Transition(ACTIVE, "service", SERVICING),
    Transition(DELETING, "clean", CLEANING),
    Transition(DELETING, "fail", ERROR),
    Transition(ERROR, "rebuild", DEPLOYING),
    Transition(ERROR, "delete", DELETING),
    Transition(CLEANING, "done", AVAILABLE),
    Transition(CLEANING, "manage", MANAGEABLE),
    Transition(CLEANING, "fail", CLEANFAIL),
    Transition(CLEANING, "wait", CLEANWAIT),
    Transition(CLEANING, "hold", CLEANHOLD),
    Transition(CLEANWAIT, "resume", CLEANING),
    Transition(CLEANWAIT, "fail", CLEANFAIL),
    Transition(CLEANWAIT, "abort", CLEANFAIL),
    Transition(CLEANWAIT, "hold", CLEANHOLD),
    Transition(CLEANHOLD, "unhold", CLEANWAIT),
    Transition(CLEANHOLD, "abort", CLEANFAIL),
    Transition(CLEANFAIL, "manage", MANAGEABLE),
    Transition(INSPECTING, "done", MANAGEABLE),
    Transition(INSPECTING, "fail", INSPECTFAIL),
    Transition(INSPECTING, "wait", INSPECTWAIT),
    Transition(INSPECTWAIT, "done", MANAGEABLE),
    Transition(INSPECTWAIT, "resume", INSPECTING),
    Transition(INSPECTWAIT, "fail", INSPECTFAIL),
    Transition(INSPECTWAIT, "abort", INSPECTFAIL),
    Transition(INSPECTFAIL, "manage", MANAGEABLE),
    Transition(INSPECTFAIL, "inspect", INSPECTING),
    Transition(ADOPTING, "done", ACTIVE),
    Transition(ADOPTING, "fail", ADOPTFAIL),
    Transition(ADOPTFAIL, "adopt", ADOPTING),
    Transition(ADOPTFAIL, "manage", MANAGEABLE),
    Transition(RESCUING, "done", RESCUE),
    Transition(RESCUING, "wait", RESCUEWAIT),
    Transition(RESCUING, "fail", RESCUEFAIL),
    Transition(RESCUEWAIT, "resume", RESCUING),
    Transition(RESCUEWAIT, "fail", RESCUEFAIL),
    Transition(RESCUEWAIT, "abort", RESCUEFAIL),
    Transition(RESCUEWAIT, "delete", DELETING),
    Transition(RESCUE, "rescue", RESCUING),
    Transition(RESCUE, "unrescue", UNRESCUING),
    Transition(RESCUE, "delete", DELETING),
    Transition(RESCUEFAIL, "rescue", RESCUING),
    Transition(RESCUEFAIL, "unrescue", UNRESCUING),
    Transition(RESCUEFAIL, "delete", DELETING),
    Transition(UNRESCUING, "done", ACTIVE),
    Transition(UNRESCUING, "fail", UNRESCUEFAIL),
    Transition(UNRESCUEFAIL, "rescue", RESCUING),
    Transition(UNRESCUEFAIL, "unrescue", UNRESCUING),
    Transition(UNRESCUEFAIL, "delete", DELETING),
    Transition(SERVICING, "done", ACTIVE),
    Transition(SERVICING, "fail", SERVICEFAIL),
    Transition(SERVICING, "wait", SERVICEWAIT),
    Transition(SERVICING, "hold", SERVICEHOLD),
    Transition(SERVICEWAIT, "resume", SERVICING),
    Transition(SERVICEWAIT, "fail", SERVICEFAIL),
    Transition(SERVICEWAIT, "abort", SERVICEFAIL),
    Transition(SERVICEWAIT, "hold", SERVICEHOLD),
    Transition(SERVICEWAIT, "delete", DELETING),
    Transition(SERVICEHOLD, "service", SERVICING),
    Transition(SERVICEHOLD, "unhold", SERVICEWAIT),
    Transition(SERVICEHOLD, "fail", SERVICEFAIL),
    Transition(SERVICEHOLD, "abort", SERVICEFAIL),
    Transition(SERVICEFAIL, "service", SERVICING),
    Transition(SERVICEFAIL, "rescue", RESCUING),
    Transition(SERVICEFAIL, "wait", SERVICEWAIT),
    Transition(SERVICEFAIL, "hold", SERVICEHOLD),
    Transition(SERVICEFAIL, "delete", DELETING),
    Transition(SERVICEFAIL, "abort", ACTIVE),
)
"""All transitions, grouped by state. The table and the diagram in the documentation are generated from them."""

_NEXT_STATES = MappingProxyType({(row.state, row.event): row.to for row in TRANSITIONS})

STATES = frozenset(row.state for row in TRANSITIONS)
STABLE = frozenset({ENROLL, MANAGEABLE, AVAILABLE, ACTIVE, ERROR, RESCUE})
"""States in which a node stays until a client requests a transition."""

WORKING = frozenset({VERIFYING, INSPECTING, CLEANING, DEPLOYING, DELETING, ADOPTING, RESCUING, UNRESCUING, SERVICING})
"""States in which a task works on the node under a lease. Without a live lease, the task's conductor has died."""

WAITING = frozenset({INSPECTWAIT, CLEANWAIT, DEPLOYWAIT, RESCUEWAIT, SERVICEWAIT})
"""States in which no task holds the node and its work waits for an event or for the next poll."""

DELETE_ALLOWED = frozenset({ENROLL, MANAGEABLE, ADOPTFAIL})
"""States in which a node may be deleted. An option adds ``available``; maintenance allows every state."""

_DEPLOY_KINDS = (Kind.POWER, Kind.MANAGEMENT, Kind.BOOT, Kind.DEPLOY)
_RESCUE_KINDS = (Kind.POWER, Kind.MANAGEMENT, Kind.BOOT, Kind.RESCUE)


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A verb of clients (``target`` in ``PUT states/provision``), with all its rules that do not depend on a driver."""

    name: str
    event: str
    """The event in :data:`TRANSITIONS`. Two verbs may share one: ``active`` and ``deploy`` are synonyms."""
    goal: str | None = None
    """The stable state to which the verb finally leads. None: the node keeps its present target state."""
    kinds: tuple[Kind, ...] = ()
    """The interfaces whose ``driver_info`` must be valid before the verb starts."""
    allowed_in_maintenance: bool = True
    allowed_when_protected: bool = True
    allowed_when_retired: bool = True
    step_phase: Phase | None = None
    """The phase of the steps, if only the steps in the request run. None for deployments, whose request only changes the
    automatic steps of the driver, and for verbs without steps."""
    needs_handler: bool = True
    """False for ``abort`` and ``unhold``: they end or release a wait, and the states that they lead to have no handler."""
    since: int = 1
    """The minor number of the first microversion that has the verb."""
    arguments: Mapping[str, int] = field(default_factory=dict)
    """Argument of the request -> the minor number of the first microversion that accepts it."""
    exactly_one_of: tuple[str, ...] = ()
    """Arguments of which a request must have exactly one."""


_VERB_ROWS = (
    Verb(name="abort", event="abort", needs_handler=False, since=13),
    Verb(
        name="active",
        event="deploy",
        goal=ACTIVE,
        kinds=_DEPLOY_KINDS,
        allowed_in_maintenance=False,
        since=1,
        arguments={"configdrive": 1, "deploy_steps": 69},
    ),
    Verb(name="adopt", event="adopt", goal=ACTIVE, kinds=(Kind.POWER,), since=17),
    Verb(
        name="clean",
        event="clean",
        goal=MANAGEABLE,
        kinds=(Kind.POWER,),
        step_phase=Phase.CLEAN,
        since=15,
        arguments={"clean_steps": 15, "disable_ramdisk": 70, "runbook": 92},
        exactly_one_of=("clean_steps", "runbook"),
    ),
    Verb(name="deleted", event="delete", goal=AVAILABLE, kinds=(Kind.POWER,), allowed_when_protected=False, since=1),
    Verb(
        name="deploy",
        event="deploy",
        goal=ACTIVE,
        kinds=_DEPLOY_KINDS,
        allowed_in_maintenance=False,
        since=73,
        arguments={"configdrive": 1, "deploy_steps": 69},
    ),
    Verb(name="inspect", event="inspect", goal=MANAGEABLE, kinds=(Kind.POWER, Kind.INSPECT), since=6),
    Verb(name="manage", event="manage", goal=MANAGEABLE, kinds=(Kind.POWER, Kind.MANAGEMENT), since=4),
    Verb(
        name="provide",
        event="provide",
        goal=AVAILABLE,
        kinds=(Kind.POWER,),
        allowed_in_maintenance=False,
        allowed_when_retired=False,
        since=4,
    ),
    Verb(
        name="rebuild",
        event="rebuild",
        goal=ACTIVE,
        kinds=_DEPLOY_KINDS,
        allowed_in_maintenance=False,
        allowed_when_protected=False,
        since=1,
        arguments={"configdrive": 35, "deploy_steps": 69},
    ),
    Verb(
        name="rescue",
        event="rescue",
        goal=RESCUE,
        kinds=_RESCUE_KINDS,
        allowed_in_maintenance=False,
        since=38,
        arguments={"rescue_password": 38},
        exactly_one_of=("rescue_password",),
    ),
    Verb(
        name="service",
        event="service",
        goal=ACTIVE,
        kinds=(Kind.POWER,),
        step_phase=Phase.SERVICE,
        since=87,
        arguments={"service_steps": 87, "disable_ramdisk": 108, "runbook": 92},
        exactly_one_of=("service_steps", "runbook"),
    ),
    Verb(name="undeploy", event="delete", goal=AVAILABLE, kinds=(Kind.POWER,), allowed_when_protected=False, since=73),
    Verb(name="unhold", event="unhold", needs_handler=False, since=85),
    Verb(name="unrescue", event="unrescue", goal=ACTIVE, kinds=_RESCUE_KINDS, allowed_in_maintenance=False, since=38),
)

VERBS: Mapping[str, Verb] = MappingProxyType({verb.name: verb for verb in _VERB_ROWS})
"""All verbs by name. To add a verb, add its row here and the handler of its state in ``provisioning.state_handlers``."""


def next_state(state: str, event: str) -> str | None:
    """Return the provision state to which *event* leads from *state*, or None if the event is not allowed there."""
    return _NEXT_STATES.get((state, event))


def allowed_verbs(state: str) -> list[str]:
    """Return the names of the verbs that clients may use in *state*, sorted."""
    return sorted(verb.name for verb in VERBS.values() if (state, verb.event) in _NEXT_STATES)


def diagram() -> str:
    """Return the transitions as a graph in the DOT language of Graphviz."""
    edges = [f'  "{row.state}" -> "{row.to}" [label="{row.event}"];' for row in TRANSITIONS]
    stable = "; ".join(f'"{state}"' for state in sorted(STABLE))
    return "\n".join(["digraph provision_states {", f"  node [shape=box]; {stable};", "  node [shape=ellipse];", *edges, "}"])
