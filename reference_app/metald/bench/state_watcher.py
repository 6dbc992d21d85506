"""Waits of ``metald bench`` for node states: one thread lists all nodes, and the client threads wait for its listings."""

from __future__ import annotations

import threading
import time
from typing import Any

from metald.bench.client_threads import BenchInterrupted
from metald.bench.server_client import ServerClient
from metald.client import APIError

POLL_INTERVAL_S = 0.25
"""Maximum seconds between two listings. It bounds the measurement error of a state change."""
_MIN_PAUSE_S = 0.02
_PAUSE_FACTOR = 4.0
"""Pause between two listings as a multiple of the duration of the last listing. So fast servers are measured more precisely."""
_LISTING_TIMEOUT_S = 2.0
_FIELDS = ("provision_state", "target_provision_state", "reservation", "last_error", "power_state")


class StateWatcher:
    """Background thread that lists the states of all nodes of a server while a ``with`` block runs. Thread-safe."""

    def __init__(self, server: ServerClient, stop: threading.Event) -> None:
        self._server = server
        self._stop = stop
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._nodes: dict[str, dict[str, Any]] = {}
        self._listed_at = 0.0
        self._thread = threading.Thread(target=self._poll, name="bench-states", daemon=True)

    def __enter__(self) -> StateWatcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def wait_until_settled(self, uuid: str, expected_state: str, timeout: float) -> None:
        """Wait until the node *uuid* is in *expected_state* without a reservation and a target state.

        Call it directly after the server accepted a verb. Raises :class:`APIError` if the node fails, or after *timeout*
        seconds, and :class:`BenchInterrupted` at an interruption.
        """
        begin = time.monotonic()
        while True:
            node = self._wait_for_listing(uuid, begin)
            state = str(node.get("provision_state"))
            if node and not node.get("reservation"):
                if state == expected_state and not node.get("target_provision_state"):
                    return
                if state == "error" or state.endswith("failed") or (state == "enroll" and node.get("last_error")):
                    raise APIError(
                        f"the node failed: provision state is '{state}', not '{expected_state}': {node.get('last_error')}"
                    )
            if time.monotonic() - begin > timeout:
                raise APIError(f"the node is too slow: provision state is '{state}' after {timeout:g} s, not '{expected_state}'")

    def _wait_for_listing(self, uuid: str, not_before: float) -> dict[str, Any]:
        """Wait for a new listing that began after *not_before*, and return the node *uuid* in it.

        Return an empty dict if no such listing arrives within 2 seconds or it lacks the node. Raises BenchInterrupted at an
        interruption.
        """
        with self._changed:
            # A listing that began before the verb was accepted may show the state before the verb.
            previous = self._listed_at
            self._changed.wait_for(lambda: self._stop.is_set() or self._listed_at > max(not_before, previous), _LISTING_TIMEOUT_S)
            if self._stop.is_set():
                raise BenchInterrupted
            return self._nodes.get(uuid, {}) if self._listed_at > not_before else {}

    def _poll(self) -> None:
        """List all nodes repeatedly and wake the waiting threads, until the ``with`` block ends. A failed listing is skipped."""
        duration = POLL_INTERVAL_S
        while not self._closed.wait(min(POLL_INTERVAL_S, max(_MIN_PAUSE_S, _PAUSE_FACTOR * duration))):
            begin = time.monotonic()
            try:
                nodes = {str(node["uuid"]): node for node in self._server.list_nodes(*_FIELDS)}
            except (APIError, ValueError, KeyError):
                continue
            finally:
                duration = time.monotonic() - begin
            with self._changed:
                self._nodes, self._listed_at = nodes, begin
                self._changed.notify_all()
