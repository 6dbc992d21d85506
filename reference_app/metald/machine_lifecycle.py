"""Lifecycle of one demonstration machine: each transition is requested over HTTP and polled until it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metald.client import APIError, BareMetalClient

STEPS = ("enroll", "manage", "inspect", "provide", "active", "reboot", "deleted")
"""Transitions in order. All except ``enroll`` and ``reboot`` are provision verbs of the API."""

_FINAL_STATES = {
    "manage": "manageable",
    "inspect": "manageable",
    "provide": "available",
    "active": "active",
    "deleted": "available",
}
_POLL_INTERVAL_S = 0.25


class TransitionFailed(Exception):
    """The machine missed the expected state. The message contains the node's ``last_error``."""


class LifecycleInterrupted(Exception):
    """A signal or another failure interrupted the demonstration."""


@dataclass(frozen=True)
class DemoMachine:
    """A machine: node name, and node fields with driver, interfaces and BMC address."""

    name: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class FinishedTransition:
    """A finished transition. *state* is the provision state at its end; *error* is None if it succeeded."""

    machine: str
    step: str
    state: str
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class TransitionProgress:
    """The states of a machine during a transition."""

    machine: str
    step: str
    state: str
    power: str


class MachineLifecycle:
    """Takes one machine through all transitions, in the calling thread."""

    def __init__(
        self,
        client: BareMetalClient,
        machine: DemoMachine,
        boot_iso: str,
        report: Callable[[FinishedTransition | TransitionProgress], None],
        interrupted: threading.Event,
        timeout: float = 180.0,
    ) -> None:
        """*report* receives each finished transition and each poll. *timeout* in seconds bounds one transition.

        Setting *interrupted* ends the lifecycle at the next pause.
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
        """Run the transitions until one fails. Return whether all succeeded."""
        for step in STEPS:
            transition = self._run_step(step)
            self._report(transition)
            if transition.error is not None:
                return False
        return True

    def _run_step(self, step: str) -> FinishedTransition:
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
        """Send the request again while another task, such as power sync, holds the node."""
        while True:
            try:
                return request()
            except APIError as exc:
                if not exc.is_temporary or time.monotonic() > self._deadline:
                    raise
                self._pause(exc.retry_after or _POLL_INTERVAL_S)

    def _poll_until(self, step: str, is_finished: Callable[[dict[str, Any]], bool]) -> None:
        """Read the node until *is_finished* accepts it and no task holds it."""
        while True:
            node = self._node = self._client.get_node(self._uuid)
            self._report(TransitionProgress(self._machine.name, step, str(node["provision_state"]), str(node["power_state"])))
            if is_finished(node) and not node["reservation"]:
                return
            if time.monotonic() > self._deadline:
                raise TransitionFailed(f"the transition did not end within {self._timeout:g} s; {self._last_error()}")
            self._pause(_POLL_INTERVAL_S)

    def _expect(self, field: str, value: str) -> None:
        if self._node[field] != value:
            raise TransitionFailed(f"{field} is {self._node[field]!r}, not {value!r}; {self._last_error()}")
        if field == "power_state" and self._node["last_error"]:
            raise TransitionFailed(self._last_error())

    def _last_error(self) -> str:
        return f"last_error: {self._node['last_error']}"

    def _pause(self, seconds: float) -> None:
        if self._interrupted.wait(seconds):
            raise LifecycleInterrupted("interrupted")


def _has_settled(node: dict[str, Any]) -> bool:
    """Return whether a change of the provision state ended: no target state is left, or the state reports a failure."""
    state = str(node["provision_state"])
    return not node["target_provision_state"] or state == "error" or state.endswith("failed")
