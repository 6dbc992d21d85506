"""Runs a conductor under the threading backend of oslo.service, for OpenStack services (extra ``oslo-service``).

oslo.service forks a child for the work. The parent handles signals and restarts the child. This module accounts for the
following behavior of oslo.service 4.8 and of cotyledon 2.2, on which it is built:

* Threads do not survive a fork, so the conductor is created in the child.
* The child ends with ``os._exit`` when ``stop()`` returns, so ``stop()`` returns only when all work has been drained.
* ``[DEFAULT] graceful_shutdown_timeout`` kills the child even if the conductor still stops in time, so that option is raised.
* SIGHUP replaces the child, so the parent keeps the listening socket, on which clients wait for the next child.
* A child that cannot start would be restarted forever, so it stops the parent and passes on the reason.
"""

from __future__ import annotations

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
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)

KILL_MARGIN_S = 10
"""Seconds between the conductor's own shutdown timeout and the time at which oslo.service kills the child."""
_MAX_FAILED_CHILDREN = 3
"""Consecutive children that may die before they are ready."""
_REMEDY = (
    "call init_backend(BackendType.THREADING) of oslo_service.backend as the first thing of the program, "
    "before anything imports oslo_service.service"
)

ReadConfig = Callable[[], ConductorConfig]
MakeConductor = Callable[[ConductorConfig, Listeners], Conductor]
Ready = Callable[[Conductor], Any]


class NotStarted(BareMetalError):
    """The service under oslo.service could not start. The message has the reason."""


def launch(conf: Any, read: ReadConfig, make: MakeConductor, ready: Ready | None = None) -> None:
    """Run a conductor in a child of oslo.service until SIGTERM, and return when all work has ended.

    Call it once per process, in the main thread.

    :param conf: the ``ConfigOpts`` of the host application.
    :param read: returns the configuration. It is called here and again in each child.
    :param make: creates the conductor in the child, from the configuration and the listening socket, which it passes to
        ``APIServer(..., listener=...)``.
    :param ready: called in the child when the conductor serves.

    On SIGHUP, a new child starts with the configuration that *read* then returns. If the conductor rejects it, the reason is
    logged and the previous configuration stays in use. The listening address does not change.

    Raise ``ConfigurationError`` for a wrong configuration before the start, ``NotStarted`` if the child could not start, and
    ``RuntimeError`` if the application has not selected the threading backend of oslo.service.
    """
    _require_threading_backend()
    _require_main_thread()
    refuse_monkey_patching()
    _warn_about_lost_threads()
    from oslo_service import opts
    from oslo_service import service as oslo

    config = read()
    opts.register_service_opts(conf)
    max_stop_s = _extend_kill_timeout(conf, config.conductor.graceful_shutdown_timeout)
    notes = _SharedNotes()
    with listen(config.api) as listener:
        oslo.launch(conf, _ConductorService(read, make, ready, listener, notes, max_stop_s)).wait()
    reason = notes.read().reason
    if reason is not None:
        raise NotStarted(reason)


def _require_threading_backend() -> None:
    chosen = backend.get_backend_type()
    if chosen is None:
        raise RuntimeError(f"oslo.service has no backend selected and would use Eventlet: {_REMEDY}")
    if chosen is not backend.BackendType.THREADING:
        raise RuntimeError(f"oslo.service uses the backend '{chosen.value}', which its first import selected: {_REMEDY}")


def _require_main_thread() -> None:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "oslo.service handles signals, which only works in the main thread: call launch() there, or start and stop the "
            "conductor yourself, which works in any thread"
        )


def _warn_about_lost_threads() -> None:
    """Warn about running threads, which will not exist in the child. They may belong to the parent, so this is no error."""
    others = sorted(thread.name for thread in threading.enumerate() if thread is not threading.current_thread())
    if others:
        LOG.warning("these threads run before the fork and will not exist in the service: %s", ", ".join(others))


def _extend_kill_timeout(conf: Any, graceful: float) -> float:
    """Raise oslo.service's kill timeout above *graceful* seconds if it is shorter; return the maximum seconds of a stop."""
    kill_timeout: int = conf.graceful_shutdown_timeout
    if kill_timeout == 0:
        return math.inf
    needed = math.ceil(graceful) + KILL_MARGIN_S
    if kill_timeout < needed:
        LOG.info("[DEFAULT] graceful_shutdown_timeout: %d s would cut the shutdown short; using %d s", kill_timeout, needed)
        conf.set_override("graceful_shutdown_timeout", needed)
        kill_timeout = needed
    return kill_timeout - KILL_MARGIN_S


