"""Stragglers: tasks that still run when their pool has closed."""

from __future__ import annotations

import gc
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from types import FrameType
from typing import Any, NamedTuple

from baremetal_sdk.concurrency.pool.job import Job


class Straggler(NamedTuple):
    """A task that did not end when its pool closed."""

    task: str
    """Name of the function and of its lane."""
    thread: str
    """Name of the thread."""
    age: float
    """Seconds since the task began."""
    stack: str
    """Stack of the thread, as a traceback shows it."""


def describe_stragglers(running: Iterable[tuple[Job[Any] | None, threading.Thread | None]]) -> list[Straggler]:
    """Return a description of each running job and its thread. Pairs without a job are skipped."""
    jobs = [(job, thread) for job, thread in running if job is not None]
    frames = _current_frames() if jobs else {}
    stragglers = []
    for job, thread in jobs:
        frame = frames.get(thread.ident or 0) if thread is not None else None
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        stragglers.append(Straggler(str(job), thread.name if thread else "?", time.monotonic() - job.started, stack))
    return stragglers


def _current_frames() -> dict[int, FrameType]:
    """Return the current frame of each thread, by thread identifier.

    The garbage collector is off during the call. If it ran within ``sys._current_frames()`` while another thread ends,
    the two threads would deadlock (CPython gh-106883, fixed in later releases of 3.11 and 3.12).
    """
    gc_was_enabled = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if gc_was_enabled:
            gc.enable()
