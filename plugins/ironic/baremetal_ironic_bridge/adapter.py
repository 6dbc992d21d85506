"""What all bridged interfaces have in common: calls, and steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ironic.common import exception
from ironic.conf import CONF

from baremetal_interfaces import Connector, Interface, Kind, Phase, Step, Wait
from baremetal_ironic_bridge import waiting
from baremetal_ironic_bridge.configuration import plugin_options
from baremetal_ironic_bridge.faults import as_ironic
from baremetal_ironic_bridge.neighbours import IronicBoot
from baremetal_ironic_bridge.task import BridgedTask


class Adapter:
    """Holds one instance of an interface of the contract, as Ironic holds one of its own, for all nodes and threads."""

    bridged: ClassVar[type[Interface]]
    """The interface of the contract that is offered."""

    section: ClassVar[str | None] = None
    """The section of ironic.conf that holds the plugin's own options."""

    def __init__(self) -> None:
        self._interface = self.bridged(plugin_options(self.bridged, self.section))
        self._connectors: dict[type[Connector[Any]], Connector[Any]] = {}

    def get_properties(self) -> dict[str, str]:
        """What it reads from ``driver_info``: name -> meaning."""
        info_type = self.bridged.info_type
        options = info_type.options() if info_type is not None else ()
        return {one.name: f"{one.help} {'Required.' if one.required else 'Optional.'}" for one in options}

    def validate(self, task: Any) -> None:
        """Check ``driver_info``; every problem is said at once."""
        with as_ironic():
            self.task(task).validate(self.bridged.kind)

    def task(self, task: Any, timeout: float | None = None) -> BridgedTask:
        """The task of the contract for Ironic's; it is over after *timeout* seconds."""
        seconds = timeout or float(CONF.contract.call_timeout)
        return BridgedTask(self._interfaces(task), task, timeout=seconds, connectors=self._connectors)

    def call(self, task: Any, method: str, *given: Any, timeout: float | None = None, **named: Any) -> Any:
        """Call a method of the bridged interface."""
        bridged = self.task(task, timeout)
        with as_ironic():
            try:
                return bridged.call(self.bridged.kind, method, *given, **named)
            finally:
                bridged.keep()

    def call_at_once(self, task: Any, method: str) -> None:
        """Call a method that Ironic has no way to wait for."""
        outcome = self.call(task, method, timeout=float(CONF.contract.step_timeout))
        if outcome is not None:
            raise exception.UnsupportedDriverExtension(
                f"{self.bridged.__name__}.{method} goes on in the background, and Ironic cannot wait there"
            )

    def get_clean_steps(self, task: Any) -> list[dict[str, Any]]:
        """The steps of cleaning."""
        return self._steps(Phase.CLEAN)

    def get_deploy_steps(self, task: Any) -> list[dict[str, Any]]:
        """The steps of a deployment."""
        return self._steps(Phase.DEPLOY)

    def get_service_steps(self, task: Any) -> list[dict[str, Any]]:
        """The steps of a service."""
        return self._steps(Phase.SERVICE)

    def get_verify_steps(self, task: Any) -> list[dict[str, Any]]:
        """The steps of a verification."""
        return self._steps(Phase.VERIFY)

    def execute_clean_step(self, task: Any, step: Mapping[str, Any]) -> str | None:
        """Run one of them."""
        return self._execute(task, Phase.CLEAN, step)

    def execute_deploy_step(self, task: Any, step: Mapping[str, Any]) -> str | None:
        """Run one of them."""
        return self._execute(task, Phase.DEPLOY, step)

    def execute_service_step(self, task: Any, step: Mapping[str, Any]) -> str | None:
        """Run one of them."""
        return self._execute(task, Phase.SERVICE, step)

    def execute_verify_step(self, task: Any, step: Mapping[str, Any]) -> None:
        """Run one of them; Ironic does not wait for these."""
        self._execute(task, Phase.VERIFY, step)

    def demand_poll(self, wait: Wait) -> None:
        """Refuse to wait for what nobody will ask about."""
        if wait.poll_after is not None and self.bridged.poll is Interface.poll:
            raise exception.UnsupportedDriverExtension(f"{self.bridged.__name__} wants to be polled, and has no poll()")

    def step_is_done(self, task: Any, step: Step, arguments: Mapping[str, Any]) -> None:
        """A step has come to its end: the place to store what it changed."""

    def _steps(self, phase: Phase) -> list[dict[str, Any]]:
        return [_described(step, self.bridged.kind) for step in self._interface.steps_of(phase)]

    def _execute(self, task: Any, phase: Phase, given: Mapping[str, Any]) -> str | None:
        step = next(one for one in self._interface.steps_of(phase) if one.name == given["step"])
        arguments = dict(given.get("args") or {})
        waiting.forget(task.node)
        outcome: Any = self.call(task, step.method, timeout=float(CONF.contract.step_timeout), **arguments)
        if isinstance(outcome, Wait) and phase is Phase.VERIFY:
            raise exception.UnsupportedDriverExtension(f"the verify step {step.name} waits, and Ironic waits for none")
        if isinstance(outcome, Wait):
            self.demand_poll(outcome)
            return waiting.begin(task.node, step, self.bridged.kind, arguments, outcome)
        if outcome is None:
            self.step_is_done(task, step, arguments)
            return None
        raise exception.DriverOperationError(f"{self.bridged.__name__}.{step.method} returned {outcome!r}, neither None nor Wait")

    def _interfaces(self, task: Any) -> dict[Kind, Interface]:
        """The bridged interfaces of the node, and Ironic's own boot interface where that is not bridged."""
        found: dict[Kind, Interface] = {}
        for kind in Kind:
            other = getattr(task.driver, kind.value, None)
            if isinstance(other, Adapter):
                found[kind] = other._interface
        if Kind.BOOT not in found:
            found[Kind.BOOT] = IronicBoot(task)
        return {**found, self.bridged.kind: self._interface}


def _described(step: Step, kind: Kind) -> dict[str, Any]:
    """A step as Ironic's conductor reads it. Everything that a plugin does goes through the BMC: no step asks for a ramdisk."""
    arguments = {name: {"description": one.description, "required": one.required} for name, one in step.arguments.items()}
    found: dict[str, Any] = {"step": step.name, "priority": step.priority, "interface": kind.value}
    if step.phase is Phase.VERIFY:
        return found
    found |= {"abortable": step.abortable, "argsinfo": arguments or None}
    return found if step.phase is Phase.DEPLOY else {**found, "requires_ramdisk": False}
