"""What one machine goes through: each transition is asked for over HTTP and watched until it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metald.client import APIError, BareMetalClient

STEPS = ("enrol", "manage", "inspect", "provide", "active", "reboot", "deleted")
"""The transitions, in order. All but the first and the reboot are verbs of the API."""

_REACHES = {"manage": "manageable", "inspect": "manageable", "provide": "available", "active": "active", "deleted": "available"}
_POLL_SECONDS = 0.25


class TransitionFailed(Exception):
    """A machine did not get where it was sent; the message is the node's ``last_error``."""


class Interrupted(Exception):
    """Somebody asked for the end."""


@dataclass(frozen=True)
class Machine:
    """A machine to enrol: its name, and the fields that say how to reach and to drive it."""

    name: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Transition:
    """One transition that has ended. *state* is where the machine is; *error* is None where all went well."""

    machine: str
    step: str
    state: str
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class Progress:
    """Where a machine is while a transition goes on."""

    machine: str
    step: str
    state: str
    power: str


class Journey:
    """Takes one machine through all the steps, in the calling thread."""

    def __init__(
        self,
        client: BareMetalClient,
        machine: Machine,
        boot_iso: str,
        tell: Callable[[Transition | Progress], None],
        interrupted: threading.Event,
        limit: float = 180.0,
    ) -> None:
        """*tell* hears of everything that happens; *limit* bounds one transition in seconds."""
        self._client = client
        self._machine = machine
        self._boot_iso = boot_iso
        self._tell = tell
        self._interrupted = interrupted
        self._limit = limit
        self._end = 0.0
        self._node: dict[str, Any] = {}

    def run(self) -> bool:
        """Go all the way; give back whether the machine got there."""
        for step in STEPS:
            transition = self._take(step)
            self._tell(transition)
            if transition.error is not None:
                return False
        return True

    def _take(self, step: str) -> Transition:
        begin = time.monotonic()
        self._end = begin + self._limit
        error = None
        try:
            self._ask(step)
        except (APIError, TransitionFailed, Interrupted) as exc:
            error = str(exc) or type(exc).__name__
        state = str(self._node.get("provision_state") or "-")
        return Transition(self._machine.name, step, state, time.monotonic() - begin, error)

    def _ask(self, step: str) -> None:
        if step == "enrol":
            self._node = self._client.create_node(self._machine.fields | {"name": self._machine.name})
            return
        if step == "active":
            self._patiently(lambda: self._client.replace(self._uuid, "instance_info", {"boot_iso": self._boot_iso}))
        if step == "reboot":
            self._patiently(lambda: self._client.power(self._uuid, "rebooting"))
            self._watch(step, lambda node: not node["target_power_state"])
            self._expect("power_state", "power on")
            return
        self._patiently(lambda: self._client.provision(self._uuid, step))
        self._watch(step, _has_settled)
        self._expect("provision_state", _REACHES[step])

    @property
    def _uuid(self) -> str:
        return str(self._node["uuid"])

    def _patiently(self, request: Callable[[], None]) -> None:
        """Send a request again while the node is busy with something else, such as an observation of its power."""
        while True:
            try:
                return request()
            except APIError as exc:
                if not exc.temporary or time.monotonic() > self._end:
                    raise
                self._pause(exc.retry_after or _POLL_SECONDS)

    def _watch(self, step: str, over: Callable[[dict[str, Any]], bool]) -> None:
        """Read the node until the transition is over: then nobody holds it and it has no target."""
        while True:
            node = self._node = self._client.node(self._uuid)
            self._tell(Progress(self._machine.name, step, str(node["provision_state"]), str(node["power_state"])))
            if over(node) and not node["reservation"]:
                return
            if time.monotonic() > self._end:
                raise TransitionFailed(f"it was not over after {self._limit:g} s; {self._last_error()}")
            self._pause(_POLL_SECONDS)

    def _expect(self, field: str, wanted: str) -> None:
        if self._node[field] != wanted:
            raise TransitionFailed(f"{field} is {self._node[field]!r}, not {wanted!r}; {self._last_error()}")
        if field == "power_state" and self._node["last_error"]:
            raise TransitionFailed(self._last_error())

    def _last_error(self) -> str:
        return f"last_error: {self._node['last_error']}"

    def _pause(self, seconds: float) -> None:
        if self._interrupted.wait(seconds):
            raise Interrupted("interrupted")


def _has_settled(node: dict[str, Any]) -> bool:
    """Whether a change of the provision state is over: the goal is reached, or the state says that it was missed."""
    state = str(node["provision_state"])
    return not node["target_provision_state"] or state == "error" or state.endswith("failed")
