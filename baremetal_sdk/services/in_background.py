"""Driver actions in the background of a request. The client waits only until the action starts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk.tasks.node_task import NodeTask


def start_background_action(
    task: NodeTask, lane: Executor, description: str, work: Callable[[NodeTask], Any], **outcome: Any
) -> None:
    """Run *work* on a worker. Store *outcome* (field -> value) on the node when it is done, or its error as ``last_error``.

    *description* names the action in that error. Raises ``NoFreeWorker``; the action does not start then.
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
