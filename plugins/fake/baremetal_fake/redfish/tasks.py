"""What a BMC goes on with after its answer: tasks, and the monitors that a client polls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from baremetal_fake.redfish.errors import missing_resource
from baremetal_fake.redfish.exchange import ROOT, Exchange, Operation, collection, link, reading
from baremetal_fake.redfish.message import Answer
from baremetal_fake.redfish.routing import Route

KEPT = 100
"""Tasks that a BMC remembers."""
_TASKS = ("TaskService", "Tasks")


class RunningTask(NamedTuple):
    """What is going on, and when it is over."""

    identifier: str
    name: str
    over_at: float


class TaskTable:
    """The tasks of one BMC. Only the event loop of its service uses it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._number = 0
        self._tasks: dict[str, RunningTask] = {}

    def accepted(self, name: str, over_at: float) -> Answer:
        """Remember a task, and the answer that says where it can be watched."""
        self._number += 1
        task = RunningTask(str(self._number), name, over_at)
        self._tasks[task.identifier] = task
        if len(self._tasks) > KEPT:
            del self._tasks[next(iter(self._tasks))]
        location = f"{ROOT}/TaskService/TaskMonitors/{task.identifier}"
        return Answer(202, None, {"Location": location, "Retry-After": "1"})

    def identifiers(self) -> list[str]:
        """The tasks that are remembered."""
        return list(self._tasks)

    def find(self, exchange: Exchange) -> RunningTask:
        """The task that the path names."""
        task = self._tasks.get(exchange.names[0])
        if task is None:
            raise missing_resource(exchange.request.path)
        return task

    def is_over(self, task: RunningTask) -> bool:
        """Whether it is done."""
        return self._clock() >= task.over_at


def routes() -> list[Route]:
    """The routes of this module."""
    return [
        Route("TaskService", {"GET": reading("get_tasks", _service)}),
        Route("TaskService/Tasks", {"GET": reading("get_tasks", _tasks)}),
        Route("TaskService/Tasks/*", {"GET": reading("get_tasks", _task)}),
        Route("TaskService/TaskMonitors/*", {"GET": _monitor}),
    ]


def _service(exchange: Exchange) -> dict[str, Any]:
    return {
        **link("TaskService"),
        "@odata.type": "#TaskService.v1_2_0.TaskService",
        "Id": "TaskService",
        "Name": "Task service",
        "ServiceEnabled": True,
        "Tasks": link(*_TASKS),
    }


def _tasks(exchange: Exchange) -> dict[str, Any]:
    return collection(_TASKS, "TaskCollection", "Tasks", exchange.bmc.tasks.identifiers())


def _task(exchange: Exchange) -> Mapping[str, Any]:
    task = exchange.bmc.tasks.find(exchange)
    over = exchange.bmc.tasks.is_over(task)
    return {
        **link(*_TASKS, task.identifier),
        "@odata.type": "#Task.v1_7_4.Task",
        "Id": task.identifier,
        "Name": task.name,
        "TaskState": "Completed" if over else "Running",
        "TaskStatus": "OK",
        "PercentComplete": 100 if over else 0,
        "TaskMonitor": f"{ROOT}/TaskService/TaskMonitors/{task.identifier}",
    }


def _monitor(exchange: Exchange) -> Operation:
    """202 for as long as the task goes on."""
    task = exchange.bmc.tasks.find(exchange)

    def run(_: Any) -> Answer:
        over = exchange.bmc.tasks.is_over(task)
        return Answer(200 if over else 202, _task(exchange), {} if over else {"Retry-After": "1"})

    return Operation("get_tasks", run)
