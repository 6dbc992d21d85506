"""The system that a task is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sushy.resources.system.system import System

from baremetal_interfaces import Kind, Task
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.session import RedfishSession


@contextmanager
def borrowed(task: Task) -> Iterator[RedfishSession]:
    """Borrow a session whose requests end with the task."""
    with task.session(RedfishConnector) as session, session.until(task.deadline):
        yield session


@contextmanager
def system_of(task: Task, kind: Kind) -> Iterator[System]:
    """Borrow a session and read the node's system, as the interface of *kind* is told of it."""
    path = task.info(kind).system_path
    with borrowed(task) as session:
        yield session.system(path)
