"""RPC methods for indicator lights and non-maskable interrupts, which only some management interfaces support."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import IndicatorControl, IndicatorState, InvalidInput, Kind, NMIControl, NotFound, NotSupported
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.parsing import parse_enum
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager


class Indicators:
    """RPC service for the indicator lights of machines. Component and name identify a light. Reads need no lease."""

    def __init__(self, tasks: TaskManager) -> None:
        self._tasks = tasks

    @rpc_method("1.0")
    def get_indicators(self, node: str) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the indicator lights of the machine: component -> name -> ``{"readonly": bool, "states": [...]}``."""
        task = self._tasks.read_only(node)
        _require(task)
        found = task.call(Kind.MANAGEMENT, "get_supported_indicators")
        return {component: {name: dict(offer) for name, offer in lights.items()} for component, lights in found.items()}

    @rpc_method("1.0")
    def get_indicator_state(self, node: str, component: str, indicator: str) -> str:
        """Read the state of an indicator light from the BMC. Raises ``NotFound`` if the machine has no such light."""
        task = self._tasks.read_only(node)
        _find(task, component, indicator)
        return str(task.call(Kind.MANAGEMENT, "get_indicator_state", component, indicator))

    @rpc_method("1.0")
    def set_indicator_state(self, node: str, component: str, indicator: str, state: str) -> None:
        """Set an indicator light to *state*, and wait until the BMC has accepted it.

        Raises ``InvalidInput`` if the light is read-only or cannot have this state.
        """
        wanted = parse_enum(IndicatorState, state, "state")
        with self._tasks.acquire(node, purpose="setting an indicator") as task:
            offer = _find(task, component, indicator)
            states = [str(state) for state in offer.get("states", ())]
            if offer.get("readonly"):
                raise InvalidInput(f"indicator: {indicator}@{component} is read-only, so its state cannot be set")
            if states and str(wanted) not in states:
                raise InvalidInput(f"state: {indicator}@{component} cannot be {state!r}; it can be {', '.join(states)}")
            task.call(Kind.MANAGEMENT, "set_indicator_state", component, indicator, wanted)


class Interrupts:
    """RPC service that sends non-maskable interrupts (NMIs) to machines."""

    def __init__(self, tasks: TaskManager) -> None:
        self._tasks = tasks

    @rpc_method("1.0")
    def inject_nmi(self, node: str) -> None:
        """Send a non-maskable interrupt to the machine, and wait until the BMC has accepted it."""
        with self._tasks.acquire(node, purpose="sending an NMI") as task:
            if not isinstance(task.driver.management, NMIControl):
                raise _not_supported(task, "NMIs")
            task.validate(Kind.MANAGEMENT)
            task.call(Kind.MANAGEMENT, "inject_nmi")


def _require(task: NodeTask) -> None:
    if not isinstance(task.driver.management, IndicatorControl):
        raise _not_supported(task, "indicators")
    task.validate(Kind.MANAGEMENT)


def _find(task: NodeTask, component: str, indicator: str) -> dict[str, Any]:
    _require(task)
    lights = task.call(Kind.MANAGEMENT, "get_supported_indicators")
    offer = lights.get(component, {}).get(indicator)
    if offer is None:
        names = ", ".join(f"{name}@{part}" for part, named in lights.items() for name in named) or "none"
        raise NotFound(f"node {task.record.uuid} has no indicator {indicator}@{component}; it has {names}")
    return dict(offer)


def _not_supported(task: NodeTask, feature: str) -> NotSupported:
    record = task.record
    return NotSupported(
        f"the management interface {record.management_interface!r} of node {record.uuid} does not support {feature}; "
        f"set management_interface to one of driver {record.driver!r} that supports them"
    )
