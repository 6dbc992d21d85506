"""Work that a driver does in the background for one request: begun while the client waits, and its error kept on the node."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk.tasks.node_task import NodeTask


def start_background_action(task: NodeTask, lane: Executor, what: str, work: Callable[[NodeTask], Any], **outcome: Any) -> None:
    """Hand *work* over to a worker; store *outcome* (field -> value) when it is done, or ``last_error`` with *what* failed.

    Raises ``NoFreeWorker``; nothing is begun then.
    """

    def run(task: NodeTask) -> None:
        try:
            work(task)
        except BareMetalError as exc:
            task.log.error("%s failed: %s", what, exc)
            task.finish(last_error=f"{what} failed: {exc.message}")
        else:
            task.finish(last_error=None, **outcome)

    task.run_in_background(lane, run)
