"""Nodes that one benchmark run creates: their unique names, and their deletion at the end."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from metald.bench.server_client import ServerClient
from metald.client import APIError

_STATES_TO_UNDEPLOY = frozenset({"active", "deploy failed", "error", "wait call-back", "deploying", "rescue", "clean failed"})
"""Provision states in which a node needs the verb ``deleted`` before it can be deleted."""
_RETRY_INTERVAL_S = 0.3


class BenchNodes:
    """The nodes of one benchmark run on one server. A random name prefix distinguishes them from all other nodes of the server.

    *driver* and *fields* are values of each new node.
    """

    def __init__(self, server: ServerClient, driver: str, fields: dict[str, Any]) -> None:
        self.server = server
        self.prefix = f"bench-{secrets.token_hex(4)}-"
        self._fields = {"driver": driver, "resource_class": "baremetal", **fields}

    def build_body(self, number: int, **more: Any) -> bytes:
        """Return the JSON request body that creates node *number*, with *more* fields."""
        return json.dumps({**self._fields, "name": f"{self.prefix}{number:06d}", **more}).encode()

    def list_remaining(self) -> list[str]:
        """Return the UUIDs of the nodes of this run that still exist on the server.

        The list comes from the server, because a create request whose response was lost may have created a node.
        """
        return [str(node["uuid"]) for node in self.server.list_nodes("name") if str(node["name"]).startswith(self.prefix)]

    def clean_up(self, timeout: float, clients: int, report: Callable[[int], None]) -> list[str]:
        """Delete the nodes of this run that still exist, and return the UUIDs of those that remain after *timeout* seconds.

        *clients* threads delete nodes in repeated passes. *report* receives the number of remaining nodes before each pass.
        """
        deadline = time.monotonic() + timeout
        remaining = self.list_remaining()
        while remaining:
            report(len(remaining))
            queue = list(remaining)
            threads = [
                threading.Thread(target=self._delete_queued, args=(queue, deadline), daemon=True)
                for _ in range(min(clients, len(remaining)))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            remaining = self.list_remaining()
            if time.monotonic() > deadline:
                break
        return remaining

    def _delete_queued(self, queue: list[str], deadline: float) -> None:
        """Delete nodes from *queue* until it is empty or *deadline* has passed. A failed deletion is left to the next pass."""
        while queue and time.monotonic() < deadline:
            try:
                node = queue.pop()
            except IndexError:  # another thread took the last node after the check
                return
            with suppress(APIError, KeyError, ValueError):
                self._delete(node, deadline)

    def _delete(self, node: str, deadline: float) -> None:
        """Delete *node*, and undeploy it first if its state requires that. Retry until it is gone or *deadline* has passed."""
        while time.monotonic() < deadline:
            try:
                return self.server.delete_node(node)
            except APIError as exc:
                if exc.status == 404:
                    return
                if self.server.get_node(node)["provision_state"] in _STATES_TO_UNDEPLOY:
                    with suppress(APIError):
                        self.server.set_provision_state(node, "deleted")
            time.sleep(_RETRY_INTERVAL_S)
