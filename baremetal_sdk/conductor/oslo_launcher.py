"""Launching a conductor with the threading backend of oslo.service, for hosts of OpenStack's kind (extra ``oslo-service``).

oslo.service forks a child that does the work, and a parent that takes signals and keeps the child alive. What is done
here about the ways of oslo.service 4.8 and of cotyledon 2.2 beneath it:

* threads from before a fork are gone after it, so the conductor is made in the child;
* the child ends with ``os._exit`` as soon as ``stop()`` returns, so that returns when everything has been drained;
* ``[DEFAULT] graceful_shutdown_timeout`` ends the child whatever its own limit is, so it is raised above that;
* SIGHUP replaces the child, so the parent keeps the socket, on which clients wait for the next child;
* a child that cannot start would be started for ever, so it has the parent end, which tells the reason.
"""

from __future__ import annotations

import logging
import math
import mmap
import os
import pickle
import signal
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from oslo_service import backend
from oslo_service.backend.base import ServiceBase

from baremetal_interfaces import BareMetalError
from baremetal_sdk.concurrency.monkey_patching import refuse_monkey_patching
from baremetal_sdk.conductor.conductor import Conductor
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.sockets import Listeners, listen

LOG = logging.getLogger(__name__)

MARGIN = 10
"""Seconds between the time in which a conductor stops and the time at which oslo.service ends it by force."""
_ATTEMPTS = 3
"""Children in a row that may die before they are ready."""
_FIRST = (
    "call init_backend(BackendType.THREADING) of oslo_service.backend as the first thing of the program, "
    "before anything imports oslo_service.service"
)

ReadConfig = Callable[[], ConductorConfig]
MakeConductor = Callable[[ConductorConfig, Listeners], Conductor]
Ready = Callable[[Conductor], Any]


class NotStarted(BareMetalError):
    """The service cannot start; the message says why."""


def launch(conf: Any, read: ReadConfig, make: MakeConductor, ready: Ready | None = None) -> None:
    """Serve until SIGTERM, and return when all has been drained. Call it in the main thread, once in a process.

    *conf* is the ``ConfigOpts`` of the host application. *read* gives the configuration; it is called here, and again in
    each child. *make* makes the conductor in the child, from the configuration and the socket that is listened on (for
    ``APIServer(..., listener=...)``); *ready* is told there when it serves.

    On SIGHUP a new child takes over with what *read* gives then; where the conductor cannot work with that, the reason
    is logged and it goes on with what it had. The address stays the one of the start.

    Raises ``ConfigurationError`` for what is wrong before anything is started, ``NotStarted`` with the reason of a child
    that could not start, and ``RuntimeError`` where the application has not prepared oslo.service.
    """
    _require_threading_backend()
    _require_main_thread()
    refuse_monkey_patching()
    _say_what_a_fork_loses()
    from oslo_service import opts
    from oslo_service import service as oslo

    config = read()
    opts.register_service_opts(conf)
    longest = _give_time(conf, config.conductor.graceful_shutdown_timeout)
    page = _Page()
    with listen(config.api) as listener:
        oslo.launch(conf, _Launched(read, make, ready, listener, page, longest)).wait()
    reason = page.read().reason
    if reason is not None:
        raise NotStarted(reason)


def _require_threading_backend() -> None:
    chosen = backend.get_backend_type()
    if chosen is None:
        raise RuntimeError(f"oslo.service has no backend yet, and would take the one on Eventlet: {_FIRST}")
    if chosen is not backend.BackendType.THREADING:
        raise RuntimeError(f"oslo.service is on its backend '{chosen.value}', which was chosen by its first import: {_FIRST}")


def _require_main_thread() -> None:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "oslo.service takes the signals of the process, which only its main thread can: call launch() there, or start and "
            "stop the conductor yourself, which any thread can"
        )


def _say_what_a_fork_loses() -> None:
    """Threads of the parent are not in the child. They may be meant for the parent, so this is no error."""
    others = sorted(thread.name for thread in threading.enumerate() if thread is not threading.current_thread())
    if others:
        LOG.warning("these threads run before the service is forked, and will not be in it: %s", ", ".join(others))


