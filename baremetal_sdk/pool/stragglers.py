"""Tasks that do not end when their pool does."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Iterable
from typing import NamedTuple

from baremetal_sdk.pool.job import Job


class Straggler(NamedTuple):
    """A task that did not end when its pool closed: what it is, on which thread, for how many seconds, and where it is."""

    task: str
    thread: str
    age: float
    stack: str


def stragglers_of(running: Iterable[tuple[Job | None, threading.Thread | None]]) -> list[Straggler]:
    """Describe the jobs that run, each with its thread."""
    frames = sys._current_frames()
    found = []
    for job, thread in running:
        if job is None:
            continue
        frame = frames.get(thread.ident or 0) if thread is not None else None
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        found.append(Straggler(str(job), thread.name if thread else "?", time.monotonic() - job.started, stack))
    return found
