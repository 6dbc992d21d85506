"""Tasks that do not end when their pool does."""

from __future__ import annotations

import gc
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from types import FrameType
from typing import NamedTuple

from baremetal_sdk.concurrency.pool.job import Job


class Straggler(NamedTuple):
    """A task that did not end when its pool closed: what it is, on which thread, for how many seconds, and where it is."""

    task: str
    thread: str
    age: float
    stack: str


def stragglers_of(running: Iterable[tuple[Job | None, threading.Thread | None]]) -> list[Straggler]:
    """Describe the jobs that run, each with its thread."""
    still = [(job, thread) for job, thread in running if job is not None]
    frames = _frames() if still else {}
    found = []
    for job, thread in still:
        frame = frames.get(thread.ident or 0) if thread is not None else None
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        found.append(Straggler(str(job), thread.name if thread else "?", time.monotonic() - job.started, stack))
    return found


def _frames() -> dict[int, FrameType]:
    """Where each thread is.

    Without the garbage collector: where it runs in the middle of this, a thread that ends at that moment and this one wait for
    each other for ever (CPython, gh-106883; cured in later releases of 3.11 and 3.12).
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if collecting:
            gc.enable()
