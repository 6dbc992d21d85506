"""Child processes: started in a session of their own, watched for their ready line, and stopped for certain."""

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
    """A child process ended or said nothing in time; the message holds the end of what it wrote."""


class Child:
    """One running process. Its standard error, and its output beyond the ready line, are in a file."""

    def __init__(self, name: str, arguments: Sequence[str], directory: Path, extra: Mapping[str, str] | None = None) -> None:
        """Start *arguments* with this process's environment and what is *extra* in it."""
        self.name = name
        self.log = directory / f"{name}.log"
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C in a terminal is for the parent, which stops its children in order.
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
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def wait_for_line(self, prefix: str, seconds: float) -> str:
        """The rest of the first line of output that starts with *prefix*; raise :class:`ChildFailed` after *seconds*."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise ChildFailed(f"{self.name} was not ready within {seconds:g} s{self.last_words()}") from None
            if line is None:
                raise ChildFailed(f"{self.name} ended with exit code {self._process.wait()}{self.last_words()}")
            if line.startswith(prefix):
                return line.removeprefix(prefix).strip()

    def last_words(self, lines: int = 15) -> str:
        """The end of what the process wrote, for a message; empty if it wrote nothing."""
        written = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        return ":\n  " + "\n  ".join(written) if written else ""

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """The exit code of the process once it has ended; raise :class:`ChildFailed` when it has not after *seconds*."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ChildFailed(f"{self.name} has not ended within {seconds:g} s{self.last_words()}") from None

    def stop(self, seconds: float = 20.0) -> int:
        """Ask the process to end, kill its whole session when it has not ended after *seconds*; give back its exit code."""
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
