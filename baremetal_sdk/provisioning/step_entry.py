"""Data types for steps: requests of clients for steps, and the stored entries of a node's run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from baremetal_interfaces import Kind, Step


@dataclass(frozen=True)
class StepRequest:
    """A request for a step by a client, a deploy template or a runbook. *interface* and *step* are not validated yet."""

    interface: Any
    step: Any
    arguments: Mapping[str, Any]
    priority: int | None = None
    """Priority of the step in a merge with automatic steps; None if the request has none."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the request for a JSON object with the keys ``interface``, ``step``, ``args`` and ``priority``, all optional."""
        return cls(value.get("interface"), value.get("step"), value.get("args") or {}, value.get("priority"))


@dataclass(frozen=True)
class StepWait:
    """The wait of a step: the last :class:`~baremetal_interfaces.Wait` that it returned, with start and count of the waits."""

    state: Mapping[str, Any]
    """State of the step that the interface returned and gets back at the next poll."""
    poll_after: float | None
    """Seconds until the next poll. None: the step waits for an event."""
    since: datetime | None
    """The time from which the wait counts against its timeout. None if the step waits for an event."""
    answer_count: int
    """Number of times that the step has returned ``Wait``."""


@dataclass(frozen=True)
class StepEntry:
    """One step of a node's run, with its arguments and its wait.

    The stored form is older than this class, and rows of earlier releases must stay readable. So :meth:`to_json` keeps the
    stored names and their order, and :meth:`from_json` accepts objects that lack the later keys.
    """

    interface: str
    step: str
    method: str
    arguments: Mapping[str, Any]
    priority: int = 0
    is_abortable: bool = False
    is_resumable: bool = False
    """True if a conductor may run the step again after another conductor died in it."""
    is_builtin: bool = False
    """True if the engine runs the step itself. Stored as ``reserved``."""
    phase: str = ""
    """The phase of the run. For the run of a single method that is no declared step: the kind of its interface."""
    uses_ramdisk: bool = True
    """False if the client disabled the ramdisk for this run."""
    wait: StepWait | None = None
    """Set while the step waits."""

    @property
    def label(self) -> str:
        """The step in messages: ``interface.step``."""
        return f"{self.interface}.{self.step}"

    @classmethod
    def from_step(cls, kind: Kind, step: Step, arguments: Mapping[str, Any], *, is_builtin: bool = False) -> Self:
        """Return an entry for *step*, declared by the interface of *kind*, with *arguments* of the request."""
        return cls(
            interface=str(kind),
            step=step.name,
            method=step.method,
            arguments=dict(arguments),
            priority=step.priority,
            is_abortable=step.abortable,
            is_resumable=step.resumable,
            is_builtin=is_builtin,
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the entry for its stored form, which an earlier release may have written."""
        wait = None
        if "wait" in value:
            since = value.get("waits_since")
            wait = StepWait(
                state=value["wait"],
                poll_after=value.get("poll_after"),
                since=None if since is None else datetime.fromisoformat(since),
                answer_count=value.get("looks", 0),
            )
        return cls(
            interface=value["interface"],
            step=value["step"],
            method=value.get("method", value["step"]),
            arguments=value.get("args") or {},
            priority=value.get("priority", 0),
            is_abortable=bool(value.get("abortable")),
            is_resumable=bool(value.get("resumable")),
            is_builtin=bool(value.get("reserved")),
            phase=value.get("phase", ""),
            uses_ramdisk=value.get("ramdisk", True),
            wait=wait,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the stored form of the entry, a JSON object."""
        stored = {
            "interface": self.interface,
            "step": self.step,
            "method": self.method,
            "args": dict(self.arguments),
            "priority": self.priority,
            "abortable": self.is_abortable,
            "resumable": self.is_resumable,
            "reserved": self.is_builtin,
            "phase": self.phase,
            "ramdisk": self.uses_ramdisk,
        }
        if self.wait is not None:
            # The outbox reads "looks": it publishes only the first answer that a step waits.
            stored["waits_since"] = None if self.wait.since is None else self.wait.since.isoformat()
            stored["looks"] = self.wait.answer_count
            stored["wait"] = dict(self.wait.state)
            stored["poll_after"] = self.wait.poll_after
        return stored

    def to_node_field(self) -> dict[str, Any]:
        """Return the step in the form of the node fields ``clean_step``, ``deploy_step`` and ``service_step``."""
        return {"interface": self.interface, "step": self.step, "args": dict(self.arguments), "priority": self.priority}
