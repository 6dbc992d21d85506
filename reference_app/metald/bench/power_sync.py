"""Scenario ``power-sync`` of ``metald bench``: how long a server takes to show a power change while other BMCs do not answer."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metald.bench.scenarios import BenchRun, run_verb
from metald.bench.state_watcher import StateWatcher
from metald.client import APIError
from metald.processes import Child, ChildFailed

REDFISH_DRIVER = "redfish"
"""Driver of the nodes in this scenario, because it needs network connections to BMCs."""
_READY_TIMEOUT_S = 60.0
_POLL_INTERVAL_S = 0.5
_BMC_TIMEOUT_S = 10.0
_READ_INTERVAL_S = 0.1
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class SimulatedMachine:
    """A simulated machine: the URL of its BMC, and the path of its Redfish system."""

    address: str
    system: str

    @property
    def driver_info(self) -> dict[str, str]:
        """``driver_info`` for a node that uses this machine."""
        return {"redfish_address": self.address, "redfish_system_id": self.system}

    def read_power(self) -> str:
        """Read the power state directly from the BMC, and return it: ``On`` or ``Off``."""
        with _OPENER.open(self.address + self.system, timeout=_BMC_TIMEOUT_S) as response:
            return str(json.load(response)["PowerState"])

    def set_power(self, on: bool) -> None:
        """Switch the machine on or off directly at its BMC, so that the server under test has to notice the change."""
        body = json.dumps({"ResetType": "On" if on else "ForceOff"}).encode()
        url = f"{self.address}{self.system}/Actions/ComputerSystem.Reset"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        _OPENER.open(request, timeout=_BMC_TIMEOUT_S).close()


def measure_power_sync(run: BenchRun) -> None:
    """Run the scenario: enroll simulated machines, suspend some BMCs, switch the other machines, and wait for the server.

    For each switched machine, the time until the server notices the change is recorded. A server also notices a change if it
    switches the machine back. Meanwhile, another client reads a node all the time, to measure the effect of power sync on
    API requests.
    """
    dead_count = round(run.workload.nodes * run.workload.dead_share)
    with ExitStack() as children:
        directory = Path(children.enter_context(tempfile.TemporaryDirectory(prefix="metald-bench-")))
        _, live = _start_bmcs("alive", run.workload.nodes - dead_count, "127.71.0.0/16", directory, children)
        dead_process, dead = _start_bmcs("dying", dead_count, "127.72.0.0/16", directory, children)
        nodes = _enroll_machines(run, [*live, *dead])
        if nodes:
            with _suspend(dead_process), _read_in_background(run, next(iter(nodes))):
                _measure_power_changes(run, {uuid: machine for uuid, machine in nodes.items() if machine in live})
            run.delete_nodes(list(nodes))


def _start_bmcs(
    name: str, count: int, network: str, directory: Path, children: ExitStack
) -> tuple[Child | None, list[SimulatedMachine]]:
    """Start *count* BMCs of baremetal-fake in one process, each at its own address in *network*.

    Return the process and the machines; no process if *count* is 0. Raises ChildFailed if the BMCs do not start.
    """
    if count < 1:
        return None, []
    if importlib.util.find_spec("baremetal_fake") is None:
        raise ChildFailed("cannot simulate BMCs: baremetal-fake is not installed; pip install baremetal-fake")
    command = [sys.executable, "-m", "baremetal_fake.redfish", "--machines", str(count), "--addresses", network]
    child = children.enter_context(Child(name, command, directory, {"NO_PROXY": "*", "no_proxy": "*"}))
    ready = json.loads(child.wait_for_line("", _READY_TIMEOUT_S))
    return child, [SimulatedMachine(url, system) for url, system in zip(ready["urls"], ready["systems"], strict=True)]


def _enroll_machines(run: BenchRun, machines: list[SimulatedMachine]) -> dict[str, SimulatedMachine]:
    """Create a node for each machine, make it manageable, and return the machines by node UUID."""
    nodes: dict[str, SimulatedMachine] = {}

    def create(job: tuple[int, SimulatedMachine]) -> None:
        number, machine = job
        nodes[run.server.create_node(run.nodes.build_body(number, driver_info=machine.driver_info))] = machine

    run.begin_stage("create", len(machines))
    run.client_threads.run("create", list(enumerate(machines)), create)
    with StateWatcher(run.server, run.stop) as watcher:
        run_verb(run, watcher, list(nodes), verb="manage", state="manageable")
    return nodes


@contextmanager
def _suspend(child: Child | None) -> Iterator[None]:
    """Suspend the BMC process *child* until the ``with`` block ends.

    Its BMCs accept connections but never answer, as hung BMCs do.
    """
    if child is None:
        yield
        return
    os.killpg(child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGCONT)


@contextmanager
def _read_in_background(run: BenchRun, uuid: str) -> Iterator[None]:
    """Read the node *uuid* ten times per second until the ``with`` block ends, and record the reads as ``read meanwhile``."""
    stop = threading.Event()

    def read_repeatedly() -> None:
        while not stop.wait(_READ_INTERVAL_S):
            begin = time.perf_counter()
            try:
                run.server.get_node(uuid)
            except APIError as exc:
                run.recording.add_failure("read meanwhile", str(exc))
            else:
                run.recording.add("read meanwhile", time.perf_counter() - begin)

    thread = threading.Thread(target=read_repeatedly, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _measure_power_changes(run: BenchRun, nodes: dict[str, SimulatedMachine]) -> None:
    """Switch all machines in *nodes*, and record as ``power seen`` the time until the server notices each change.

    A change that the server does not notice within the timeout of the workload is recorded as a failure.
    """
    run.begin_stage("power seen", len(nodes))
    before = {uuid: machine.read_power() for uuid, machine in nodes.items()}
    pending: dict[str, float] = {}

    def switch(uuid: str) -> None:
        nodes[uuid].set_power(before[uuid] != "On")
        pending[uuid] = time.perf_counter()

    run.client_threads.run("switch", list(nodes), switch, timed=False)
    deadline = time.monotonic() + run.workload.timeout
    while pending and time.monotonic() < deadline and not run.stop.wait(_POLL_INTERVAL_S):
        power_states = _read_power_states(run)
        for uuid in list(pending):
            if _has_noticed(nodes[uuid], before[uuid], power_states.get(uuid)):
                run.recording.add("power seen", time.perf_counter() - pending.pop(uuid))
    if not run.stop.is_set():
        for _ in pending:
            run.recording.add_failure("power seen", f"the server shows no power change after {run.workload.timeout:g} s")
        run.recording.add_busy_time("power seen", run.workload.timeout - max(0.0, deadline - time.monotonic()))


def _read_power_states(run: BenchRun) -> dict[str, Any]:
    """Return the power states that the server shows, by node UUID.

    If the request fails, record a failure and return no states.
    """
    try:
        return {str(node["uuid"]): node["power_state"] for node in run.server.list_nodes("power_state")}
    except APIError as exc:
        run.recording.add_failure("power seen", str(exc))
        return {}


def _has_noticed(machine: SimulatedMachine, before: str, shown: Any) -> bool:
    """Return whether *shown* is the new power state of *machine*, or the server has switched it back to its state *before*."""
    expected = "power off" if before == "On" else "power on"
    return shown == expected or (shown is not None and machine.read_power() == before)
