"""Execution of RPC calls in the conductor, the same for every transport."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any

from baremetal_interfaces import BareMetalError, Busy, DeadlineExceeded
from baremetal_interfaces import Deadline as _Deadline
from baremetal_sdk.context import calling_until
from baremetal_sdk.errors import InternalError
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.telemetry import Telemetry, Work
from baremetal_sdk.rpc.registry import MethodRegistry, RPCMethod
from baremetal_sdk.store.waiting import failing_fast

LOG = get_logger(__name__)
_RETRY_AFTER_S = 1.0
"""Seconds after which a caller may retry while the conductor starts or stops."""


class Dispatcher:
    """Executor of RPC calls: it checks each call and runs the registered method while the dispatcher is open. Thread-safe.

    *executor* runs casts. All errors that leave the dispatcher are ``BareMetalError``.
    """

    def __init__(self, registry: MethodRegistry, executor: Executor, telemetry: Telemetry | None = None) -> None:
        self.registry = registry
        self.telemetry = telemetry or Telemetry()
        """Telemetry that records each call."""
        self._executor = executor
        self._open = False

    def open(self) -> None:
        """Accept calls from now on."""
        self._open = True

    def close(self) -> None:
        """Reject new calls. Running calls continue."""
        self._open = False

    def call(
        self, name: str, arguments: Mapping[str, Any], *, version: str | None = None, deadline: _Deadline | None = None
    ) -> Any:
        """Run a method in this thread and return its result.

        *version* is the version of the method that the caller needs. Raises ``DeadlineExceeded`` if the method has not started,
        or has not finished, by *deadline*. A result after the deadline is discarded.
        """
        method = self._admit(name, arguments, version)
        # The caller waits, and decides about a retry.
        with failing_fast():
            return self._run_until(method, arguments, deadline)

    def _run_until(self, method: RPCMethod, arguments: Mapping[str, Any], deadline: _Deadline | None) -> Any:
        if deadline is None:
            return self._run(method, arguments)
        # The deadline may have passed in a queue. Then the caller no longer waits, so the method must not start.
        deadline.check(f"RPC method {method.name}")
        with calling_until(deadline):
            result = self._run(method, arguments)
        if deadline.expired:
            # The caller may already have reported a timeout or retried, so a late result must not count as a success.
            raise DeadlineExceeded(f"RPC method {method.name} finished after its deadline; the result was discarded")
        return result

    def cast(self, name: str, arguments: Mapping[str, Any], *, version: str | None = None) -> None:
        """Submit a method to the executor. Raises ``Busy`` if its queue is full. Errors of the method are logged."""
        method = self._admit(name, arguments, version)

        def log_error(future: Future[Any]) -> None:
            if not future.cancelled() and (error := future.exception()) is not None:
                LOG.error("cast of %s failed: %s", name, error)

        self._executor.submit(self._run, method, arguments).add_done_callback(log_error)

    def _run(self, method: RPCMethod, arguments: Mapping[str, Any]) -> Any:
        with self.telemetry.begin(Work.RPC_CALL, {"side": "server", "method": method.name}):
            return _run_method(method, arguments)

    def _admit(self, name: str, arguments: Mapping[str, Any], version: str | None) -> RPCMethod:
        """Return the method after checks of state, name, version and arguments. An error means that nothing was executed."""
        if not self._open:
            raise Busy("the call was not executed: the conductor is starting or stopping; try again", retry_after=_RETRY_AFTER_S)
        method = self.registry[name]
        if version is not None:
            method.check_version(version)
        method.check(arguments)
        return method


def _run_method(method: RPCMethod, arguments: Mapping[str, Any]) -> Any:
    try:
        return method.function(**arguments)
    except BareMetalError:
        raise
    except Exception as exc:
        LOG.error("RPC method %s failed with %s", method.name, type(exc).__name__, exc_info=_hide_error_text(exc))
        raise InternalError("internal error in the conductor; its log has the traceback with the ID of this request") from exc


def _hide_error_text(exc: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return ``exc_info`` with the traceback of *exc* but without its message, which may quote an argument."""
    return (RuntimeError, RuntimeError(type(exc).__name__), exc.__traceback__)
