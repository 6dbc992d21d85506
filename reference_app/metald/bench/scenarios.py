"""Scenarios ``create-delete`` and ``deploy`` of ``metald bench``, and the parts that scenarios share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from metald.bench.bench_nodes import BenchNodes
from metald.bench.client_threads import BenchInterrupted, ClientThreads
from metald.bench.recording import Recording
from metald.bench.server_client import ServerClient
from metald.bench.state_watcher import POLL_INTERVAL_S, StateWatcher
from metald.client import APIError

DEPLOYMENT_VERBS = (("manage", "manageable"), ("provide", "available"), ("active", "active"), ("deleted", "available"))
"""Provision verbs of a deployment in order, each with the state in which it ends."""
_MAX_RETRY_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Workload:
    """Size and kind of the load on a server. *timeout* bounds each wait for a state, in seconds."""

    nodes: int
    clients: int
    driver: str = "fake-hardware"
    fields: dict[str, Any] = field(default_factory=dict)
    timeout: float = 300.0
    dead_share: float = 0.2
    """Fraction (0 to 1) of the BMCs that stop answering in the power-sync scenario."""


@dataclass
class BenchRun:
    """One round of a scenario on one server."""

    server: ServerClient
    recording: Recording
    workload: Workload
    stop: threading.Event
    nodes: BenchNodes
    begin_stage: Callable[[str, int], None]
    """Callback to show that an operation begins. It takes the name of the operation and the number of nodes."""

    @property
    def client_threads(self) -> ClientThreads:
        """New group of client threads, of the size that the workload sets."""
        return ClientThreads(self.workload.clients, self.recording, self.stop)

    def create_nodes(self) -> list[str]:
        """Create all nodes of the workload as operation ``create``, and return the UUIDs of those that were created."""
        uuids: list[str] = []
        self.begin_stage("create", self.workload.nodes)
        bodies = [self.nodes.build_body(number) for number in range(self.workload.nodes)]
        self.client_threads.run("create", bodies, lambda body: uuids.append(self.server.create_node(body)))
        return uuids

    def delete_nodes(self, uuids: list[str]) -> None:
        """Delete the nodes *uuids* as operation ``delete``."""
        self.begin_stage("delete", len(uuids))
        self.client_threads.run("delete", uuids, self._delete_node)

    def _delete_node(self, uuid: str) -> None:
        self.retry_while_busy(lambda: self.server.delete_node(uuid))

    def retry_while_busy(self, request: Callable[[], Any]) -> None:
        """Call *request* until it succeeds. Retry while the node is locked or the server has no free worker.

        Raises the last :class:`APIError` at the timeout of the workload, and any other one at once. Raises
        :class:`BenchInterrupted` at an interruption.
        """
        deadline = time.monotonic() + self.workload.timeout
        while True:
            try:
                request()
                return
            except APIError as exc:
                if not exc.is_temporary or time.monotonic() > deadline:
                    raise
                if self.stop.wait(min(exc.retry_after or POLL_INTERVAL_S, _MAX_RETRY_INTERVAL_S)):
                    raise BenchInterrupted from None


def create_and_delete(run: BenchRun) -> None:
    """Run the scenario ``create-delete``: create nodes, read each node, and delete the nodes."""
    uuids = run.create_nodes()
    run.begin_stage("read", len(uuids))
    run.client_threads.run("read", uuids, run.server.get_node)
    run.delete_nodes(uuids)


def deploy(run: BenchRun) -> None:
    """Run the scenario ``deploy``: create nodes, run the verbs manage, provide, active and deleted, and delete the nodes.

    Each verb runs on all nodes before the next verb begins.
    """
    uuids = run.create_nodes()
    with StateWatcher(run.server, run.stop) as watcher:
        for verb, state in DEPLOYMENT_VERBS:
            run_verb(run, watcher, uuids, verb=verb, state=state)
    run.delete_nodes(uuids)


def run_verb(run: BenchRun, watcher: StateWatcher, uuids: list[str], *, verb: str, state: str) -> None:
    """Send the provision *verb* to all nodes, and record as operation *verb* how long each node takes to reach *state*."""

    def provision(uuid: str) -> None:
        run.retry_while_busy(lambda: run.server.set_provision_state(uuid, verb))
        watcher.wait_until_settled(uuid, state, run.workload.timeout)

    run.begin_stage(verb, len(uuids))
    run.client_threads.run(verb, uuids, provision)
