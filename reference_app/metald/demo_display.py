"""Displays of ``metald demo``: a live table on a terminal, lines of text elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from metald.machine_lifecycle import STEPS, FinishedTransition, TransitionProgress


class DemoDisplay(ABC):
    """Base class of the displays of the demonstration. Thread-safe: the threads of all machines report their events."""

    def __init__(self, machines: Sequence[str]) -> None:
        self.machines = tuple(machines)
        self.transitions: list[FinishedTransition] = []
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def handle(self, event: FinishedTransition | TransitionProgress) -> None:
        """Show *event*. The end of a transition is also stored in :attr:`transitions`."""
        with self._lock:
            if isinstance(event, FinishedTransition):
                self.transitions.append(event)
                self.show_transition(event)
            else:
                self.show_progress(event)

    @property
    def elapsed(self) -> float:
        """Seconds since the display was created."""
        return time.monotonic() - self._begin

    @property
    def failures(self) -> list[FinishedTransition]:
        """Finished transitions that failed."""
        return [transition for transition in self.transitions if transition.error is not None]

    @abstractmethod
    def show_transition(self, transition: FinishedTransition) -> None:
        """Show the result of a finished transition."""

    def show_progress(self, progress: TransitionProgress) -> None:
        """Show the progress of a running transition. The default shows nothing."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        return

    @abstractmethod
    def show_outcome(self, ok: bool, remark: str) -> None:
        """Show whether all machines succeeded (*ok*), with a *remark* for the operator."""

    @abstractmethod
    def show_message(self, text: str) -> None:
        """Show *text* to the operator, as one line."""


class DemoLines(DemoDisplay):
    """Display that prints one line for each finished transition, and a table at the end."""

    def __init__(self, machines: Sequence[str], output: TextIO) -> None:
        super().__init__(machines)
        self.console = Console(file=output, highlight=False)

    def show_message(self, text: str) -> None:
        """Print one line of text."""
        self.console.print(text, markup=False, soft_wrap=True)

    def show_transition(self, transition: FinishedTransition) -> None:
        """Print time, machine, step, duration and result of the transition."""
        outcome = f"failed: {transition.error}" if transition.error else transition.state
        self.show_message(
            f"{self.elapsed:6.1f} s  {transition.machine:12} {transition.step:8} {transition.seconds:6.1f} s  {outcome}"
        )

    def show_outcome(self, ok: bool, remark: str) -> None:
        """Print the table of all transitions, the errors in full, and whether all machines succeeded."""
        self.console.print(build_table(self.machines, self.transitions, {}))
        for failure in self.failures:
            self.show_message(f"{failure.machine}: {failure.step} failed: {failure.error}")
        self.show_message(f"{'All' if ok else 'NOT all'} machines completed all transitions in {self.elapsed:.1f} s. {remark}")


class DemoTable(DemoLines):
    """Display that updates a table on the terminal while the machines run."""

    def __init__(self, machines: Sequence[str], output: TextIO) -> None:
        super().__init__(machines, output)
        self._progress: dict[str, TransitionProgress] = {}
        self._live = Live(self._render(), console=self.console, refresh_per_second=4, transient=True)

    def _render(self) -> Table:
        return build_table(self.machines, self.transitions, self._progress)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self._live.stop()

    def show_transition(self, transition: FinishedTransition) -> None:
        """Show the duration of the finished transition in the table."""
        self._progress.pop(transition.machine, None)
        self._live.update(self._render())

    def show_progress(self, progress: TransitionProgress) -> None:
        """Show the state of the machine in the table."""
        self._progress[progress.machine] = progress
        self._live.update(self._render())


class DemoJSONLines(DemoDisplay):
    """Display that prints one JSON object per line: messages, transitions, and the outcome."""

    def __init__(self, machines: Sequence[str], output: TextIO) -> None:
        super().__init__(machines)
        self._output = output

    def _write(self, **values: object) -> None:
        print(json.dumps(values), file=self._output, flush=True)

    def show_message(self, text: str) -> None:
        """Print a JSON object of the type ``message`` with *text*."""
        self._write(event="message", text=text)

    def show_transition(self, transition: FinishedTransition) -> None:
        """Print a JSON object of the type ``transition``, with the duration in seconds and the error."""
        self._write(
            event="transition",
            machine=transition.machine,
            step=transition.step,
            provision_state=transition.state,
            seconds=round(transition.seconds, 3),
            error=transition.error,
        )

    def show_outcome(self, ok: bool, remark: str) -> None:
        """Print a JSON object of the type ``outcome``, with the errors of the failed machines."""
        failed = {transition.machine: transition.error for transition in self.failures}
        seconds = round(self.elapsed, 3)
        self._write(event="outcome", ok=ok, seconds=seconds, machines=len(self.machines), failed=failed, remark=remark)


def create_display(machines: Sequence[str], json_lines: bool, output: TextIO = sys.stdout) -> DemoDisplay:
    """Return the display for the demonstration: JSON if *json_lines* is true, a table on a terminal, lines of text otherwise."""
    if json_lines:
        return DemoJSONLines(machines, output)
    return DemoTable(machines, output) if output.isatty() else DemoLines(machines, output)


def build_table(
    machines: Sequence[str], transitions: Sequence[FinishedTransition], progress: dict[str, TransitionProgress]
) -> Table:
    """Return a table with a row for each machine and a column for each step.

    A cell holds the duration of a finished transition, or the state of a running one.
    """
    cells: dict[tuple[str, str], str] = {}
    for transition in transitions:
        cells[transition.machine, transition.step] = "failed" if transition.error else f"{transition.seconds:.1f} s"
    for running in progress.values():
        cells[running.machine, running.step] = running.state
    grid = Table(title="Seconds for each transition", title_justify="left")
    grid.add_column("machine", no_wrap=True)
    for step in STEPS:
        grid.add_column(step, justify="right", min_width=6, overflow="fold")
    for machine in machines:
        grid.add_row(machine, *(cells.get((machine, step), "") for step in STEPS))
    return grid