def _give_time(conf: Any, graceful: float) -> float:
    """Have oslo.service wait as long as a stop may take; the seconds that a stop may take, also after a reload."""
    given: int = conf.graceful_shutdown_timeout
    needed = math.ceil(graceful) + MARGIN
    if 0 < given < needed:
        LOG.info("[DEFAULT] graceful_shutdown_timeout: %d s would cut the stop short; %d s are given", given, needed)
        conf.set_override("graceful_shutdown_timeout", needed)
        given = needed
    return given - MARGIN if given else math.inf


@dataclass(frozen=True)
class _Notes:
    """What children leave for the parent and for each other."""

    begun: int = 0
    """Children that have begun since one was ready."""
    reason: str | None = None
    """Why the service cannot start."""
    config: ConductorConfig | None = None
    """The last configuration that a conductor started with."""


class _Page:
    """Memory that the parent shares with its children. There is one child at a time."""

    _LENGTH = struct.Struct("<I")
    _SIZE = 1 << 20

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._SIZE)

    def read(self) -> _Notes:
        """What was written last."""
        (length,) = self._LENGTH.unpack_from(self._memory)
        start = self._LENGTH.size
        notes: _Notes = pickle.loads(self._memory[start : start + length]) if length else _Notes()
        return notes

    def write(self, notes: _Notes) -> None:
        """Replace what was written. The length comes last: a child that dies in between leaves an empty page."""
        content = pickle.dumps(notes)
        if len(content) + self._LENGTH.size > self._SIZE:
            content = pickle.dumps(replace(notes, config=None))
        self._LENGTH.pack_into(self._memory, 0, 0)
        self._memory[self._LENGTH.size : self._LENGTH.size + len(content)] = content
        self._LENGTH.pack_into(self._memory, 0, len(content))


class _Launched(ServiceBase):  # type: ignore[misc]
    """What oslo.service starts and stops, in the child; neither in its main thread."""

    def __init__(
        self, read: ReadConfig, make: MakeConductor, ready: Ready | None, listener: Listeners, page: _Page, longest: float
    ) -> None:
        self._read, self._make, self._ready = read, make, ready
        self._listener, self._page, self._longest = listener, page, longest
        self._parent = os.getpid()
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self._conductor: Conductor | None = None

    def start(self) -> None:
        """Start the conductor, or have the parent end with the reason: an exception would only get it to try again."""
        with self._turn:
            try:
                self._start()
            except BaseException as exc:
                LOG.critical("the service cannot start: %s", exc, exc_info=not isinstance(exc, BareMetalError))
                self._give_up(str(exc) if isinstance(exc, BareMetalError) else f"{type(exc).__name__}: {exc}")

    def stop(self) -> None:
        """Stop the conductor. The process ends when this returns, so it returns when all is drained, or the time is over."""
        with self._turn:
            conductor, self._conductor = self._conductor, None
            if conductor is not None:
                conductor.stop(min(conductor.config.conductor.graceful_shutdown_timeout, self._longest))
        sys.stdout.flush()
        sys.stderr.flush()
        self._stopped.set()

    def wait(self) -> None:
        """Wait for the end of :meth:`stop`."""
        self._stopped.wait()

    def reset(self) -> None:
        """Nothing: with threads, oslo.service replaces the child on SIGHUP and never calls this."""

    def _start(self) -> None:
        notes = self._page.read()
        if notes.begun >= _ATTEMPTS:
            raise NotStarted(f"the process died {notes.begun} times before it was ready; the system's log may say of what")
        self._page.write(replace(notes, begun=notes.begun + 1))
        try:
            self._conductor = self._started(self._read())
        except ConfigurationError as exc:
            if notes.config is None:
                raise
            LOG.error("the configuration cannot be used, and the one before it stays: %s", exc)
            self._conductor = self._started(notes.config)
        self._page.write(_Notes(config=self._conductor.config))
        if self._ready is not None:
            self._ready(self._conductor)

    def _started(self, config: ConductorConfig) -> Conductor:
        conductor = self._make(config, self._listener)
        conductor.start()
        return conductor

    def _give_up(self, reason: str) -> None:
        conductor, self._conductor = self._conductor, None
        if conductor is not None:
            conductor.stop(0.0)
        self._page.write(_Notes(reason=reason))
        if os.getppid() == self._parent:
            os.kill(self._parent, signal.SIGTERM)
