"""The step engine: runs the steps of a node in order, stores its progress, and continues after a wait.

A *run* is a list of steps in the node's record, with an index and the number of attempts of the current step. Each change of
the progress is one conditional write under the task's lease. So a conductor that takes over a node finds in the record
which step was running. A late or repeated resume finds that the run has advanced.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from baremetal_interfaces import (
    Cancelled,
    Driver,
    DriverError,
    InvalidInput,
    Kind,
    Phase,
    Problem,
    Step,
    UnexpectedAnswer,
    Wait,
)
from baremetal_interfaces.redaction import redact_text
from baremetal_sdk.observability.telemetry import WAITING, Observation, Work
from baremetal_sdk.provisioning import builtin_steps
from baremetal_sdk.provisioning.step_entry import StepEntry, StepRequest, StepWait
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.tasks.node_task import NodeTask

_KIND_ORDER = (Kind.VENDOR, Kind.POWER, Kind.MANAGEMENT, Kind.FIRMWARE, Kind.DEPLOY, Kind.BIOS, Kind.RAID)
"""The order of steps with the same priority. Kinds that are not listed come last."""
_KINDS = frozenset(map(str, Kind))

STEP_TIMEOUT_S = 900.0
"""Seconds that one step may occupy a worker. A step that takes longer returns ``Wait``."""

MAX_ATTEMPTS = 3
"""Maximum number of times that a step is started, if each time the conductor dies during the step."""

NO_RUN: Final[Mapping[str, Any]] = {
    "run_id": None, "run_steps": (), "run_index": None, "run_attempt": 0, "clean_step": {}, "deploy_step": {}, "service_step": {},
}  # fmt: skip
"""The changes of the node's record that remove its run."""


class RunProgress(Protocol):
    """Protocol of the columns of a node that describe its run. Records and rows with these columns implement it."""

    @property
    def run_id(self) -> str | None:
        """The identifier of the run, or None without a run."""

    @property
    def run_steps(self) -> Sequence[Mapping[str, Any]]:
        """The steps of the run in their stored form."""

    @property
    def run_index(self) -> int | None:
        """The index of the current step in ``run_steps``, or None without a run."""

    @property
    def run_attempt(self) -> int:
        """Number of times that the current step was started; 0 between two steps."""


@dataclass(frozen=True)
class WaitingRun:
    """The position at which a run waits. A resume is valid only while the run is still there."""

    run_id: str
    index: int
    attempt: int
    poll_after: float | None
    """Seconds until the next poll. None: the run waits for an event."""
    held: bool = False
    """True if only a client can continue the run, with ``unhold``."""


def automatic_steps(driver: Driver, phase: Phase) -> list[StepEntry]:
    """Return the steps of the driver that run in *phase* without a request, in running order. Their priority is above 0."""
    declared = [(kind, step) for kind, interface in driver for step in interface.steps_of(phase) if step.priority > 0]
    declared.sort(key=lambda pair: (-pair[1].priority, _rank(pair[0]), pair[1].name))
    return [StepEntry.from_step(kind, step, {}) for kind, step in declared]


def resolve_requested_steps(driver: Driver, phase: Phase, requests: Sequence[StepRequest]) -> list[StepEntry]:
    """Validate *requests* and return an entry for each, in their order.

    Raises ``InvalidInput`` with all unknown steps and all unknown and missing arguments.
    """
    problems: list[Problem] = []
    entries: list[StepEntry] = []
    for number, request in enumerate(requests):
        builtin = builtin_steps.find(phase, request.step) if str(request.interface) in _KINDS else None
        found = (Kind(request.interface), builtin) if builtin else _find_declared(driver, phase, request)
        if found is None:
            problems.append(_unknown_step(driver, phase, number, request))
            continue
        kind, step = found
        problems += _argument_problems(step, request.arguments, number)
        entries.append(StepEntry.from_step(kind, step, request.arguments, is_builtin=builtin is not None))
    if problems:
        raise InvalidInput(problems)
    return entries


