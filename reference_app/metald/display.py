"""What the demonstration shows: a live table on a terminal, lines elsewhere, JSON for programs."""

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

from metald.journey import STEPS, Progress, Transition


class Display(ABC):
    """Is told what happens, by many threads at once."""

    def __init__(self, machines: Sequence[str]) -> None:
        self.machines = tuple(machines)
        self.transitions: list[Transition] = []
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def hear(self, event: Transition | Progress) -> None:
        """Take in one event and show it."""
        with self._lock:
            if isinstance(event, Transition):
                self.transitions.append(event)
                self.ended(event)
            else:
                self.going(event)

    @property
    def elapsed(self) -> float:
        """Seconds since the display began."""
        return time.monotonic() - self._begin

    @property
    def failures(self) -> list[Transition]:
        """The transitions that did not get where they should."""
        return [one for one in self.transitions if one.error is not None]

    @abstractmethod
    def ended(self, transition: Transition) -> None:
        """Show a transition that has ended."""

    def going(self, progress: Progress) -> None:
        """Show how a transition is getting on; where that is nothing to show, leave it."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        return

    @abstractmethod
    def finish(self, ok: bool, remark: str) -> None:
        """Show the outcome."""

    @abstractmethod
    def say(self, text: str) -> None:
        """Show a line that belongs to no machine."""


class Lines(Display):
    """A line for each transition, a table at the end."""

    def __init__(self, machines: Sequence[str], output: TextIO) -> None:
        super().__init__(machines)
        self.console = Console(file=output, highlight=False)

    def say(self, text: str) -> None:
        """Show a line that belongs to no machine."""
        self.console.print(text, markup=False, soft_wrap=True)

    def ended(self, transition: Transition) -> None:
        """One line: when, which machine, which transition, and how it went."""
        outcome = f"failed: {transition.error}" if transition.error else transition.state
        self.say(f"{self.elapsed:6.1f} s  {transition.machine:12} {transition.step:8} {transition.seconds:6.1f} s  {outcome}")

    def finish(self, ok: bool, remark: str) -> None:
        """The table of all transitions, the errors in full, and the outcome."""
        self.console.print(table(self.machines, self.transitions, {}))
        for failure in self.failures:
            self.say(f"{failure.machine}: {failure.step} failed: {failure.error}")
        self.say(f"{'All' if ok else 'NOT all'} machines went all the way, in {self.elapsed:.1f} s. {remark}")


class LiveTable(Lines):
    """The table, while it fills."""

    def __init__(self, machines: Sequence[str], output: TextIO) -> None:
        super().__init__(machines, output)
        self._now: dict[str, Progress] = {}
        self._live = Live(self._render(), console=self.console, refresh_per_second=4, transient=True)

    def _render(self) -> Table:
        return table(self.machines, self.transitions, self._now)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self._live.stop()

    def ended(self, transition: Transition) -> None:
        """A cell of the table gets its time."""
        self._now.pop(transition.machine, None)
        self._live.update(self._render())

    def going(self, progress: Progress) -> None:
        """A cell of the table shows the state of its machine."""
        self._now[progress.machine] = progress
        self._live.update(self._render())


class JSONLines(Display):
    """One JSON object per line: each transition, and the outcome."""

    def __init__(self, machines: Sequence[str], output: TextIO) -> None:
        super().__init__(machines)
        self._output = output

    def _write(self, **values: object) -> None:
        print(json.dumps(values), file=self._output, flush=True)

    def say(self, text: str) -> None:
        """A line that belongs to no machine."""
        self._write(event="message", text=text)

    def ended(self, transition: Transition) -> None:
        """A transition, with its time in seconds."""
        self._write(
            event="transition",
            machine=transition.machine,
            step=transition.step,
            provision_state=transition.state,
            seconds=round(transition.seconds, 3),
            error=transition.error,
        )

    def finish(self, ok: bool, remark: str) -> None:
        """The outcome."""
        failed = {one.machine: one.error for one in self.failures}
        seconds = round(self.elapsed, 3)
        self._write(event="outcome", ok=ok, seconds=seconds, machines=len(self.machines), failed=failed, remark=remark)


def choose(machines: Sequence[str], json_lines: bool, output: TextIO = sys.stdout) -> Display:
    """The display that fits the output."""
    if json_lines:
        return JSONLines(machines, output)
    return LiveTable(machines, output) if output.isatty() else Lines(machines, output)


def table(machines: Sequence[str], transitions: Sequence[Transition], now: dict[str, Progress]) -> Table:
    """Machines against steps: the seconds of each transition that has ended, the state of each that goes on."""
    cells = {(one.machine, one.step): "failed" if one.error else f"{one.seconds:.1f} s" for one in transitions}
    cells |= {(one.machine, one.step): one.state for one in now.values()}
    drawn = Table(title="Seconds for each transition", title_justify="left")
    drawn.add_column("machine", no_wrap=True)
    for step in STEPS:
        drawn.add_column(step, justify="right", min_width=6, overflow="fold")
    for machine in machines:
        drawn.add_row(machine, *(cells.get((machine, step), "") for step in STEPS))
    return drawn
