"""Identity of a process. With it, a later process on the same machine can check that the process is dead.

The identity consists of the boot of the machine, the namespaces of the process, its PID and its start time. A PID alone is not
enough, because the system reuses it, and because each container numbers its processes separately.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACES = ("pid", "time")
"""Namespaces in which PIDs and start times are valid."""
_START_TIME_INDEX = 19
"""Index of the start time in ``/proc/PID/stat``, counted after the process name in parentheses; see proc(5)."""


def describe_current_process() -> str | None:
    """Return the identity of this process, or None if the system does not provide it."""
    scope, start_time = _read_scope(), _read_start_time(os.getpid())
    return None if scope is None or start_time is None else f"{scope} {os.getpid()} {start_time}"


def is_dead(description: str) -> bool:
    """Return whether the process with this identity is certainly dead.

    A stopped process is not dead. For a process of another boot, container or machine the answer is False, because nothing is
    known about it.
    """
    scope, _, rest = description.partition(" ")
    pid, _, start_time = rest.partition(" ")
    if scope != _read_scope() or not pid.isdecimal() or not start_time:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    # The PID exists, but it may belong to a newer process. Without a readable start time nothing is certain.
    return _read_start_time(int(pid)) not in (None, start_time)


def _read_scope() -> str | None:
    """Return the boot and the namespaces within which PIDs and start times are comparable."""
    try:
        return ".".join([_BOOT_ID_FILE.read_text().strip(), *(os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES)])
    except OSError:
        return None


def _read_start_time(pid: int) -> str | None:
    """Return the start time of the process in clock ticks since boot, or None if it cannot be read."""
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name may contain spaces and parentheses, so fields are counted after the last parenthesis.
        return stat.rpartition(")")[2].split()[_START_TIME_INDEX]
    return None
