"""RPC method for power actions that clients request."""

from __future__ import annotations

from concurrent.futures import Executor

from baremetal_interfaces import BareMetalError, InvalidInput, Kind, PowerState
from baremetal_sdk.errors import InvalidState, NoFreeWorker
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.power import SETTABLE, refuse_unsupported
from baremetal_sdk.tasks.task_manager import TaskManager


class Power:
    """RPC service that changes the power state of machines in the background."""

    def __init__(self, tasks: TaskManager, lane: Executor) -> None:
        self._tasks = tasks
        self._lane = lane

    @rpc_method("1.0")
    def change_power_state(self, node: str, target: str, timeout: float | None = None) -> None:
        """Start to bring a machine to power state *target* in the background.

        The machine must reach the state within *timeout* seconds (by default those of the options). A failure is stored in the
        node's ``last_error``. Invalid input and states that the driver does not support raise an error at once.
        """
        state = _parse_target(target)
        if timeout is not None and timeout <= 0:
            raise InvalidInput(f"timeout: {timeout!r} is not valid; it has to be greater than 0 seconds")
        with self._tasks.acquire(node, purpose=f"changing power to '{state}'") as task:
            self._check_allowed(task, state)
            task.validate(Kind.POWER)
            last_error = task.record.last_error
            task.write(target_power_state=str(state.outcome), last_error=None)
            try:
                task.run_in_background(self._lane, lambda task: _change(task, state, timeout))
            except NoFreeWorker:
                task.write(target_power_state=None, last_error=last_error)
                raise

    def _check_allowed(self, task: NodeTask, state: PowerState) -> None:
        refuse_unsupported(task.driver.power, state)
        if task.record.disable_power_off and state.outcome is PowerState.OFF:
            raise InvalidState(
                f"target: node {task.record.uuid} has disable_power_off set, so it cannot be powered off; unset it first"
            )


def _parse_target(target: str) -> PowerState:
    try:
        state = PowerState(target)
    except ValueError:
        state = PowerState.UNKNOWN
    if state not in SETTABLE:
        raise InvalidInput(
            f"target: {target!r} is not a power state that can be requested; it has to be one of " + ", ".join(map(str, SETTABLE))
        )
    return state


def _change(task: NodeTask, state: PowerState, timeout: float | None) -> None:
    try:
        task.power.set(state, timeout)
    except BareMetalError as exc:
        task.finish(target_power_state=None, last_error=f"power to '{state}' failed: {exc.message}")
        task.log.error("power to '%s' failed: %s", state, exc)
    else:
        task.finish(target_power_state=None, last_error=None)
