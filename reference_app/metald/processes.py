"""Child processes of the demonstration and the bench: start in a separate session, wait for a line of output, and stop."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self


class ChildFailed(Exception):
    """Error raised when a child process ended early or did not act in time. Its text ends with the last lines of the output."""


class Child:
    """A child process whose standard output and standard error go to a log file. The end of a ``with`` block stops it."""

    def __init__(self, name: str, arguments: Sequence[str], directory: Path, extra: Mapping[str, str] | None = None) -> None:
        """Start the command *arguments* as a child with the log file ``NAME.log`` in *directory*.

        The child gets the environment of this process and the *extra* variables.
        """
        self.name = name
        self.log = directory / f"{name}.log"
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        with self.log.open("ab") as log:
            # In a separate session, the child does not receive Ctrl-C from the terminal. The parent stops its children in order.
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(extra or {})},
                start_new_session=True,
                text=True,
            )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), name=f"output-{name}", daemon=True)
        self._reader.start()

    def _read(self, output: IO[str]) -> None:
        with output, self.log.open("a", encoding="utf-8") as log:
            for line in output:
                log.write(line)
                log.flush()
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    @property
    def pid(self) -> int:
        """Process ID of the child, which is also the ID of its process group."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True while the child process runs."""
        return self._process.poll() is None

    def wait_for_line(self, prefix: str, seconds: float) -> str:
        """Wait until the child prints a line that starts with *prefix*, and return the rest of that line.

        Raises :class:`ChildFailed` if the child ends first, or after *seconds*.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise ChildFailed(f"{self.name} was not ready within {seconds:g} s{self.output_tail()}") from None
            if line is None:
                raise ChildFailed(
                    f"{self.name} ended with exit code {self._process.wait()} before the expected output{self.output_tail()}"
                )
            if line.startswith(prefix):
                return line.removeprefix(prefix).strip()

    def output_tail(self, lines: int = 15) -> str:
        """Return the last *lines* of the log file, formatted as the end of an error message; an empty string without output."""
        written = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        return ":\n  " + "\n  ".join(written) if written else ""

    def send(self, number: signal.Signals) -> None:
        """Send the signal *number* to the child, without its descendants."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Wait for the end of the child and return its exit code; raise :class:`ChildFailed` after *seconds*."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ChildFailed(f"{self.name} did not end within {seconds:g} s{self.output_tail()}") from None

    def stop(self, seconds: float = 20.0) -> int:
        """Stop the child and return its exit code. Send SIGTERM; after *seconds*, send SIGKILL to its whole process group."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            code = self._process.wait()
        self._reader.join(1.0)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()