def merge_steps(driver: Driver, phase: Phase, requests: Sequence[StepRequest]) -> list[StepEntry]:
    """Return the automatic steps of *phase* merged with requested ones, by priority.

    A request for an automatic step replaces its arguments, and its priority if the request has one. Priority 0 removes a step.
    Raises ``InvalidInput`` for requests that do not fit.
    """
    entries = {entry.label: entry for entry in automatic_steps(driver, phase)}
    for entry, request in zip(resolve_requested_steps(driver, phase, requests), requests, strict=True):
        priority = entry.priority if request.priority is None else int(request.priority)
        entries[entry.label] = dataclasses.replace(entry, priority=priority)
    enabled = [entry for entry in entries.values() if entry.priority > 0]
    return sorted(enabled, key=lambda entry: (-entry.priority, _rank(Kind(entry.interface)), entry.step))


def start_run_changes(phase: Phase, entries: Sequence[StepEntry], *, ramdisk: bool = True) -> dict[str, Any]:
    """Return the changes of the node's record that start a run of *entries* in *phase*.

    With *ramdisk* False, drivers must not boot a ramdisk for this run.
    """
    return _start_changes(dataclasses.replace(entry, phase=str(phase), uses_ramdisk=ramdisk) for entry in entries)


def start_call_changes(kind: Kind, method: str) -> dict[str, Any]:
    """Return the changes of the node's record that start a run of one driver method, which may wait like a step.

    For methods that the interface of *kind* does not declare as a step, such as ``rescue``.
    """
    entry = StepEntry.from_step(kind, Step(Phase.SERVICE, method, method, abortable=True), {})
    return _start_changes([dataclasses.replace(entry, phase=str(kind))])


def _start_changes(entries: Iterable[StepEntry]) -> dict[str, Any]:
    return {
        "run_id": uuid.uuid4().hex,
        "run_steps": tuple(entry.to_json() for entry in entries),
        "run_index": 0,
        "run_attempt": 0,
    }


class HandedOver(Exception):
    """Signal to end a run in this conductor, between two steps, because the conductor stops and another one continues it."""


def run(task: NodeTask) -> WaitingRun | None:
    """Run the steps of the node's run from its current position.

    Return None when all steps are done, or the position at which the run waits. Errors of a step pass to the caller. Raises
    ``Cancelled`` before a step if the task is cancelled, and ``DriverError`` for a step that was started too often. Raises
    :class:`HandedOver` between two steps if this conductor stops and another one can take over the node.
    """
    while (entry := current_entry(task.record)) is not None:
        if _is_between_steps(task.record) and task.is_leaving:
            raise HandedOver
        if task.cancelled:
            raise Cancelled(f"the run of steps was cancelled before step {entry.label}; request it again")
        if task.record.run_attempt >= MAX_ATTEMPTS:
            raise DriverError(
                f"step {entry.label} was started {MAX_ATTEMPTS} times and never finished; see the log of the conductors"
            )
        # The attempt is stored before the step starts. A conductor that dies in the step leaves a count above 0, by which
        # recovery recognizes a step under way, and which limits the attempts of a step that kills conductors.
        task.write(run_attempt=task.record.run_attempt + 1, **_node_field(entry))
        with _observe(task, entry) as observation:
            if entry.is_builtin:
                outcome: Any = builtin_steps.run(task, entry.method, entry.arguments)
            else:
                outcome = task.call(entry.interface, entry.method, timeout=STEP_TIMEOUT_S, **entry.arguments)
            if isinstance(outcome, Wait):
                observation.outcome = WAITING
        # A step that is started again forgets the wait of an earlier attempt.
        waiting = _store_outcome(task, dataclasses.replace(entry, wait=None), outcome)
        if waiting is not None:
            return waiting
    return None


