"""Task service of a simulated Redfish BMC: the tasks, and the task monitors that a client polls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.redfish.errors import missing_resource
from baremetal_fake.redfish.exchange import ROOT, Exchange, Operation, collection, link, make_reader
from baremetal_fake.redfish.message import Answer
from baremetal_fake.redfish.routing import Route
from baremetal_fake.redfish.task_script import TaskScript
from baremetal_fake.redfish.task_table import RunningTask

_TASKS = ("TaskService", "Tasks")


def routes() -> list[Route]:
    """Return the HTTP routes of a simulated BMC for the task service, its tasks and the task monitors."""
    return [
        Route("TaskService", {"GET": make_reader("get_tasks", _service)}),
        Route("TaskService/Tasks", {"GET": make_reader("get_tasks", _tasks)}),
        Route("TaskService/Tasks/*", {"GET": make_reader("get_tasks", _task)}),
        Route("TaskService/TaskMonitors/*", {"GET": _monitor}),
    ]


def start_task(exchange: Exchange, name: str, ends_at: float) -> Answer:
    """Add a task that ends at the clock time *ends_at* (seconds), and return the HTTP 202 answer with the URL of its monitor.

    The BMC's task script may change the answer.
    """
    script = exchange.bmc.options.task_script or TaskScript()
    headers = {"Retry-After": "1"} if script.status == 202 else {}
    if script.lists_task:
        task = exchange.bmc.tasks.add(name, ends_at)
        headers |= {"Location": _monitor_path(task)} if script.names_task else {}
    return Answer(script.status, script.body, headers)


def _monitor_path(task: RunningTask) -> str:
    return f"{ROOT}/TaskService/TaskMonitors/{task.identifier}"


def _require_task(exchange: Exchange) -> RunningTask:
    """Return the task that the path names; raise RedfishError (HTTP 404) if the BMC does not remember it."""
    task = exchange.bmc.tasks.find(exchange.names[0])
    if task is None:
        raise missing_resource(exchange.request.path)
    return task


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
    task = _require_task(exchange)
    over = exchange.bmc.tasks.is_over(task)
    return {
        **link(*_TASKS, task.identifier),
        "@odata.type": "#Task.v1_7_4.Task",
        "Id": task.identifier,
        "Name": task.name,
        "TaskState": "Completed" if over else "Running",
        "TaskStatus": "OK",
        "PercentComplete": 100 if over else 0,
        "TaskMonitor": _monitor_path(task),
        **((exchange.bmc.options.task_script or TaskScript()).report or {}),
    }


def _monitor(exchange: Exchange) -> Operation:
    """Return the operation of a task monitor: it answers HTTP 202 while the task runs, and 200 when the task has ended."""
    task = _require_task(exchange)

    def run(_: Any) -> Answer:
        over = exchange.bmc.tasks.is_over(task)
        script = exchange.bmc.options.task_script
        if script is not None and script.monitor_status is not None:
            return Answer(script.monitor_status, None if script.monitor_status == 204 else _task(exchange))
        return Answer(200 if over else 202, _task(exchange), {} if over else {"Retry-After": "1"})

    return Operation("get_tasks", run)
