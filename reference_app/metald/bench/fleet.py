"""The nodes of one run: made under a name of their own, and gone at the end, whatever happened in between."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from metald.bench.server import Server
from metald.client import APIError

_DEPLOYED = frozenset({"active", "deploy failed", "error", "wait call-back", "deploying", "rescue", "clean failed"})
_PAUSE = 0.3


class Fleet:
    """Nodes with names that no other run uses. *driver* and *fields* are what a new node is given."""

    def __init__(self, server: Server, driver: str, fields: dict[str, Any]) -> None:
        self.server = server
        self.prefix = f"bench-{secrets.token_hex(4)}-"
        self._fields = {"driver": driver, "resource_class": "baremetal", **fields}

    def body(self, number: int, **more: Any) -> bytes:
        """The request body for a new node."""
        return json.dumps({**self._fields, "name": f"{self.prefix}{number:06d}", **more}).encode()

    def left(self) -> list[str]:
        """The UUIDs of the nodes that are there. The server is asked: an answer that was lost may have made one."""
        return [str(node["uuid"]) for node in self.server.nodes("name") if str(node["name"]).startswith(self.prefix)]

    def clean_up(self, seconds: float, clients: int, tell: Callable[[int], None]) -> list[str]:
        """Delete what is left within *seconds*; *tell* hears how many there still are. Gives back what could not be deleted."""
        end = time.monotonic() + seconds
        left = self.left()
        while left:
            tell(len(left))
            waiting = list(left)
            threads = [
                threading.Thread(target=self._delete, args=(waiting, end), daemon=True) for _ in range(min(clients, len(left)))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            left = self.left()
            if time.monotonic() > end:
                break
        return left

    def _delete(self, waiting: list[str], end: float) -> None:
        while waiting and time.monotonic() < end:
            try:
                node = waiting.pop()
            except IndexError:
                return
            with suppress(APIError, KeyError, ValueError):
                self._end(node, end)

    def _end(self, node: str, end: float) -> None:
        """Undeploy the node where it has to be, and delete it once nobody holds it."""
        while time.monotonic() < end:
            try:
                return self.server.delete(node)
            except APIError as exc:
                if exc.status == 404:
                    return
                if self.server.node(node)["provision_state"] in _DEPLOYED:
                    with suppress(APIError):
                        self.server.provision(node, "deleted")
            time.sleep(_PAUSE)
