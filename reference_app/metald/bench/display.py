"""What a measurement shows while it goes on and at its end: bars on a terminal, lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from metald.bench.recording import Recording
from metald.bench.result import Result

_LINE_EVERY = 5.0
"""Seconds between two lines about one stage, where there is no terminal."""
_BAR_EVERY = 0.25


class Display:
    """Lines for humans. It looks at the recording by itself, so that what is measured does not wait for what is shown."""

    every = _LINE_EVERY

    def __init__(self, output: TextIO) -> None:
        self.console = Console(file=output, highlight=False)
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None
        self._stage: tuple[str, str, int, Recording] | None = None
        self._done_before = 0

    def __enter__(self) -> Self:
        self._watcher = threading.Thread(target=self._watch, name="bench-display", daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._watcher is not None:
            self._watcher.join()

    def say(self, text: str) -> None:
        """Show a line."""
        self.console.print(text, markup=False, soft_wrap=True)

    def stage(self, server: str, operation: str, count: int, recording: Recording) -> None:
        """An operation begins, on so many nodes."""
        self._begin_stage(server, operation, count, recording)
        self.say(f"{server}: {operation}, {count} nodes")

    def _begin_stage(self, server: str, operation: str, count: int, recording: Recording) -> None:
        # In another round there are samples from the one before.
        self._done_before = len(recording.samples.get(operation, ()))
        self._stage = (server, operation, count, recording)

    def going(self, server: str, operation: str, done: int, count: int, failures: int) -> None:
        """Show how an operation is getting on."""
        self.say(f"{server}: {operation}, {done} of {count}, {failures} failures")

    def finish(self, result: Result) -> None:
        """Show the outcome."""
        for line in result.lines():
            self.say(line)

    def _watch(self) -> None:
        while not self._over.wait(self.every):
            if self._stage is not None:
                server, operation, count, recording = self._stage
                done = len(recording.samples.get(operation, ())) - self._done_before
                self.going(server, operation, done, count, recording.failed_count)


class Bars(Display):
    """A bar for each stage."""

    every = _BAR_EVERY

    def __init__(self, output: TextIO) -> None:
        super().__init__(output)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
        self._progress = Progress(*columns, TimeElapsedColumn(), console=self.console)
        self._bar: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._progress.stop()

    def stage(self, server: str, operation: str, count: int, recording: Recording) -> None:
        """Draw a new bar."""
        if self._bar is not None:
            self._update()
            self._progress.stop_task(self._bar)
        self._begin_stage(server, operation, count, recording)
        self._bar = self._progress.add_task(f"{server} {operation}", total=count, note="")

    def going(self, server: str, operation: str, done: int, count: int, failures: int) -> None:
        """Move the bar."""
        self._update()

    def finish(self, result: Result) -> None:
        """Show the outcome below the bars."""
        self._update()
        super().finish(result)

    def _update(self) -> None:
        if self._bar is None or self._stage is None:
            return
        _, operation, _, recording = self._stage
        done = len(recording.samples.get(operation, ())) - self._done_before
        note = f"{recording.failed_count} failures" if recording.failed_count else ""
        self._progress.update(self._bar, completed=done, note=note)


class JSONLines(Display):
    """An object a line."""

    every = 1.0

    def __init__(self, output: TextIO) -> None:
        super().__init__(output)
        self._output = output
        self._begin = time.monotonic()
        self._writing = threading.Lock()

    def say(self, text: str) -> None:
        """A line is an event like others."""
        self._write("message", text=text)

    def stage(self, server: str, operation: str, count: int, recording: Recording) -> None:
        """An operation begins."""
        self._begin_stage(server, operation, count, recording)
        self._write("stage", server=server, operation=operation, nodes=count)

    def going(self, server: str, operation: str, done: int, count: int, failures: int) -> None:
        """How it is getting on."""
        self._write("progress", server=server, operation=operation, done=done, of=count, failures=failures)

    def finish(self, result: Result) -> None:
        """All figures, in one object."""
        self._write("result", **result.described())

    def _write(self, event: str, **values: Any) -> None:
        with self._writing:
            print(
                json.dumps({"event": event, "seconds": round(time.monotonic() - self._begin, 3), **values}),
                file=self._output,
                flush=True,
            )


def display_for(output: TextIO = sys.stdout, *, json_lines: bool = False) -> Display:
    """The display for where the output goes to."""
    kind: Callable[[TextIO], Display] = JSONLines if json_lines else Bars if output.isatty() else Display
    return kind(output)