@dataclass(frozen=True)
class _Notes:
    """Data that a child process passes to the parent and to later children."""

    started_children: int = 0
    """Children that started since the last one was ready."""
    reason: str | None = None
    """The reason for a failed start, or None."""
    config: ConductorConfig | None = None
    """The last configuration with which a conductor started."""


class _SharedNotes:
    """The notes in memory that the parent and its children share. Only one child runs at a time, so no lock is needed."""

    _LENGTH = struct.Struct("<I")
    _SIZE = 1 << 20

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._SIZE)

    def read(self) -> _Notes:
        """Return the notes of the last write."""
        (length,) = self._LENGTH.unpack_from(self._memory)
        start = self._LENGTH.size
        notes: _Notes = pickle.loads(self._memory[start : start + length]) if length else _Notes()
        return notes

    def write(self, notes: _Notes) -> None:
        """Replace the notes. A configuration that does not fit is left out.

        The length is written last, so that a child that dies midway leaves empty notes, not broken ones.
        """
        content = pickle.dumps(notes)
        if len(content) + self._LENGTH.size > self._SIZE:
            content = pickle.dumps(replace(notes, config=None))
        self._LENGTH.pack_into(self._memory, 0, 0)
        self._memory[self._LENGTH.size : self._LENGTH.size + len(content)] = content
        self._LENGTH.pack_into(self._memory, 0, len(content))


class _ConductorService(ServiceBase):  # type: ignore[misc]
    """The service that oslo.service starts and stops in the child, in other threads than the main one."""

    def __init__(
        self,
        read: ReadConfig,
        make: MakeConductor,
        ready: Ready | None,
        listener: Listeners,
        notes: _SharedNotes,
        max_stop_s: float,
    ) -> None:
        self._read, self._make, self._ready = read, make, ready
        self._listener, self._notes, self._max_stop_s = listener, notes, max_stop_s
        self._parent = os.getpid()
        self._start_stop_lock = threading.Lock()
        self._stopped = threading.Event()
        self._conductor: Conductor | None = None

    def start(self) -> None:
        """Start the conductor. On failure, stop the parent with the reason, because it would restart a child that only raises."""
        with self._start_stop_lock:
            try:
                self._start()
            except BaseException as exc:
                LOG.critical("the service cannot start: %s", exc, exc_info=not isinstance(exc, BareMetalError))
                self._give_up(str(exc) if isinstance(exc, BareMetalError) else f"{type(exc).__name__}: {exc}")

    def stop(self) -> None:
        """Stop the conductor. Return when all work has been drained or the timeout is over, because the process then ends."""
        with self._start_stop_lock:
            conductor, self._conductor = self._conductor, None
            if conductor is not None:
                conductor.stop(min(conductor.config.conductor.graceful_shutdown_timeout, self._max_stop_s))
        sys.stdout.flush()
        sys.stderr.flush()
        self._stopped.set()

    def wait(self) -> None:
        """Wait until :meth:`stop` has finished."""
        self._stopped.wait()

    def reset(self) -> None:
        """Do nothing. The threading backend replaces the child on SIGHUP and never calls this method."""

    def _start(self) -> None:
        notes = self._notes.read()
        if notes.started_children >= _MAX_FAILED_CHILDREN:
            raise NotStarted(
                f"the process died {notes.started_children} times before it was ready; look for the cause in the system log"
            )
        self._notes.write(replace(notes, started_children=notes.started_children + 1))
        try:
            self._conductor = self._start_conductor(self._read())
        except ConfigurationError as exc:
            if notes.config is None:
                raise
            LOG.error("the new configuration is invalid and the previous one stays in use: %s", exc)
            self._conductor = self._start_conductor(notes.config)
        self._notes.write(_Notes(config=self._conductor.config))
        if self._ready is not None:
            self._ready(self._conductor)

    def _start_conductor(self, config: ConductorConfig) -> Conductor:
        conductor = self._make(config, self._listener)
        conductor.start()
        return conductor

    def _give_up(self, reason: str) -> None:
        conductor, self._conductor = self._conductor, None
        if conductor is not None:
            conductor.stop(0.0)
        self._notes.write(_Notes(reason=reason))
        if os.getppid() == self._parent:
            os.kill(self._parent, signal.SIGTERM)
