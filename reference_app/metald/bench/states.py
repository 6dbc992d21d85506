"""Waiting for states: one thread lists all nodes, and many wait for what it sees."""

from __future__ import annotations

import threading
import time
from typing import Any

from metald.bench.crew import Interrupted
from metald.bench.server import Server
from metald.client import APIError

POLL_SECONDS = 0.25
"""Seconds between two listings, at most: a time until a state is right to within this."""
_LEAST_PAUSE = 0.02
_PAUSES = 4.0
"""How many times what a listing took is waited for before the next: a quick server is seen more exactly."""
_FIELDS = ("provision_state", "target_provision_state", "reservation", "last_error", "power_state")


class States:
    """Sees the states of all nodes, in a thread of its own, from the start of the block to its end."""

    def __init__(self, server: Server, stop: threading.Event) -> None:
        self._server = server
        self._stop = stop
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._seen: dict[str, dict[str, Any]] = {}
        self._begun = 0.0
        self._thread = threading.Thread(target=self._look, name="bench-states", daemon=True)

    def __enter__(self) -> States:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def settled(self, node: str, wanted: str, seconds: float) -> None:
        """Wait until *node* is where a verb that was just accepted leads to, and nobody holds it.

        Raises :class:`APIError` when it ends elsewhere or takes longer than *seconds*.
        """
        asked = time.monotonic()
        while True:
            seen = self._next(node, asked)
            state = str(seen.get("provision_state"))
            if seen and not seen.get("reservation"):
                if state == wanted and not seen.get("target_provision_state"):
                    return
                if state == "error" or state.endswith("failed") or (state == "enroll" and seen.get("last_error")):
                    raise APIError(f"it ended in '{state}': {seen.get('last_error')}")
            if time.monotonic() - asked > seconds:
                raise APIError(f"it was '{state}' after {seconds:g} s and not '{wanted}'")

    def _next(self, node: str, asked: float) -> dict[str, Any]:
        """What the next listing shows that was begun after *asked*."""
        with self._changed:
            before = self._begun
            self._changed.wait_for(lambda: self._stop.is_set() or self._begun > max(asked, before), 2.0)
            if self._stop.is_set():
                raise Interrupted
            return self._seen.get(node, {}) if self._begun > asked else {}

    def _look(self) -> None:
        took = POLL_SECONDS
        while not self._over.wait(min(POLL_SECONDS, max(_LEAST_PAUSE, _PAUSES * took))):
            begun = time.monotonic()
            try:
                seen = {str(node["uuid"]): node for node in self._server.nodes(*_FIELDS)}
            except (APIError, ValueError, KeyError):
                continue
            finally:
                took = time.monotonic() - begun
            with self._changed:
                self._seen, self._begun = seen, begun
                self._changed.notify_all()
