"""Access to the Redfish system of a task's node, and translation of errors into those of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sushy.exceptions
from sushy.resources.system.system import System

from baremetal_interfaces import BMCBusy, Kind, NotSupported, Task, UnexpectedAnswer
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.errors import describe_error, is_busy
from baremetal_redfish.session import RedfishSession

REFUSAL_STATUSES = frozenset({400, 405, 409, 422, 501})
"""HTTP status codes with which a service refuses a change that it will not accept later either, unless it is busy."""


@contextmanager
def borrow_session(task: Task) -> Iterator[RedfishSession]:
    """Borrow a session with the task's deadline.

    Raises BMCBusy, with the time until the next attempt, if the service is busy. Raises UnexpectedAnswer if sushy fails on
    a value of the wrong type.
    """
    with task.session(RedfishConnector) as session, session.until(task.deadline):
        try:
            yield session
        except sushy.exceptions.HTTPError as exc:
            if not is_busy(exc):
                raise
            wrong = f"the BMC at {session.http.endpoint} is busy: {describe_error(exc)}"
            raise BMCBusy(wrong, retry_after=getattr(exc, "retry_after", None)) from None
        except (TypeError, AttributeError, LookupError, ValueError) as exc:
            if not _is_raised_in_sushy(exc):
                raise
            wrong = f"the BMC at {session.http.endpoint} sends values whose types differ from the Redfish specification"
            raise UnexpectedAnswer(wrong) from exc


def _is_raised_in_sushy(exc: BaseException) -> bool:
    """Return whether sushy raised *exc*, not this plugin. sushy does not check the types of values that a service sends."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == "sushy"


@contextmanager
def borrow_system(task: Task, kind: Kind) -> Iterator[System]:
    """Borrow a session as :func:`borrow_session` does, and read the system in the ``driver_info`` of the interface of *kind*."""
    path = task.info(kind).system_path
    with borrow_session(task) as session:
        yield session.system(path)


@contextmanager
def translate_missing(feature: str) -> Iterator[None]:
    """Turn the lack of a resource or action into ``NotSupported``, which names the missing *feature*."""
    try:
        yield
    except (
        sushy.exceptions.MissingAttributeError,
        sushy.exceptions.MissingActionError,
        sushy.exceptions.ResourceNotFoundError,
    ) as exc:
        raise NotSupported(f"the BMC offers no {feature} for this system ({exc})") from None


@contextmanager
def translate_refusal(name: str, value: object) -> Iterator[None]:
    """Turn the service's refusal of a setting into UnexpectedAnswer, which contains *name* and *value*.

    Errors without a status of a refusal, and errors of a busy service, pass.
    """
    try:
        yield
    except sushy.exceptions.HTTPError as exc:
        if exc.status_code not in REFUSAL_STATUSES or is_busy(exc):
            raise
        raise UnexpectedAnswer(f"{name}: the BMC refuses {value}: {describe_error(exc)}") from None
