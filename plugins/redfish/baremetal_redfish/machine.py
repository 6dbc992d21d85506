"""The system that a task is about, and what to say of something that its BMC does not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sushy.exceptions
from sushy.resources.system.system import System

from baremetal_interfaces import BMCBusy, Kind, NotSupported, Task, UnexpectedAnswer
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.errors import is_busy, what_it_said
from baremetal_redfish.session import RedfishSession


@contextmanager
def borrowed(task: Task) -> Iterator[RedfishSession]:
    """Borrow a session whose requests end with the task. When the service is busy, it is said until when."""
    with task.session(RedfishConnector) as session, session.until(task.deadline):
        try:
            yield session
        except sushy.exceptions.HTTPError as exc:
            if not is_busy(exc):
                raise
            wrong = f"the BMC at {session.http.endpoint} is busy: {what_it_said(exc)}"
            raise BMCBusy(wrong, retry_after=getattr(exc, "retry_after", None)) from None
        except (TypeError, AttributeError, LookupError, ValueError) as exc:
            if not _fell_over_in_sushy(exc):
                raise
            wrong = f"the BMC at {session.http.endpoint} gives values of other types than the specification says"
            raise UnexpectedAnswer(wrong) from exc


def _fell_over_in_sushy(exc: BaseException) -> bool:
    """Whether sushy, which trusts the types of what it reads, is where *exc* comes from; not this plugin."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == "sushy"


@contextmanager
def system_of(task: Task, kind: Kind) -> Iterator[System]:
    """Borrow a session and read the node's system, as the interface of *kind* is told of it."""
    path = task.info(kind).system_path
    with borrowed(task) as session:
        yield session.system(path)


@contextmanager
def offering(what: str) -> Iterator[None]:
    """Turn the lack of a resource or of an action into ``NotSupported``, which says that there is no *what*."""
    try:
        yield
    except (
        sushy.exceptions.MissingAttributeError,
        sushy.exceptions.MissingActionError,
        sushy.exceptions.ResourceNotFoundError,
    ) as exc:
        raise NotSupported(f"the BMC offers no {what} for this system ({exc})") from None


@contextmanager
def blaming(name: str, value: object) -> Iterator[None]:
    """Turn the service's refusal of a setting into an error that names the setting and its value."""
    try:
        yield
    except sushy.exceptions.HTTPError as exc:
        if exc.status_code not in (400, 405, 409, 501) or is_busy(exc):
            raise
        raise UnexpectedAnswer(f"{name}: the BMC refuses {value}: {what_it_said(exc)}") from None
