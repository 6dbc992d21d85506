"""One step engine: it runs a list of steps on a node, stores how far it is, and goes on after a wait."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from baremetal_interfaces import Cancelled, Driver, DriverError, InvalidInput, Kind, Phase, Problem, Step, UnexpectedAnswer, Wait
from baremetal_sdk.observability.telemetry import WAITING, Observation, Work
from baremetal_sdk.provisioning import builtin_steps
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.tasks.node_task import NodeTask

_KIND_ORDER = (Kind.VENDOR, Kind.POWER, Kind.MANAGEMENT, Kind.FIRMWARE, Kind.DEPLOY, Kind.BIOS, Kind.RAID)
"""Which kind goes first where priorities are equal."""

STEP_TIMEOUT_S = 900.0
"""Seconds for one step in a worker. What takes longer waits."""

MAX_ATTEMPTS = 3
"""How often a step is begun, when conductors die in it."""

NO_RUN: Final[Mapping[str, Any]] = {
    "run_id": None, "run_steps": (), "run_index": None, "run_attempt": 0, "clean_step": {}, "deploy_step": {}, "service_step": {},
}  # fmt: skip
"""The changes that say that no run is going on."""


class RunProgress(Protocol):
    """What is stored of a node's run."""

    @property
    def run_id(self) -> str | None:
        """Which run it is."""

    @property
    def run_steps(self) -> Sequence[Mapping[str, Any]]:
        """Its steps."""

    @property
    def run_index(self) -> int | None:
        """The step that it is at."""

    @property
    def run_attempt(self) -> int:
        """How often that was begun."""


@dataclass(frozen=True)
class WaitingRun:
    """A run that waits: which one, where, and in how many seconds to look (None: until an event)."""

    run_id: str
    index: int
    attempt: int
    poll_after: float | None
    held: bool = False
    """Whether it goes on only when a client says so."""


def automatic_steps(driver: Driver, phase: Phase) -> list[dict[str, Any]]:
    """The steps that run by themselves in *phase*, in their order."""
    found = [(kind, step) for kind, interface in driver for step in interface.steps_of(phase) if step.priority > 0]
    found.sort(key=lambda pair: (-pair[1].priority, _rank(pair[0]), pair[1].name))
    return [_entry(kind, step, {}) for kind, step in found]


