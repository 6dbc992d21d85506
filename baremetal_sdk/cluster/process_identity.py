"""Which process this is, in words that a later process on the same machine can check: whether it is dead for certain.

A process is named by the boot of the machine, the namespaces that its number counts in, its number and the time of its start.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACES = ("pid", "time")
_START = 19
"""Where the start of a process stands in its ``stat``, counted from after the name in parentheses; see proc(5)."""


def describe_current_process() -> str | None:
    """This process; None where the system does not tell."""
    place, started = _place(), _started(os.getpid())
    return None if place is None or started is None else f"{place} {os.getpid()} {started}"


def is_dead(description: str) -> bool:
    """Return whether the described process is certainly dead. A stopped process, or one on another machine, is not."""
    place, _, rest = description.partition(" ")
    number, _, started = rest.partition(" ")
    if place != _place() or not number.isdecimal() or not started:
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    # Its number may be another process's by now. What may not be seen is not known to be dead.
    return _started(int(number)) not in (None, started)


def _place() -> str | None:
    """Where numbers of processes, and the times of their starts, mean the same as here."""
    try:
        return ".".join([_BOOT.read_text().strip(), *(os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES)])
    except OSError:
        return None


def _started(number: int) -> str | None:
    """When the process with this number was started; None where there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[_START]
    return None
