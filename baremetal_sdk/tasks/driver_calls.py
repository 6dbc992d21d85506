"""Calls of driver methods. All code of plugins that works on a node runs in :meth:`DriverCalls.run`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from baremetal_interfaces import BareMetalError, Deadline, InvalidInput, send_guard
from baremetal_interfaces.faults import translate
from baremetal_sdk.bmc import retry_on_expired_session
from baremetal_sdk.clock import Clock
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.context import call_deadline
from baremetal_sdk.observability.node_log import hide_error_text
from baremetal_sdk.observability.redaction import redact
from baremetal_sdk.observability.telemetry import Observation, Work
from baremetal_sdk.store.records.node import Lease

T = TypeVar("T")


class CallingTask(Protocol):
    """Protocol of the parts of a task that :class:`DriverCalls` uses."""

    @property
    def lease(self) -> Lease | None:
        """The lease of the node, or None for a task that only reads."""

    @property
    def clock(self) -> Clock:
        """The conductor's clock."""

    @property
    def options(self) -> ConductorOptions:
        """The conductor's options."""

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that names the node."""

    @property
    def unsealed_secrets(self) -> tuple[str, ...]:
        """The secrets that errors of the driver may contain."""

    def observing(self, work: Work, labels: dict[str, str], **details: Any) -> Observation:
        """Return an observation that times a part of the task's work and notifies the observers when it ends."""

    def check_not_abandoned(self) -> None:
        """Raise ``LeaseLost`` if the task was abandoned: the conductor stops, and another one may take the node."""

    def check_lease(self, sent: bool) -> None:
        """Raise ``LeaseLost`` if the lease has expired.

        *sent* is False before a message to the BMC, and True after it. With True, the error says that the effect of the
        message is unknown; with False, that the message was not sent.
        """

    def store_driver_states(self) -> None:
        """Write the states that interfaces keep for the node to its record if the driver call has changed them."""


class DriverCalls:
    """Runner of the driver calls of one task.

    Calls nest, because a driver may call the node's other interfaces through its task. *deadline* is that of the whole
    task; None for no limit. Only the thread that runs the task may use this object.
    """

    def __init__(self, task: CallingTask, deadline: Deadline | None) -> None:
        self._task = task
        self._deadlines: list[Deadline] = [] if deadline is None else [deadline]
        self._observations: list[Observation] = []

    @property
    def deadline(self) -> Deadline:
        """The deadline of the current call; outside of calls that of the task, or a new one after ``bmc_call_timeout``."""
        if self._deadlines:
            return self._deadlines[-1]
        return Deadline.after(self._task.options.bmc_call_timeout, self._task.clock.monotonic)

    def deadline_within(self, seconds: float) -> Deadline:
        """Return the deadline *seconds* from now, or the task's deadline if that is earlier. Enclosing calls do not count."""
        if self._deadlines:
            return self._deadlines[0].within(seconds)
        return Deadline.after(seconds, self._task.clock.monotonic)

    def record_bmc(self, endpoint: object) -> None:
        """Add the address *endpoint* of the BMC to the current call's observation. Without it, observers see no use of a BMC."""
        if self._observations:
            self._observations[-1].details["bmc"] = str(endpoint)

    def run(
        self,
        function: Callable[[], T],
        *,
        interface: str,
        method: str,
        implementation: str,
        timeout: float | None = None,
        bmc: object | None = None,
    ) -> T:
        """Call *function*, which calls a driver, and return its result.

        The call gets a deadline after *timeout* seconds (by default ``bmc_call_timeout``), or that of the enclosing call if it
        is earlier. Observers are notified with *interface*, *method* and *implementation*. Each exception becomes an error
        of the contract with all secrets masked. A call whose BMC session had expired is repeated once with a new login.
        """
        task = self._task
        labels = {"interface": interface, "method": method}
        observation = task.observing(Work.BMC_CALL, labels, implementation=implementation)
        if bmc is not None:
            observation.details["bmc"] = str(bmc)
        seconds = timeout or task.options.bmc_call_timeout
        self._observations.append(observation)
        failure: BareMetalError | None = None
        try:
            with observation:
                task.check_not_abandoned()
                # Without a deadline of the task, that of the RPC client counts, if one waits for this call.
                outer = self._deadlines[-1] if self._deadlines else call_deadline()
                self._deadlines.append(outer.within(seconds) if outer else Deadline.after(seconds, task.clock.monotonic))
                try:
                    # The guard checks the lease at each message to the BMC and not once per call: a call may last for
                    # minutes, and the process may be suspended at any point of it.
                    with redact(lambda: task.unsealed_secrets), send_guard(task.check_lease if task.lease is not None else None):
                        return retry_on_expired_session(function)
                except Exception as exc:
                    if not isinstance(exc, BareMetalError):
                        # The text of a foreign exception may contain a secret, so only its traceback is logged.
                        task.log.error("%s.%s of %s failed", interface, method, implementation, exc_info=hide_error_text(exc))
                    failure = translate(exc, connector=None, endpoint=None, secrets=task.unsealed_secrets)
                finally:
                    self._deadlines.pop()
                    # Also after a failure, so that the driver can continue later from where it stopped.
                    self._store_driver_states(failure)
                # Raised outside of the except block. Inside, the original exception, whose text may contain a secret, would
                # become the context of the new one.
                failure.__context__ = None
                raise failure
        finally:
            self._observations.pop()

    def _store_driver_states(self, failure: BareMetalError | None) -> None:
        """Store the states of the interfaces. A state that cannot be stored fails the call, unless it has failed already."""
        try:
            self._task.store_driver_states()
        except InvalidInput as exc:
            if failure is None:
                raise
            self._task.log.error("the state of the driver could not be stored: %s", exc)
