"""Base class of the adapters: calls a plugin's interface with a task of the contract, and runs its steps for Ironic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ironic.common import exception
from ironic.conf import CONF

from baremetal_interfaces import Connector, Interface, Kind, Phase, Step, Wait
from baremetal_ironic_bridge import waiting
from baremetal_ironic_bridge.configuration import read_plugin_options
from baremetal_ironic_bridge.faults import translate_errors
from baremetal_ironic_bridge.ironic_boot import IronicBoot
from baremetal_ironic_bridge.task import BridgedTask


class Adapter:
    """Offers one interface of a plugin to Ironic.

    Like Ironic's own interfaces, one instance serves all nodes and threads.
    """

    bridged: ClassVar[type[Interface]]
    """Class of the plugin's interface."""

    section: ClassVar[str | None] = None
    """Section of ironic.conf with the plugin's own options, or None for their defaults."""

    def __init__(self) -> None:
        self._interface = self.bridged(read_plugin_options(self.bridged, self.section))
        self._connectors: dict[type[Connector[Any]], Connector[Any]] = {}

    def get_properties(self) -> dict[str, str]:
        """Return the ``driver_info`` options of the interface: name -> description."""
        info_type = self.bridged.info_type
        options = info_type.options() if info_type is not None else ()
        return {option.name: f"{option.help} {'Required.' if option.required else 'Optional.'}" for option in options}

    def validate(self, task: Any) -> None:
        """Check the node's fields through the plugin. The error of Ironic names all problems."""
        with translate_errors():
            self.task(task).validate(self.bridged.kind)

    def task(self, task: Any, timeout: float | None = None) -> BridgedTask:
        """Return a task of the contract for Ironic's *task*.

        Its deadline is *timeout* seconds from now, by default ``[contract] call_timeout``.
        """
        seconds = timeout or float(CONF.contract.call_timeout)
        return BridgedTask(self._collect_interfaces(task), task, timeout=seconds, connectors=self._connectors)

    def call(self, task: Any, method: str, *given: Any, timeout: float | None = None, **named: Any) -> Any:
        """Call *method* of the plugin's interface with the contract's task, *given* and *named*, and return its result.

        Driver states that it changed are stored, also after an error. Errors of the contract become errors of Ironic. The
        deadline is *timeout* seconds from now, by default ``[contract] call_timeout``.
        """
        bridged = self.task(task, timeout)
        with translate_errors():
            try:
                return bridged.call(self.bridged.kind, method, *given, **named)
            finally:
                bridged.store_states()

    def call_without_wait(self, task: Any, method: str) -> None:
        """Call a method for which Ironic cannot wait. Raises UnsupportedDriverExtension if the method returns a Wait."""
        outcome = self.call(task, method, timeout=float(CONF.contract.step_timeout))
        if outcome is not None:
            raise exception.UnsupportedDriverExtension(
                f"{self.bridged.__name__}.{method} continues in the background, and Ironic cannot wait for it"
            )

    def get_clean_steps(self, task: Any) -> list[dict[str, Any]]:
        """Return the plugin's clean steps in Ironic's form."""
        return self._describe_steps(Phase.CLEAN)

    def get_deploy_steps(self, task: Any) -> list[dict[str, Any]]:
        """Return the plugin's deploy steps in Ironic's form."""
        return self._describe_steps(Phase.DEPLOY)

    def get_service_steps(self, task: Any) -> list[dict[str, Any]]:
        """Return the plugin's service steps in Ironic's form."""
        return self._describe_steps(Phase.SERVICE)

    def get_verify_steps(self, task: Any) -> list[dict[str, Any]]:
        """Return the plugin's verify steps in Ironic's form."""
        return self._describe_steps(Phase.VERIFY)

    def execute_clean_step(self, task: Any, step: Mapping[str, Any]) -> str | None:
        """Run a clean step. Return Ironic's wait state if the step continues in the background, None if it is complete."""
        return self._run_bridged_step(task, Phase.CLEAN, step)

    def execute_deploy_step(self, task: Any, step: Mapping[str, Any]) -> str | None:
        """Run a deploy step. Return Ironic's wait state if the step continues in the background, None if it is complete."""
        return self._run_bridged_step(task, Phase.DEPLOY, step)

    def execute_service_step(self, task: Any, step: Mapping[str, Any]) -> str | None:
        """Run a service step. Return Ironic's wait state if the step continues in the background, None if it is complete."""
        return self._run_bridged_step(task, Phase.SERVICE, step)

    def execute_verify_step(self, task: Any, step: Mapping[str, Any]) -> None:
        """Run a verify step. Raises UnsupportedDriverExtension if it returns a Wait: Ironic does not wait for verify steps."""
        self._run_bridged_step(task, Phase.VERIFY, step)

    def require_poll(self, wait: Wait) -> None:
        """Raise UnsupportedDriverExtension if a plugin asks for polls but has no ``poll`` method."""
        if wait.poll_after is not None and self.bridged.poll is Interface.poll:
            raise exception.UnsupportedDriverExtension(f"{self.bridged.__name__} returned Wait with poll_after but has no poll()")

    def store_step_result(self, task: Any, step: Step, arguments: Mapping[str, Any]) -> None:
        """Store the results of a completed step in Ironic's database. By default nothing is stored."""

    def _describe_steps(self, phase: Phase) -> list[dict[str, Any]]:
        return [_describe_step(step, self.bridged.kind) for step in self._interface.steps_of(phase)]

    def _run_bridged_step(self, task: Any, phase: Phase, given: Mapping[str, Any]) -> str | None:
        step = next(candidate for candidate in self._interface.steps_of(phase) if candidate.name == given["step"])
        arguments = dict(given.get("args") or {})
        waiting.clear_wait(task.node)
        outcome: Any = self.call(task, step.method, timeout=float(CONF.contract.step_timeout), **arguments)
        if isinstance(outcome, Wait) and phase is Phase.VERIFY:
            raise exception.UnsupportedDriverExtension(
                f"the verify step {step.name} returned Wait, which Ironic does not support"
            )
        if isinstance(outcome, Wait):
            self.require_poll(outcome)
            return waiting.start_wait(task.node, step, self.bridged.kind, arguments=arguments, wait=outcome)
        if outcome is None:
            self.store_step_result(task, step, arguments)
            return None
        raise exception.DriverOperationError(f"{self.bridged.__name__}.{step.method} returned {outcome!r}, neither None nor Wait")

    def _collect_interfaces(self, task: Any) -> dict[Kind, Interface]:
        """Return the node's interfaces of the contract: those of plugins, and Ironic's boot interface if no plugin has one."""
        found: dict[Kind, Interface] = {}
        for kind in Kind:
            other = getattr(task.driver, kind.value, None)
            if isinstance(other, Adapter):
                found[kind] = other._interface
        if Kind.BOOT not in found:
            found[Kind.BOOT] = IronicBoot(task)
        return {**found, self.bridged.kind: self._interface}


def _describe_step(step: Step, kind: Kind) -> dict[str, Any]:
    """Return a step in the form of Ironic's conductor.

    No step requires a ramdisk, because plugins work through the BMC.
    """
    arguments = {
        name: {"description": argument.description, "required": argument.required} for name, argument in step.arguments.items()
    }
    found: dict[str, Any] = {"step": step.name, "priority": step.priority, "interface": kind.value}
    if step.phase is Phase.VERIFY:
        return found
    found |= {"abortable": step.abortable, "argsinfo": arguments or None}
    return found if step.phase is Phase.DEPLOY else {**found, "requires_ramdisk": False}
