"""Figures of a running process, and the unexpected exceptions in its log."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from baremetal_sdk.logs import unmark_lines

_TRACEBACK = "Traceback (most recent call last)"
_LAST_LINE = re.compile(r"[A-Za-z_][\w.]*(?:: .*)?$")


@dataclass(frozen=True)
class ProcessFigures:
    """Resident memory in MiB, and the number of threads and of open file descriptors."""

    mebibytes: float
    threads: int
    descriptors: int

    @classmethod
    def read(cls, pid: int) -> ProcessFigures:
        """Return the current figures of a process. Raises ``FileNotFoundError`` if it has ended."""
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        memory = int(values.get("VmRSS", "0").split()[0]) / 1024
        return cls(round(memory, 1), int(values["Threads"]), len(os.listdir(f"/proc/{pid}/fd")))

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return {"mebibytes": self.mebibytes, "threads": self.threads, "descriptors": self.descriptors}


def find_exceptions(log: str) -> Counter[str]:
    """Return the last line of each traceback in *log*, with the number of times that it occurred."""
    found: Counter[str] = Counter()
    lines = unmark_lines(log).splitlines()
    for index, line in enumerate(lines):
        if _TRACEBACK not in line:
            continue
        ends = (text for text in lines[index + 1 : index + 200] if text[:1].isalpha() and _LAST_LINE.match(text))
        found[next(ends, line)[:160]] += 1
    return found
