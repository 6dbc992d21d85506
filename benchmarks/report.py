"""Output of the proof harnesses: progress while they run, then figures and violations."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, TextIO

PLAIN_INTERVAL_S = 10.0
"""Seconds between two lines of progress if the output is not a terminal."""
TERMINAL_INTERVAL_S = 0.2
MAX_VIOLATIONS = 20
"""Number of violations that are printed."""


class Report:
    """Progress, figures and violations of one run. Thread-safe.

    On a terminal the progress is one line that changes, elsewhere a line every ten seconds. Progress goes to standard error, so
    that standard output has only the result.
    """

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self.name = name
        self._stream = stream if stream is not None else sys.stderr
        self._is_terminal = self._stream.isatty()
        self._lock = threading.Lock()
        self._begin = time.monotonic()
        self._next_line_at = 0.0
        self._violations: dict[str, int] = {}

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Show that *done* of *total* units of work are done."""
        now = time.monotonic()
        with self._lock:
            if now < self._next_line_at and done < total:
                return
            self._next_line_at = now + (TERMINAL_INTERVAL_S if self._is_terminal else PLAIN_INTERVAL_S)
        line = f"{self.name}: {done:,} of {total:,}, {now - self._begin:.0f} s{f', {note}' if note else ''}"
        if self._is_terminal:
            self._stream.write(f"\r\x1b[K{line}{chr(10) if done >= total else ''}")
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def add_violation(self, text: str) -> None:
        """Record a violation of a promise. Equal texts are counted."""
        with self._lock:
            self._violations[text] = self._violations.get(text, 0) + 1

    @property
    def violations(self) -> list[str]:
        """The violations, each with the number of times if it occurred more than once."""
        with self._lock:
            return [text if count == 1 else f"{text} ({count} times)" for text, count in self._violations.items()]

    def finish(self, figures: Mapping[str, Any], *, as_json: bool = False) -> int:
        """Print *figures* and the violations. Return the exit code: 1 with a violation, otherwise 0."""
        violations = self.violations
        figures = {**figures, "seconds": round(time.monotonic() - self._begin, 1)}
        if as_json:
            print(json.dumps({"proof": self.name, **figures, "violations": violations, "met": not violations}), flush=True)
            return 1 if violations else 0
        print(f"{self.name}: {'FAILED' if violations else 'passed'}")
        for name, value in figures.items():
            print(f"  {name.replace('_', ' ')}: {json.dumps(value) if isinstance(value, dict | list) else value}")
        for violation in violations[:MAX_VIOLATIONS]:
            print(f"  violation: {violation}")
        if len(violations) > MAX_VIOLATIONS:
            print(f"  and {len(violations) - MAX_VIOLATIONS} more violations")
        sys.stdout.flush()
        return 1 if violations else 0
