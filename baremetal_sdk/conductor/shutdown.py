"""The stop of a conductor: its steps run in order and before one deadline, even if a part fails or does not return."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_interfaces import Deadline
from baremetal_sdk.cluster.hash_ring import CACHE_LIFETIME_S
from baremetal_sdk.concurrency.failures import log_failure
from baremetal_sdk.concurrency.periodic import Periodic
from baremetal_sdk.conductor.components import Components
from baremetal_sdk.lifecycle import Runnable
from baremetal_sdk.logs import get_logger
from baremetal_sdk.rpc.transports import RPCServer

LOG = get_logger(__name__)
CANCEL_FRACTION = 0.2
"""Share of the shutdown timeout that is left for tasks to react to cancellation."""
LEAVE_GRACE_S = CACHE_LIFETIME_S + 0.5
"""Seconds for which RPC clients may still send calls to a conductor that has left the cluster."""
LOGOUT_TIMEOUT_S = 5.0
"""Seconds for logging out of all BMCs."""
MIN_STEP_TIMEOUT_S = 1.0
"""Minimum seconds for each step of a shutdown, also after the deadline."""
LAST_STEPS_S = 3.0
"""Maximum seconds for all steps together after the deadline."""


class StopSteps:
    """The steps of a stop. They share *deadline*, and a few seconds after it for steps that have not begun by then."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._last = Deadline.after(max(deadline.remaining(), 0.0) + LAST_STEPS_S)

    def run(self, description: str, function: Callable[..., Any], *args: Any, limit: float = math.inf) -> None:
        """Call *function* in a thread and wait for its end, for at most *limit* seconds. Log its error.

        If it does not return before the deadline, log this and return. Each step has at least one second, but all steps after
        the deadline together have at most three.
        """
        thread = threading.Thread(target=run_safely, args=(description, function, *args), name="shutdown-step", daemon=True)
        thread.start()
        remaining = max(self.deadline.remaining(), min(MIN_STEP_TIMEOUT_S, self._last.remaining()), 0.0)
        thread.join(min(remaining, limit))
        if thread.is_alive():
            LOG.error("%s did not finish in time; continuing shutdown", description)


class Shutdown:
    """The steps of a conductor's stop. A part that fails or does not return before *deadline* is logged and left behind."""

    def __init__(self, components: Components, deadline: Deadline) -> None:
        self._components = components
        self._deadline = deadline
        self._steps = StopSteps(deadline)

    def leave_cluster(self, rpc_server: RPCServer | None) -> None:
        """Leave the cluster if other conductors live, so that they take over waiting nodes and later steps of runs.

        RPC clients cache the members of the cluster for a while. Their calls are answered during that time, but for no more
        than a quarter of the shutdown timeout.
        """
        if not self._components.membership.has_peers():
            return
        self._components.membership.leave()
        if rpc_server is not None:
            LOG.info("left the cluster; RPC calls are answered for %g s more", LEAVE_GRACE_S)
            threading.Event().wait(min(LEAVE_GRACE_S, self._deadline.remaining() / 4))

    def stop_servers(self, runnables: Sequence[Runnable[Any]], rpc_server: RPCServer | None) -> None:
        """Stop the parts that accept work, the last started first. Requests that they accepted are still answered."""
        for runnable in reversed(runnables):
            self.run_step(f"stopping {type(runnable).__name__}", runnable.stop, self._deadline)
        if rpc_server is not None:
            self.run_step("stopping RPC", rpc_server.stop, self._deadline)
        self._components.dispatcher.close()

    def stop_work(self, periodics: Sequence[Periodic]) -> None:
        """Stop polling, wait for running tasks and cancel those left near the deadline, then stop periodic jobs."""
        run_safely("stopping sensor collection", self._components.sensors.stop)
        run_safely("stopping power sync", self._components.power_sync.stop)
        # The renewal of leases is a periodic job: it has to outlive the tasks, which write under their leases.
        self._drain()
        grace = self._deadline.within(MIN_STEP_TIMEOUT_S)
        for periodic in periodics:
            periodic.stop()
        for periodic in periodics:
            periodic.stop(grace.remaining())

    def release(self) -> None:
        """Release the leases of remaining tasks, write the history of nodes, close BMC sessions, and leave the cluster."""
        components = self._components
        # A straggler's lease is released now: other conductors, or the next start, need not wait until it expires.
        for task in components.tasks.live():
            self.run_step(f"releasing the lease of node {task.record.uuid}", task.abandon)
        self.run_step("storing the history of nodes", components.history.flush)
        self.run_step("closing sessions", components.bmc.close, self._deadline.within(LOGOUT_TIMEOUT_S))
        self.run_step("leaving the cluster", components.membership.leave)

    def run_step(self, description: str, function: Callable[..., Any], *args: Any) -> None:
        """Call *function* in a thread and wait for its end, but not much longer than until the deadline. Log its error."""
        self._steps.run(description, function, *args)

    def _drain(self) -> None:
        """Wait for running tasks, cancel those left near the deadline, and log the stragglers."""
        components = self._components
        components.queues.close()
        undisturbed = self._deadline.within(self._deadline.remaining() * (1 - CANCEL_FRACTION))
        components.lanes.drain(undisturbed.remaining())
        # Tasks may also run in threads of the host application, which the lanes do not know.
        components.tasks.drain(undisturbed.remaining())
        for task in components.tasks.live():
            task.cancel()
        components.tasks.drain(self._deadline.remaining())
        for straggler in components.lanes.close(self._deadline.remaining()):
            LOG.error("%s did not finish after %.0f s; continuing shutdown", straggler.task, straggler.age)


def run_safely(description: str, function: Callable[..., Any], *args: Any) -> None:
    """Call *function* with *args*. Log an exception with *description* instead of raising it."""
    try:
        function(*args)
    except Exception as exc:
        log_failure(LOG, exc, "%s failed", description)
