"""Builtin steps, which the runtime offers for each node with any driver: power changes, ``wait`` and ``hold``.

Their names are reserved. As in Ironic, a request for one of them may name any interface.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baremetal_interfaces import Argument, InvalidInput, Kind, Phase, PowerState, Problem, Step, Wait
from baremetal_sdk.tasks.node_task import NodeTask

INTERFACE = Kind.POWER
"""The interface of builtin steps in lists for clients."""

HOLD = "hold"
"""Name of the step that stops a run until a client continues it with the verb ``unhold``."""

_WAIT_ARGUMENTS = {"seconds": Argument("Seconds to wait. Without it, the step waits for an event.")}
_PHASES = (Phase.CLEAN, Phase.DEPLOY, Phase.SERVICE)


def _power_on(task: NodeTask) -> None:
    task.power.set(PowerState.ON)


def _power_off(task: NodeTask) -> None:
    task.power.set(PowerState.OFF)


def _reboot(task: NodeTask) -> None:
    task.power.set(PowerState.REBOOT)


def _wait(task: NodeTask, seconds: Any = None) -> Wait:
    if seconds is None:
        return Wait()
    try:
        return Wait(poll_after=max(0.0, float(seconds)))
    except (TypeError, ValueError):
        raise InvalidInput([Problem("seconds", f"{seconds!r} is not valid", "it has to be a number")]) from None


def _hold(task: NodeTask) -> Wait:
    return Wait()


_ACTIONS: Mapping[str, Callable[..., Wait | None]] = {
    "power_on": _power_on,
    "power_off": _power_off,
    "reboot": _reboot,
    "wait": _wait,
    HOLD: _hold,
}


def find(phase: Phase, name: Any) -> Step | None:
    """Return the declaration of the builtin step *name*, or None if *phase* has no builtin step of that name."""
    if phase not in _PHASES or not isinstance(name, str) or name not in _ACTIONS:
        return None
    return Step(phase, name, name, abortable=True, resumable=True, arguments=_WAIT_ARGUMENTS if name == "wait" else {})


def names(phase: Phase) -> list[str]:
    """Return the names of the builtin steps of *phase* in the form ``interface.step``. Empty for a phase without them."""
    return [f"{INTERFACE}.{name}" for name in _ACTIONS] if phase in _PHASES else []


def run(task: NodeTask, name: str, arguments: Mapping[str, Any]) -> Wait | None:
    """Run the builtin step *name* on the node of *task*. Return a ``Wait`` if the run has to wait, else None."""
    return _ACTIONS[name](task, **arguments)
