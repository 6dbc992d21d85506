"""Steps: the units of deployment, cleaning, verification and service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_steps__"


class Phase(StrEnum):
    """The processes of a node that consist of steps."""

    CLEAN = "clean"
    DEPLOY = "deploy"
    SERVICE = "service"
    VERIFY = "verify"


@dataclass(frozen=True)
class Wait:
    """The return value of a step whose work continues in the background.

    With *poll_after* the runtime calls the interface's ``poll`` after that many seconds. Without it an event resumes the
    step, such as the heartbeat of an agent. *state* is passed to ``poll``, and is kept across a restart; its values are JSON.
    """

    poll_after: float | None = None
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Argument:
    """An argument of a step: its description for users, and whether it is required."""

    description: str
    required: bool = False


@dataclass(frozen=True)
class Step:
    """A declared step.

    Steps with a higher *priority* run first; priority 0 runs only if a client requests the step by name. *method* is the name
    of the method that runs it. An *abortable* step may be aborted by a client while it waits.
    """

    phase: Phase
    name: str
    method: str
    priority: int = 0
    abortable: bool = False
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    resumable: bool = False
    """True if the step may be run again after its conductor died while it ran."""


def step(
    *,
    phase: Phase | str,
    priority: int = 0,
    name: str | None = None,
    abortable: bool = False,
    resumable: bool = False,
    arguments: Mapping[str, Argument] | None = None,
) -> Callable[[F], F]:
    """Declare a method of an interface as a step. Repeat the decorator for a method that serves several phases.

    The runtime calls the method with the task, and with the *arguments* as keywords. The method returns None if it is done,
    or :class:`Wait`. Work of more than a minute returns ``Wait``; a step never sleeps. *name* defaults to the method's name;
    the other parameters are those of :class:`Step`.
    """

    def declare(method: F) -> F:
        declared = Step(
            phase=Phase(phase),
            name=name or method.__name__,
            method=method.__name__,
            priority=priority,
            abortable=abortable,
            arguments=dict(arguments or {}),
            resumable=resumable,
        )
        setattr(method, _ATTRIBUTE, (*getattr(method, _ATTRIBUTE, ()), declared))
        return method

    return declare


def declared_steps(cls: type) -> tuple[Step, ...]:
    """Return the steps that *cls* and its bases declare. An override without a declaration keeps the one of its base."""
    found: dict[str, tuple[Step, ...]] = {}
    for base in reversed(cls.__mro__):
        for attribute, value in vars(base).items():
            declared = getattr(value, _ATTRIBUTE, ())
            if declared:
                found[attribute] = declared
    return tuple(step for declared in found.values() for step in declared)
