"""Steps: the pieces that deployment, cleaning, verification and service are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_steps__"


class Phase(StrEnum):
    """What a step can be a part of."""

    CLEAN = "clean"
    DEPLOY = "deploy"
    SERVICE = "service"
    VERIFY = "verify"


@dataclass(frozen=True)
class Wait:
    """What a step returns when its work goes on in the background.

    With *poll_after*, in seconds, the runtime calls the interface's ``poll`` after that time; without it the step is
    resumed by an event (an agent's heartbeat, for one). *state* is handed to ``poll`` and survives a restart.
    """

    poll_after: float | None = None
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Argument:
    """One argument of a step: what it means and whether it must be given."""

    description: str
    required: bool = False


@dataclass(frozen=True)
class Step:
    """A step as it was declared. Higher priorities run first; priority 0 runs only when it is asked for by name."""

    phase: Phase
    name: str
    method: str
    priority: int = 0
    abortable: bool = False
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    resumable: bool = False
    """Whether it may simply be run again after the conductor died in the middle of it."""


def step(
    *,
    phase: Phase | str,
    priority: int = 0,
    name: str | None = None,
    abortable: bool = False,
    resumable: bool = False,
    arguments: Mapping[str, Argument] | None = None,
) -> Callable[[F], F]:
    """Declare a method of an interface as a step; repeat it for a method that serves several phases.

    The method takes the task and the declared arguments by keyword. It returns ``None`` when it is done, or
    :class:`Wait`. What takes more than a minute waits: a step never sleeps.
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
    """The steps that *cls* and its bases declare. An override without a declaration keeps that of its base."""
    found: dict[str, tuple[Step, ...]] = {}
    for base in reversed(cls.__mro__):
        for attribute, value in vars(base).items():
            declared = getattr(value, _ATTRIBUTE, ())
            if declared:
                found[attribute] = declared
    return tuple(one for declared in found.values() for one in declared)
