"""The provision states as a table. The names, and what leads from where to where, are those that clients know."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import NamedTuple

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

_TABLE = """
enroll           manage>verifying
verifying        done>manageable fail>enroll
manageable       provide>cleaning clean>cleaning inspect>inspecting adopt>adopting
available        deploy>deploying manage>manageable
deploying        done>active fail>deploy-failed wait>wait-call-back hold>deploy-hold
wait-call-back   resume>deploying fail>deploy-failed abort>deploy-failed hold>deploy-hold delete>deleting
deploy-hold      unhold>wait-call-back abort>deploy-failed
deploy-failed    deploy>deploying rebuild>deploying delete>deleting
active           rebuild>deploying delete>deleting rescue>rescuing service>servicing
deleting         clean>cleaning fail>error
error            rebuild>deploying delete>deleting
cleaning         done>available manage>manageable fail>clean-failed wait>clean-wait hold>clean-hold
clean-wait       resume>cleaning fail>clean-failed abort>clean-failed hold>clean-hold
clean-hold       unhold>clean-wait abort>clean-failed
clean-failed     manage>manageable
inspecting       done>manageable fail>inspect-failed wait>inspect-wait
inspect-wait     done>manageable resume>inspecting fail>inspect-failed abort>inspect-failed
inspect-failed   manage>manageable inspect>inspecting
adopting         done>active fail>adopt-failed
adopt-failed     adopt>adopting manage>manageable
rescuing         done>rescue wait>rescue-wait fail>rescue-failed
rescue-wait      resume>rescuing fail>rescue-failed abort>rescue-failed delete>deleting
rescue           rescue>rescuing unrescue>unrescuing delete>deleting
rescue-failed    rescue>rescuing unrescue>unrescuing delete>deleting
unrescuing       done>active fail>unrescue-failed
unrescue-failed  rescue>rescuing unrescue>unrescuing delete>deleting
servicing        done>active fail>service-failed wait>service-wait hold>service-hold
service-wait     resume>servicing fail>service-failed abort>service-failed hold>service-hold delete>deleting
service-hold     service>servicing unhold>service-wait fail>service-failed abort>service-failed
service-failed   service>servicing rescue>rescuing wait>service-wait hold>service-hold delete>deleting abort>active
"""


class Transition(NamedTuple):
    """In *state*, *event* leads to *to*."""

    state: str
    event: str
    to: str


def _spelled(word: str) -> str:
    return "wait call-back" if word == "wait-call-back" else word.replace("-", " ")


def _parsed() -> Iterator[Transition]:
    for line in _TABLE.strip().splitlines():
        state, *events = line.split()
        for event, to in (pair.split(">") for pair in events):
            yield Transition(_spelled(state), event, _spelled(to))


TRANSITIONS: tuple[Transition, ...] = tuple(_parsed())
"""Every transition; the diagram in the documentation is made from it."""

_NEXT = MappingProxyType({(one.state, one.event): one.to for one in TRANSITIONS})

STATES = frozenset(one.state for one in TRANSITIONS) | {RESCUE}
STABLE = frozenset({ENROLL, MANAGEABLE, AVAILABLE, ACTIVE, ERROR, RESCUE})
WORKING = frozenset({VERIFYING, INSPECTING, CLEANING, DEPLOYING, DELETING, ADOPTING, RESCUING, UNRESCUING, SERVICING})
"""States in which a task works on the node under a lease. Without a live lease, that task died."""

WAITING = frozenset({INSPECTWAIT, CLEANWAIT, DEPLOYWAIT, RESCUEWAIT, SERVICEWAIT})
"""States in which nobody works and something is waited for."""

DELETE_ALLOWED = frozenset({ENROLL, MANAGEABLE, ADOPTFAIL})
"""States in which a node may be deleted; ``available`` by option, any in maintenance."""

VERBS = MappingProxyType(
    {
        "manage": ("manage", MANAGEABLE),
        "inspect": ("inspect", MANAGEABLE),
        "provide": ("provide", AVAILABLE),
        "clean": ("clean", MANAGEABLE),
        "active": ("deploy", ACTIVE),
        "deploy": ("deploy", ACTIVE),
        "rebuild": ("rebuild", ACTIVE),
        "deleted": ("delete", AVAILABLE),
        "undeploy": ("delete", AVAILABLE),
        "adopt": ("adopt", ACTIVE),
        "abort": ("abort", None),
        "rescue": ("rescue", RESCUE),
        "unrescue": ("unrescue", ACTIVE),
        "service": ("service", ACTIVE),
        "unhold": ("unhold", None),
    }
)
"""What clients ask for -> the event in the table, and the state that is to be reached in the end."""


def next_state(state: str, event: str) -> str | None:
    """Where *event* leads from *state*; None when it is not allowed there."""
    return _NEXT.get((state, event))


def allowed_verbs(state: str) -> list[str]:
    """The verbs that clients may use in *state*."""
    return sorted(verb for verb, (event, _) in VERBS.items() if (state, event) in _NEXT)


def diagram() -> str:
    """The table in Graphviz' language."""
    lines = [f'  "{one.state}" -> "{one.to}" [label="{one.event}"];' for one in TRANSITIONS]
    stable = "; ".join(f'"{state}"' for state in sorted(STABLE))
    return "\n".join(["digraph provision_states {", f"  node [shape=box]; {stable};", "  node [shape=ellipse];", *lines, "}"])