def resolve_requested_steps(driver: Driver, phase: Phase, wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The steps that a client asked for, in its order; ``InvalidInput`` with all that is wrong with them."""
    problems: list[Problem] = []
    entries: list[dict[str, Any]] = []
    for number, one in enumerate(wanted):
        reserved = builtin_steps.find(phase, one.get("interface"), one.get("step"))
        found = (builtin_steps.INTERFACE, reserved) if reserved else _find(driver, phase, one)
        if found is None:
            problems.append(_unknown(driver, phase, number, one))
            continue
        problems += _argument_problems(found[1], one.get("args") or {}, number)
        entries.append(_entry(*found, one.get("args") or {}, reserved=reserved is not None))
    if problems:
        raise InvalidInput(problems)
    return entries


def merge_steps(driver: Driver, phase: Phase, wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The automatic steps with those that a client *wanted*: each with its own ``priority``, 0 to leave the step out."""
    entries = {(entry["interface"], entry["step"]): entry for entry in automatic_steps(driver, phase)}
    for entry, asked in zip(resolve_requested_steps(driver, phase, wanted), wanted, strict=True):
        entries[entry["interface"], entry["step"]] = {**entry, "priority": int(asked.get("priority", entry["priority"]))}
    kept = [entry for entry in entries.values() if entry["priority"] > 0]
    return sorted(kept, key=lambda entry: (-entry["priority"], _rank(Kind(entry["interface"])), entry["step"]))


def start_run_changes(phase: Phase, entries: Sequence[Mapping[str, Any]], *, ramdisk: bool = True) -> dict[str, Any]:
    """The changes that start a run of *entries*, with a ramdisk on the machine where its driver uses one, or without."""
    return _begun({**entry, "phase": str(phase), "ramdisk": ramdisk} for entry in entries)


def start_call_changes(kind: Kind, method: str) -> dict[str, Any]:
    """The changes that start a run of one method that is no declared step, and may wait like one."""
    entry = _entry(kind, Step(Phase.SERVICE, method, method, abortable=True), {})
    return _begun([{**entry, "phase": str(kind), "ramdisk": True}])


def _begun(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "run_id": uuid.uuid4().hex,
        "run_steps": tuple(entries),
        "run_index": 0,
        "run_attempt": 0,
    }


class HandedOver(Exception):
    """The run goes on at another conductor: this one stops, and no step is under way."""


def run(task: NodeTask) -> WaitingRun | None:
    """Run the steps of the node's run from where it is; None when all are done. A step's error ends the run.

    Raises :class:`HandedOver` between two steps when this conductor stops and another one is there for the node.
    """
    while (entry := _current(task.record)) is not None:
        if _is_between(task.record) and task.is_leaving:
            raise HandedOver
        if task.cancelled:
            raise Cancelled(f"the run was stopped before step {entry['interface']}.{entry['step']}")
        if task.record.run_attempt >= MAX_ATTEMPTS:
            raise DriverError(f"step {entry['interface']}.{entry['step']} was begun {MAX_ATTEMPTS} times and never ended")
        task.write(run_attempt=task.record.run_attempt + 1, **_shown(entry))
        with _observed(task, entry) as one:
            if entry["reserved"]:
                outcome: Any = builtin_steps.run(task, entry["method"], entry["args"])
            else:
                outcome = task.call(entry["interface"], entry["method"], timeout=STEP_TIMEOUT_S, **entry["args"])
            one.outcome = WAITING if isinstance(outcome, Wait) else one.outcome
        waiting = _after(task, {**entry, "waits_since": None, "looks": 0}, outcome)
        if waiting is not None:
            return waiting
    return None


def poll(task: NodeTask) -> WaitingRun | None:
    """Ask the interface how the step that waits is getting on, and go on when it is done."""
    entry = _current(task.record)
    if entry is None:
        return None
    interface = task.driver[entry["interface"]]
    if entry["reserved"]:
        return _after(task, entry, None) or run(task)
    undeclared = Step(Phase.SERVICE, entry["step"], entry["method"])
    step = next((one for one in interface.steps if one.method == entry["method"]), undeclared)
    with _observed(task, entry) as one:
        outcome = task.call(entry["interface"], "poll", step, entry.get("wait", {}), timeout=STEP_TIMEOUT_S)
        one.outcome = WAITING if isinstance(outcome, Wait) else one.outcome
    return _after(task, entry, outcome) or run(task)


def is_current(record: NodeRecord, waiting: WaitingRun) -> bool:
    """Whether the node still waits where *waiting* says; a late or second resume is told by that."""
    return (record.run_id, record.run_index, record.run_attempt) == (waiting.run_id, waiting.index, waiting.attempt)


def current_wait(record: RunProgress) -> WaitingRun | None:
    """What the node's run waits for, of its record or a row of it: for a conductor that takes it up."""
    entry = _current(record)
    if entry is None or record.run_id is None or record.run_index is None:
        return None
    held = entry["reserved"] and entry["step"] == builtin_steps.HOLD
    return WaitingRun(record.run_id, record.run_index, record.run_attempt, entry.get("poll_after"), held)


def waiting_since(record: RunProgress) -> datetime | None:
    """From when on the node's step, which goes on by the time, counts as waiting; None where it waits for an event."""
    since = (_current(record) or {}).get("waits_since")
    return None if since is None else datetime.fromisoformat(since)


def step_label(record: RunProgress) -> str:
    """The step that the node's run is at, for people."""
    entry = _current(record)
    return "no step" if entry is None else f"step {entry['interface']}.{entry['step']}"


def wants_ramdisk(record: NodeRecord) -> bool:
    """Whether the node's run may use a ramdisk on the machine."""
    return all(entry.get("ramdisk", True) for entry in record.run_steps)


def completed_steps(record: NodeRecord, kind: Kind) -> Iterator[Mapping[str, Any]]:
    """The steps of *kind* that the node's run has done."""
    done = record.run_steps[: record.run_index or 0]
    return (entry for entry in done if entry["interface"] == str(kind))


def can_run_again(record: NodeRecord) -> bool:
    """Whether the run can simply go on: a conductor ended before its step began, or in one that may be run again."""
    entry = _current(record)
    return entry is not None and (bool(entry["resumable"]) or _is_between(record))


def _is_between(record: NodeRecord) -> bool:
    """Whether steps have been done and the next one was not begun: before the first one, more than it may be missing."""
    return record.run_attempt == 0 and (record.run_index or 0) > 0


def _after(task: NodeTask, entry: Mapping[str, Any], outcome: Any) -> WaitingRun | None:
    if isinstance(outcome, Wait):
        entries = list(task.record.run_steps)
        assert task.record.run_index is not None
        waiting = {"wait": dict(outcome.state), "poll_after": outcome.poll_after, "waits_since": _since(task, entry, outcome)}
        waiting["looks"] = entry.get("looks", 0) + 1
        entries[task.record.run_index] = {**entry, **waiting}
        task.write(run_steps=tuple(entries))
        return current_wait(task.record)
    if outcome is not None:
        raise UnexpectedAnswer(f"step {entry['interface']}.{entry['step']} returned {outcome!r}; it has to return None or Wait")
    task.write(run_index=(task.record.run_index or 0) + 1, run_attempt=0)
    return None


def _since(task: NodeTask, entry: Mapping[str, Any], outcome: Wait) -> str | None:
    """From when on the step counts as waiting: a polled one at once, and a wait of a client's when it is over."""
    if outcome.poll_after is None:
        return None
    asked = timedelta(seconds=outcome.poll_after if entry["reserved"] else 0.0)
    return entry.get("waits_since") or (task.clock.now() + asked).isoformat()


def _observed(task: NodeTask, entry: Mapping[str, Any]) -> Observation:
    labels = {"phase": str(entry["phase"]), "interface": str(entry["interface"]), "step": str(entry["step"])}
    return task.observing(Work.STEP, labels)


def _current(record: RunProgress) -> Mapping[str, Any] | None:
    if record.run_id is None or record.run_index is None or record.run_index >= len(record.run_steps):
        return None
    return record.run_steps[record.run_index]


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    shown = {"interface": entry["interface"], "step": entry["step"], "args": entry["args"], "priority": entry["priority"]}
    phase = entry["phase"]
    return {f"{phase}_step": shown} if phase in ("clean", "deploy", "service") else {}


def _entry(kind: Kind, step: Step, arguments: Mapping[str, Any], *, reserved: bool = False) -> dict[str, Any]:
    return {
        "interface": str(kind), "step": step.name, "method": step.method, "args": dict(arguments),
        "priority": step.priority, "abortable": step.abortable, "resumable": step.resumable, "reserved": reserved,
    }  # fmt: skip


def _rank(kind: Kind) -> int:
    return _KIND_ORDER.index(kind) if kind in _KIND_ORDER else len(_KIND_ORDER)


def _find(driver: Driver, phase: Phase, wanted: Mapping[str, Any]) -> tuple[Kind, Step] | None:
    for kind, interface in driver:
        for step in interface.steps_of(phase):
            if str(kind) == wanted.get("interface") and step.name == wanted.get("step"):
                return kind, step
    return None


def _unknown(driver: Driver, phase: Phase, number: int, wanted: Mapping[str, Any]) -> Problem:
    own = (f"{kind}.{step.name}" for kind, interface in driver for step in interface.steps_of(phase))
    there: Iterable[str] = sorted([*own, *builtin_steps.names(phase)])
    name = f"{wanted.get('interface')}.{wanted.get('step')}"
    return Problem(
        f"{phase}_steps/{number}", f"this node has no {phase} step {name}", "there are " + (", ".join(there) or "none")
    )


def _argument_problems(step: Step, given: Mapping[str, Any], number: int) -> list[Problem]:
    where = f"{step.phase}_steps/{number}/args"
    unknown = [
        Problem(f"{where}/{name}", "is not an argument of this step", _names(step))
        for name in given
        if name not in step.arguments
    ]
    missing = [
        Problem(f"{where}/{name}", "is required", argument.description)
        for name, argument in step.arguments.items()
        if argument.required and name not in given
    ]
    return unknown + missing


def _names(step: Step) -> str:
    return "it takes " + (", ".join(step.arguments) or "none")
