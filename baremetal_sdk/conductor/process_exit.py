"""Bounded end of a process: no exit hook, thread of a library or blocked log prevents it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable

from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
UNFINISHED = 3
"""Exit code of a process that ended although threads were still running."""
LAST_LOG_TIMEOUT_S = 0.5
"""Maximum seconds for the last line of the log."""

HURRY = threading.Event()
"""Set at a second stop signal: the process then ends at once."""
_HURRY_S = 0.3


def end_process_within(seconds: float, code: int = UNFINISHED) -> Callable[[], None]:
    """Make sure that this process ends at most *seconds* from now, and return a function that cancels this.

    Call it as the last thing before the program ends, for example before the ``return`` of ``main()``. The interpreter then
    waits for threads and calls exit hooks as usual. If this takes longer, a thread logs the names of the threads that still run
    and ends the process with exit code *code*, without further hooks. After a second stop signal, the time is 0.3 s.
    """
    cancelled = threading.Event()
    seconds = min(seconds, _HURRY_S) if HURRY.is_set() else seconds

    def watch() -> None:
        if not cancelled.wait(seconds):
            end_process_now(code, f"the process did not end within {seconds:g} s")

    threading.Thread(target=watch, name="exit-watchdog", daemon=True).start()
    return cancelled.set


def end_process_now(code: int, reason: str) -> None:
    """Log *reason* and the names of the running threads, for at most half a second, and end this process with *code*.

    Exit hooks are not called. Handlers of the log are flushed as far as the time allows.
    """
    # Another thread writes the log, because a handler of the host application may block.
    last = threading.Thread(target=_log_last_line, args=(reason,), name="last-line", daemon=True)
    with contextlib.suppress(RuntimeError):  # the interpreter starts no more threads
        last.start()
        last.join(LAST_LOG_TIMEOUT_S)
    os._exit(code)


def _log_last_line(reason: str) -> None:
    helpers = (threading.current_thread(), threading.main_thread())
    names = sorted(thread.name for thread in threading.enumerate() if not thread.daemon and thread not in helpers)
    LOG.error("%s; ending it now; threads that still run: %s", reason, ", ".join(names) or "only the main thread")
    for handler in logging.getLogger().handlers:
        handler.flush()
