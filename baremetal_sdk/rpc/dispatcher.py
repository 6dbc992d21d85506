"""Where every call arrives, whatever it came by: it is checked, run, and answered in one way."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any

from baremetal_interfaces import BareMetalError, Busy, DeadlineExceeded
from baremetal_interfaces import Deadline as _Deadline
from baremetal_sdk.context import calling_until
from baremetal_sdk.errors import InternalError
from baremetal_sdk.observability.telemetry import Telemetry, Work
from baremetal_sdk.rpc.registry import MethodRegistry, RPCMethod

LOG = logging.getLogger(__name__)
_COME_BACK = 1.0
"""Seconds after which a caller may try a conductor again that starts or stops."""


class Dispatcher:
    """Runs registered methods while the conductor can work. All that it raises is of the contract's tree."""

    def __init__(self, registry: MethodRegistry, executor: Executor, telemetry: Telemetry | None = None) -> None:
        self.registry = registry
        self.telemetry = telemetry or Telemetry()
        """Who observes the calls."""
        self._executor = executor
        self._open = False

    def open(self) -> None:
        """Answer calls from now on: the conductor can work."""
        self._open = True

    def close(self) -> None:
        """Answer no more calls; those that run are not touched."""
        self._open = False

    def call(
        self, name: str, arguments: Mapping[str, Any], *, version: str | None = None, deadline: _Deadline | None = None
    ) -> Any:
        """Run a method in this thread. A result that comes after *deadline* is no longer waited for, and not given."""
        method = self._admitted(name, arguments, version)
        if deadline is None:
            return self._run(method, arguments)
        deadline.check(f"RPC method {name}")
        with calling_until(deadline):
            result = self._run(method, arguments)
        if deadline.expired:
            raise DeadlineExceeded(f"the time for RPC method {name} is over; it was run to its end")
        return result

    def cast(self, name: str, arguments: Mapping[str, Any], *, version: str | None = None) -> None:
        """Hand a method over to a worker. Raises ``Busy`` when there is no room; what it raises itself is logged."""
        method = self._admitted(name, arguments, version)

        def log(future: Future[Any]) -> None:
            if not future.cancelled() and (error := future.exception()) is not None:
                LOG.error("cast of %s failed: %s", name, error)

        self._executor.submit(self._run, method, arguments).add_done_callback(log)

    def _run(self, method: RPCMethod, arguments: Mapping[str, Any]) -> Any:
        with self.telemetry.begin(Work.RPC_CALL, {"side": "server", "method": method.name}):
            return _run(method, arguments)

    def _admitted(self, name: str, arguments: Mapping[str, Any], version: str | None) -> RPCMethod:
        if not self._open:
            raise Busy("the conductor is starting or stopping; try again", retry_after=_COME_BACK)
        method = self.registry[name]
        if version is not None:
            method.check_version(version)
        method.check(arguments)
        return method


def _run(method: RPCMethod, arguments: Mapping[str, Any]) -> Any:
    try:
        return method.function(**arguments)
    except BareMetalError:
        raise
    except Exception as exc:
        LOG.error("RPC method %s failed with %s", method.name, type(exc).__name__, exc_info=_place_of(exc))
        raise InternalError("an internal error happened; the conductor's log has it under this request's id") from exc


def _place_of(exc: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """The place of an error without its text, which may quote an argument."""
    return (RuntimeError, RuntimeError(type(exc).__name__), exc.__traceback__)
