"""Displays of ``metald bench``: progress bars on a terminal, lines of text elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any, NamedTuple, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from metald.bench.recording import Recording
from metald.bench.result import BenchResult

_LINE_INTERVAL_S = 5.0
_BAR_INTERVAL_S = 0.25
_JSON_INTERVAL_S = 1.0


class BenchStage(NamedTuple):
    """The running operation of a scenario. *earlier_samples* is the number of its samples from previous rounds."""

    server: str
    operation: str
    node_count: int
    recording: Recording
    earlier_samples: int

    @property
    def done(self) -> int:
        """Number of operations that succeeded in this stage."""
        return len(self.recording.samples.get(self.operation, ())) - self.earlier_samples


class BenchDisplay:
    """Display that prints lines of text.

    A thread of the display polls the recording, so that measured operations never wait for output.
    """

    update_interval_s = _LINE_INTERVAL_S

    def __init__(self, output: TextIO) -> None:
        self.console = Console(file=output, highlight=False)
        self._stop = threading.Event()
        self._updater: threading.Thread | None = None
        self._stage: BenchStage | None = None

    def __enter__(self) -> Self:
        self._updater = threading.Thread(target=self._update_periodically, name="bench-display", daemon=True)
        self._updater.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._updater is not None:
            self._updater.join()

    def show_message(self, text: str) -> None:
        """Print one line of text."""
        self.console.print(text, markup=False, soft_wrap=True)

    def begin_stage(self, server: str, operation: str, count: int, recording: Recording) -> None:
        """Show that *operation* begins for *count* nodes of *server*, and show its progress from now on."""
        self._set_stage(server, operation, count, recording)
        self.show_message(f"{server}: {operation}, {count} nodes")

    def _set_stage(self, server: str, operation: str, count: int, recording: Recording) -> None:
        earlier_samples = len(recording.samples.get(operation, ()))
        self._stage = BenchStage(server, operation, count, recording, earlier_samples)

    def show_progress(self, stage: BenchStage) -> None:
        """Print how many operations of *stage* have succeeded and failed."""
        failures = stage.recording.failure_count
        self.show_message(f"{stage.server}: {stage.operation}, {stage.done} of {stage.node_count}, {failures} failures")

    def show_result(self, result: BenchResult) -> None:
        """Print the result of the measurement as text."""
        for line in result.format_lines():
            self.show_message(line)

    def _update_periodically(self) -> None:
        """Show the progress of the running stage at regular intervals until the display ends."""
        while not self._stop.wait(self.update_interval_s):
            if self._stage is not None:
                self.show_progress(self._stage)


class BenchBars(BenchDisplay):
    """Display with a progress bar for each stage on a terminal."""

    update_interval_s = _BAR_INTERVAL_S

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

    def begin_stage(self, server: str, operation: str, count: int, recording: Recording) -> None:
        """Complete the progress bar of the previous stage and add a bar for *operation*."""
        if self._bar is not None:
            self._update_bar()
            self._progress.stop_task(self._bar)
        self._set_stage(server, operation, count, recording)
        self._bar = self._progress.add_task(f"{server} {operation}", total=count, note="")

    def show_progress(self, stage: BenchStage) -> None:
        """Update the progress bar of the running stage."""
        self._update_bar()

    def show_result(self, result: BenchResult) -> None:
        """Print the result below the progress bars."""
        self._update_bar()
        super().show_result(result)

    def _update_bar(self) -> None:
        if self._bar is None or self._stage is None:
            return
        failures = self._stage.recording.failure_count
        note = f"{failures} failures" if failures else ""
        self._progress.update(self._bar, completed=self._stage.done, note=note)


class BenchJSONLines(BenchDisplay):
    """Display that prints one JSON object per line: messages, stages, progress and the result."""

    update_interval_s = _JSON_INTERVAL_S

    def __init__(self, output: TextIO) -> None:
        super().__init__(output)
        self._output = output
        self._begin = time.monotonic()
        self._write_lock = threading.Lock()

    def show_message(self, text: str) -> None:
        """Print a JSON object of the type ``message`` with *text*."""
        self._write("message", text=text)

    def begin_stage(self, server: str, operation: str, count: int, recording: Recording) -> None:
        """Print a JSON object of the type ``stage``: *operation* begins for *count* nodes of *server*."""
        self._set_stage(server, operation, count, recording)
        self._write("stage", server=server, operation=operation, nodes=count)

    def show_progress(self, stage: BenchStage) -> None:
        """Print a JSON object of the type ``progress``, with the operations of *stage* that succeeded and failed."""
        self._write(
            "progress",
            server=stage.server,
            operation=stage.operation,
            done=stage.done,
            of=stage.node_count,
            failures=stage.recording.failure_count,
        )

    def show_result(self, result: BenchResult) -> None:
        """Print a JSON object of the type ``result`` with all figures of the measurement."""
        self._write("result", **result.to_dict())

    def _write(self, event: str, **values: Any) -> None:
        # The updater and the main thread both write; the lock keeps lines whole.
        with self._write_lock:
            print(
                json.dumps({"event": event, "seconds": round(time.monotonic() - self._begin, 3), **values}),
                file=self._output,
                flush=True,
            )


def create_display(output: TextIO = sys.stdout, *, json_lines: bool = False) -> BenchDisplay:
    """Return the display for ``metald bench``: JSON if *json_lines* is true, bars on a terminal, lines of text otherwise."""
    if json_lines:
        return BenchJSONLines(output)
    return BenchBars(output) if output.isatty() else BenchDisplay(output)
