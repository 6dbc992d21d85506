"""The steps that every node has, whatever its driver: power, waiting and holding, in a list of steps that a client gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from baremetal_interfaces import Argument, InvalidInput, Kind, Phase, PowerState, Problem, Step, Wait

if TYPE_CHECKING:
    from baremetal_sdk.tasks.node_task import NodeTask

INTERFACE = Kind.POWER
"""The interface under whose name clients ask for them."""

HOLD = "hold"
_SECONDS = {"seconds": Argument("How long to wait, in seconds; without it, until an event.")}
_PHASES = (Phase.CLEAN, Phase.DEPLOY, Phase.SERVICE)


def _power(state: PowerState) -> Callable[..., None]:
    return lambda task: task.power.set(state)


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
    "power_on": _power(PowerState.ON),
    "power_off": _power(PowerState.OFF),
    "reboot": _power(PowerState.REBOOT),
    "wait": _wait,
    HOLD: _hold,
}


def find(phase: Phase, interface: Any, name: Any) -> Step | None:
    """The reserved step of that name, where *interface* is the one that they are under."""
    if phase not in _PHASES or interface != str(INTERFACE) or name not in _ACTIONS:
        return None
    return Step(phase, name, name, abortable=True, resumable=True, arguments=_SECONDS if name == "wait" else {})


def names(phase: Phase) -> list[str]:
    """What can be asked for in *phase*, as ``interface.step``."""
    return [f"{INTERFACE}.{name}" for name in _ACTIONS] if phase in _PHASES else []


def run(task: NodeTask, name: str, arguments: Mapping[str, Any]) -> Wait | None:
    """Run a reserved step."""
    return _ACTIONS[name](task, **arguments)
