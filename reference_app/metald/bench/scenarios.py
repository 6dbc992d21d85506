"""What is done with a server: creating and deleting nodes, and deploying many at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from metald.bench.crew import Crew, Interrupted
from metald.bench.fleet import Fleet
from metald.bench.recording import Recording
from metald.bench.server import Server
from metald.bench.states import POLL_SECONDS, States
from metald.client import APIError

LIFE = (("manage", "manageable"), ("provide", "available"), ("active", "active"), ("deleted", "available"))
"""The verbs of a deployment, and where each leads to."""


@dataclass(frozen=True)
class Load:
    """How much is asked of a server. *seconds* bound one wait for a state, or for all that is to be seen."""

    nodes: int
    clients: int
    driver: str = "fake-hardware"
    fields: dict[str, Any] = field(default_factory=dict)
    seconds: float = 300.0
    dead: float = 0.2
    """The share of BMCs that die, where some do."""


@dataclass
class Run:
    """One turn of one server."""

    server: Server
    recording: Recording
    load: Load
    stop: threading.Event
    fleet: Fleet
    stage: Callable[[str, int], None]
    """Hears which operation begins, and how many there will be."""

    @property
    def crew(self) -> Crew:
        """The clients."""
        return Crew(self.load.clients, self.recording, self.stop)

    def create(self) -> list[str]:
        """Create all nodes; give back their UUIDs."""
        nodes: list[str] = []
        self.stage("create", self.load.nodes)
        bodies = [self.fleet.body(number) for number in range(self.load.nodes)]
        self.crew.run("create", bodies, lambda body: nodes.append(self.server.create(body)))
        return nodes

    def delete(self, nodes: list[str]) -> None:
        """Delete nodes."""
        self.stage("delete", len(nodes))
        self.crew.run("delete", nodes, self._patiently_deleted)

    def _patiently_deleted(self, node: str) -> None:
        self.patiently(lambda: self.server.delete(node))

    def patiently(self, request: Callable[[], Any]) -> None:
        """Send a request again while it is refused for the moment: the node is held, or the server is full."""
        end = time.monotonic() + self.load.seconds
        while True:
            try:
                request()
                return
            except APIError as exc:
                if not exc.temporary or time.monotonic() > end:
                    raise
                if self.stop.wait(min(exc.retry_after or POLL_SECONDS, 1.0)):
                    raise Interrupted from None


def create_delete(run: Run) -> None:
    """Create nodes, read each, and delete them."""
    nodes = run.create()
    run.stage("read", len(nodes))
    run.crew.run("read", nodes, run.server.node)
    run.delete(nodes)


def deploy(run: Run) -> None:
    """Take nodes through manage, provide, active and deleted: each verb on all nodes at a time."""
    nodes = run.create()
    with States(run.server, run.stop) as states:
        for verb, wanted in LIFE:
            run.stage(verb, len(nodes))
            run.crew.run(verb, nodes, lambda node, verb=verb, wanted=wanted: _taken(run, states, node, verb, wanted))  # type: ignore[misc]
    run.delete(nodes)


def _taken(run: Run, states: States, node: str, verb: str, wanted: str) -> None:
    run.patiently(lambda: run.server.provision(node, verb))
    states.settled(node, wanted, run.load.seconds)
