"""Helper for driver actions that run in the background of an RPC request, which returns when the action is queued."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk.tasks.node_task import NodeTask


def start_background_action(
    task: NodeTask, lane: Executor, description: str, work: Callable[[NodeTask], Any], **outcome: Any
) -> None:
    """Run *work* with *task* on a worker of *lane*, and release the lease at its end.

    After a success, write the fields *outcome* (field -> value) to the node and clear ``last_error``. After an error of the
    contract, store it in ``last_error``, with *description* as the name of the action. Raises ``NoFreeWorker`` if the lane is
    full; the action does not start then.
    """

    def run(task: NodeTask) -> None:
        try:
            work(task)
        except BareMetalError as exc:
            task.log.error("%s failed: %s", description, exc)
            task.finish(last_error=f"{description} failed: {exc.message}")
        else:
            task.finish(last_error=None, **outcome)

    task.run_in_background(lane, run)
