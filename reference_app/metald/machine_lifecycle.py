"""Lifecycle of one machine of ``metald demo``: the client requests each transition over HTTP and polls the node until it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metald.client import APIError, BareMetalClient

STEPS = ("enroll", "manage", "inspect", "provide", "active", "reboot", "deleted")
"""Steps of a lifecycle in order. All except ``enroll`` and ``reboot`` are provision verbs of the API."""

_FINAL_STATES = {
    "manage": "manageable",
    "inspect": "manageable",
    "provide": "available",
    "active": "active",
    "deleted": "available",
}
_POLL_INTERVAL_S = 0.25


class TransitionFailed(Exception):
    """Error raised when a machine does not reach the expected state. Its text contains the node's ``last_error``."""


class LifecycleInterrupted(Exception):
    """Error raised at a pause after a signal or another failure interrupted the demonstration."""


@dataclass(frozen=True)
class DemoMachine:
    """A machine of the demonstration: the node's name, and its fields with driver, interfaces and BMC address."""

    name: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class FinishedTransition:
    """Result of a finished transition: the provision state at its end, its duration, and its error (None: it succeeded)."""

    machine: str
    step: str
    state: str
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class TransitionProgress:
    """State of a machine during a transition: its provision state and its power state."""

    machine: str
    step: str
    state: str
    power: str


class MachineLifecycle:
    """The lifecycle of one machine. :meth:`run` takes the machine through all steps in the calling thread."""

    def __init__(
        self,
        client: BareMetalClient,
        machine: DemoMachine,
        boot_iso: str,
        report: Callable[[FinishedTransition | TransitionProgress], None],
        interrupted: threading.Event,
        timeout: float = 180.0,
    ) -> None:
        """Prepare the lifecycle of *machine*, which boots the image at the URL *boot_iso*.

        *report* receives each finished transition and the progress at each poll. *timeout* bounds one transition, in
        seconds. Setting *interrupted* ends the lifecycle at the next pause.
        """
        self._client = client
        self._machine = machine
        self._boot_iso = boot_iso
        self._report = report
        self._interrupted = interrupted
        self._timeout = timeout
        self._deadline = 0.0
        self._node: dict[str, Any] = {}

    def run(self) -> bool:
        """Run the steps until one fails, report each result, and return whether all steps succeeded."""
        for step in STEPS:
            transition = self._run_step(step)
            self._report(transition)
            if transition.error is not None:
                return False
        return True

    def _run_step(self, step: str) -> FinishedTransition:
        """Run one step and return its result. Errors of API requests and transitions become part of the result."""
        begin = time.monotonic()
        self._deadline = begin + self._timeout
        error = None
        try:
            self._perform(step)
        except (APIError, TransitionFailed, LifecycleInterrupted) as exc:
            error = str(exc) or type(exc).__name__
        state = str(self._node.get("provision_state") or "-")
        return FinishedTransition(self._machine.name, step, state, time.monotonic() - begin, error)

    def _perform(self, step: str) -> None:
        """Request the transition of *step* and wait for its end. Raises an error if it fails."""
        if step == "enroll":
            self._node = self._client.create_node(self._machine.fields | {"name": self._machine.name})
            return
        if step == "active":
            self._retry_while_busy(lambda: self._client.set_field(self._uuid, "instance_info", {"boot_iso": self._boot_iso}))
        if step == "reboot":
            self._retry_while_busy(lambda: self._client.set_power_state(self._uuid, "rebooting"))
            self._poll_until(step, lambda node: not node["target_power_state"])
            self._expect("power_state", "power on")
            return
        self._retry_while_busy(lambda: self._client.set_provision_state(self._uuid, step))
        self._poll_until(step, _has_settled)
        self._expect("provision_state", _FINAL_STATES[step])

    @property
    def _uuid(self) -> str:
        return str(self._node["uuid"])

    def _retry_while_busy(self, request: Callable[[], None]) -> None:
        """Call *request*, and repeat it while the node is locked, for example by power sync, or the server has no free worker.

        Raises APIError for other errors, and at the deadline of the transition.
        """
        while True:
            try:
                return request()
            except APIError as exc:
                if not exc.is_temporary or time.monotonic() > self._deadline:
                    raise
                self._pause(exc.retry_after or _POLL_INTERVAL_S)

    def _poll_until(self, step: str, is_finished: Callable[[dict[str, Any]], bool]) -> None:
        """Read the node until *is_finished* accepts it and no task holds it; report each read as progress of *step*.

        Raises TransitionFailed at the deadline of the transition.
        """
        while True:
            node = self._node = self._client.get_node(self._uuid)
            self._report(TransitionProgress(self._machine.name, step, str(node["provision_state"]), str(node["power_state"])))
            if is_finished(node) and not node["reservation"]:
                return
            if time.monotonic() > self._deadline:
                raise TransitionFailed(f"the transition did not end within {self._timeout:g} s; {self._last_error()}")
            self._pause(_POLL_INTERVAL_S)

    def _expect(self, field: str, value: str) -> None:
        """Raise TransitionFailed unless the node's *field* has *value*.

        After a power change, ``last_error`` must be empty too.
        """
        if self._node[field] != value:
            raise TransitionFailed(
                f"the transition failed: {field} is {self._node[field]!r}, not {value!r}; {self._last_error()}"
            )
        if field == "power_state" and self._node["last_error"]:
            raise TransitionFailed(f"the node reports an error; {self._last_error()}")

    def _last_error(self) -> str:
        return f"last_error: {self._node['last_error']}"

    def _pause(self, seconds: float) -> None:
        """Wait for *seconds*; raise LifecycleInterrupted if the demonstration is interrupted."""
        if self._interrupted.wait(seconds):
            raise LifecycleInterrupted("the demonstration was interrupted")


def _has_settled(node: dict[str, Any]) -> bool:
    """Return whether a change of the provision state has ended: no target state is left, or the state reports a failure."""
    state = str(node["provision_state"])
    return not node["target_provision_state"] or state == "error" or state.endswith("failed")