def poll(task: NodeTask) -> WaitingRun | None:
    """Poll the interface whose step waits, and continue the run if the step is done.

    Return None when all steps are done, or the position at which the run waits. A builtin step is done at its first poll.
    """
    entry = current_entry(task.record)
    if entry is None:
        return None
    if entry.is_builtin:
        # A builtin step only waits for its time or for an event, and both have come.
        outcome: Any = None
    else:
        step = _declared_step(task.driver, entry)
        state = {} if entry.wait is None else entry.wait.state
        with _observe(task, entry) as observation:
            outcome = task.call(entry.interface, "poll", step, state, timeout=STEP_TIMEOUT_S)
            if isinstance(outcome, Wait):
                observation.outcome = WAITING
    waiting = _store_outcome(task, entry, outcome)
    return run(task) if waiting is None else waiting


def is_current(record: NodeRecord, waiting: WaitingRun) -> bool:
    """Return whether the node's run is still at position *waiting*. False means that a resume is late or the second one."""
    return (record.run_id, record.run_index, record.run_attempt) == (waiting.run_id, waiting.index, waiting.attempt)


def current_entry(record: RunProgress) -> StepEntry | None:
    """Return the current step of the node's run, or None without a run or after its last step."""
    if record.run_id is None or record.run_index is None or record.run_index >= len(record.run_steps):
        return None
    return StepEntry.from_json(record.run_steps[record.run_index])


def current_wait(record: RunProgress) -> WaitingRun | None:
    """Return the position of the node's run and the poll delay of its step in seconds. None without a run or after its last step.

    The delay is None if the step waits for an event or has not returned a ``Wait``.
    """
    entry = current_entry(record)
    if entry is None or record.run_id is None or record.run_index is None:
        return None
    return WaitingRun(
        record.run_id,
        record.run_index,
        record.run_attempt,
        poll_after=None if entry.wait is None else entry.wait.poll_after,
        held=entry.is_builtin and entry.step == builtin_steps.HOLD,
    )


def waiting_since(record: RunProgress) -> datetime | None:
    """Return the time from which the wait of the current step counts. None if the step waits for an event, not for polls."""
    entry = current_entry(record)
    return None if entry is None or entry.wait is None else entry.wait.since


def step_label(record: RunProgress) -> str:
    """Return the current step of the node's run for messages: "step interface.step", or "no step"."""
    entry = current_entry(record)
    return "no step" if entry is None else f"step {entry.label}"


def wants_ramdisk(record: NodeRecord) -> bool:
    """Return whether drivers may boot a ramdisk on the machine for the node's run: the client did not disable it."""
    return all(StepEntry.from_json(stored).uses_ramdisk for stored in record.run_steps)


def completed_steps(record: NodeRecord, kind: Kind) -> Iterator[StepEntry]:
    """Return an iterator over the completed steps of the node's run that belong to the interface of *kind*.

    Builtin steps belong to no interface, whichever one the client named.
    """
    entries = map(StepEntry.from_json, record.run_steps[: record.run_index or 0])
    return (entry for entry in entries if entry.interface == str(kind) and not entry.is_builtin)


def can_run_again(record: NodeRecord) -> bool:
    """Return whether another conductor can continue the node's run after its conductor died.

    True between two steps, and during a step that its interface declares resumable.
    """
    entry = current_entry(record)
    return entry is not None and (entry.is_resumable or _is_between_steps(record))


def _is_between_steps(record: NodeRecord) -> bool:
    # Before the first step this is False: the work that prepares the run, such as booting a ramdisk, may not have happened.
    return record.run_attempt == 0 and (record.run_index or 0) > 0


def _declared_step(driver: Driver, entry: StepEntry) -> Step:
    """Return the driver's declaration of a step of the run, or a minimal declaration for a method that is no declared step."""
    for step in driver[entry.interface].steps:
        if step.method == entry.method:
            return step
    return Step(Phase.SERVICE, entry.step, entry.method)


def _store_outcome(task: NodeTask, entry: StepEntry, outcome: Any) -> WaitingRun | None:
    """Store the *outcome* that the current step *entry* returned.

    For a ``Wait``, store the wait and return the position of the run. For None, advance the run to the next step and return
    None. Raises ``UnexpectedAnswer`` for other outcomes.
    """
    index = task.record.run_index
    assert index is not None
    if isinstance(outcome, Wait):
        previous_count = 0 if entry.wait is None else entry.wait.answer_count
        wait = StepWait(dict(outcome.state), outcome.poll_after, _wait_start(task, entry, outcome), previous_count + 1)
        entries = list(task.record.run_steps)
        entries[index] = dataclasses.replace(entry, wait=wait).to_json()
        task.write(run_steps=tuple(entries))
        return current_wait(task.record)
    if outcome is not None:
        shown = redact_text(repr(outcome), task.unsealed_secrets)
        raise UnexpectedAnswer(f"step {entry.label} returned {shown}; it has to return None or Wait")
    # One write for both. Between two writes, a dying conductor would leave the next step with the attempts of this one.
    task.write(run_index=index + 1, run_attempt=0)
    return None


def _wait_start(task: NodeTask, entry: StepEntry, outcome: Wait) -> datetime | None:
    """Return the time from which the wait of a polled step counts against its timeout. None for a wait for an event."""
    if outcome.poll_after is None:
        return None
    if entry.wait is not None and entry.wait.since is not None:
        # Further polls do not prolong the wait: a step that always answers "wait" would never time out.
        return entry.wait.since
    # The seconds of a builtin "wait" are the client's wish. The timeout starts after them.
    requested = timedelta(seconds=outcome.poll_after if entry.is_builtin else 0.0)
    return task.clock.now() + requested


def _observe(task: NodeTask, entry: StepEntry) -> Observation:
    return task.observing(Work.STEP, {"phase": entry.phase, "interface": entry.interface, "step": entry.step})


def _node_field(entry: StepEntry) -> dict[str, Any]:
    """Return the change of ``clean_step``, ``deploy_step`` or ``service_step`` that shows the step. Empty in other phases."""
    if entry.phase not in ("clean", "deploy", "service"):
        return {}
    return {f"{entry.phase}_step": entry.to_node_field()}


def _rank(kind: Kind) -> int:
    return _KIND_ORDER.index(kind) if kind in _KIND_ORDER else len(_KIND_ORDER)


def _find_declared(driver: Driver, phase: Phase, request: StepRequest) -> tuple[Kind, Step] | None:
    for kind, interface in driver:
        for step in interface.steps_of(phase):
            if str(kind) == request.interface and step.name == request.step:
                return kind, step
    return None


def _unknown_step(driver: Driver, phase: Phase, number: int, request: StepRequest) -> Problem:
    declared = (f"{kind}.{step.name}" for kind, interface in driver for step in interface.steps_of(phase))
    available = ", ".join(sorted([*declared, *builtin_steps.names(phase)])) or "none"
    wrong = f"this node has no {phase} step {request.interface}.{request.step}"
    return Problem(f"{phase}_steps/{number}", wrong, f"available are {available}")


def _argument_problems(step: Step, arguments: Mapping[str, Any], number: int) -> list[Problem]:
    """Return problems for the unknown and the missing arguments of the requested step at index *number* of the request."""
    field = f"{step.phase}_steps/{number}/args"
    allowed = "the step takes " + (", ".join(step.arguments) or "no arguments")
    unknown = [
        Problem(f"{field}/{name}", "is not an argument of this step", allowed) for name in arguments if name not in step.arguments
    ]
    missing = [
        Problem(f"{field}/{name}", "is required", argument.description)
        for name, argument in step.arguments.items()
        if argument.required and name not in arguments
    ]
    return unknown + missing
