"""Power sync with dead BMCs: how soon a server sees that a machine was switched on, while other BMCs do not answer."""

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

from metald.bench.scenarios import Run
from metald.bench.states import States
from metald.client import APIError
from metald.processes import Child, ChildFailed

REDFISH = "redfish"
"""The driver of the nodes: it is their BMCs that matter."""
_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Machine:
    """A simulated machine: the address of its BMC, and its system there."""

    address: str
    system: str

    @property
    def info(self) -> dict[str, str]:
        """What a node says of it."""
        return {"redfish_address": self.address, "redfish_system_id": self.system}

    def power(self) -> str:
        """Its power, as its BMC says: ``On`` or ``Off``."""
        with _OPENER.open(self.address + self.system, timeout=10.0) as answer:
            return str(json.load(answer)["PowerState"])

    def switch(self, on: bool) -> None:
        """Switch it past the server that drives it."""
        body = json.dumps({"ResetType": "On" if on else "ForceOff"}).encode()
        url = f"{self.address}{self.system}/Actions/ComputerSystem.Reset"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        _OPENER.open(request, timeout=10.0).close()


def power_sync(run: Run) -> None:
    """Enrol machines, let some of their BMCs die, switch the others behind the server's back, and wait until it has seen it.

    A server that sets a machine's power back has seen it, too. Meanwhile one client reads, to see what that costs others.
    """
    dead = round(run.load.nodes * run.load.dead)
    with ExitStack() as children:
        directory = Path(children.enter_context(tempfile.TemporaryDirectory(prefix="metald-bench-")))
        alive = _bmcs("alive", run.load.nodes - dead, "127.71.0.0/16", directory, children)
        dying = _bmcs("dying", dead, "127.72.0.0/16", directory, children)
        nodes = _enrolled(run, [*alive[1], *dying[1]])
        if nodes:
            with _stopped(dying[0]), _reading(run, next(iter(nodes))):
                _watch(run, {node: machine for node, machine in nodes.items() if machine in alive[1]})
            run.delete(list(nodes))


def _bmcs(name: str, count: int, network: str, directory: Path, children: ExitStack) -> tuple[Child | None, list[Machine]]:
    if count < 1:
        return None, []
    if importlib.util.find_spec("baremetal_fake") is None:
        raise ChildFailed("simulated BMCs are those of baremetal-fake, which is not installed: pip install baremetal-fake")
    command = [sys.executable, "-m", "baremetal_fake.redfish", "--machines", str(count), "--addresses", network]
    child = children.enter_context(Child(name, command, directory, {"NO_PROXY": "*", "no_proxy": "*"}))
    said = json.loads(child.wait_for_line("", _READY_SECONDS))
    return child, [Machine(url, system) for url, system in zip(said["urls"], said["systems"], strict=True)]


def _enrolled(run: Run, machines: list[Machine]) -> dict[str, Machine]:
    """The nodes of these machines, managed."""
    nodes: dict[str, Machine] = {}

    def enrol(job: tuple[int, Machine]) -> None:
        number, machine = job
        nodes[run.server.create(run.fleet.body(number, driver_info=machine.info))] = machine

    run.stage("create", len(machines))
    run.crew.run("create", list(enumerate(machines)), enrol)
    with States(run.server, run.stop) as states:

        def manage(node: str) -> None:
            run.patiently(lambda: run.server.provision(node, "manage"))
            states.settled(node, "manageable", run.load.seconds)

        run.stage("manage", len(nodes))
        run.crew.run("manage", list(nodes), manage)
    return nodes


@contextmanager
def _stopped(child: Child | None) -> Iterator[None]:
    """Within it these BMCs take connections and answer nothing: what a BMC that hangs looks like."""
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
def _reading(run: Run, node: str) -> Iterator[None]:
    """One client reads a node ten times a second."""
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.1):
            begin = time.perf_counter()
            try:
                run.server.node(node)
            except APIError as exc:
                run.recording.failed("read meanwhile", str(exc))
            else:
                run.recording.add("read meanwhile", time.perf_counter() - begin)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(run: Run, nodes: dict[str, Machine]) -> None:
    run.stage("power seen", len(nodes))
    before = {node: machine.power() for node, machine in nodes.items()}
    switched: dict[str, float] = {}

    def switch(node: str) -> None:
        nodes[node].switch(before[node] != "On")
        switched[node] = time.perf_counter()

    run.crew.run("switch", list(nodes), switch, timed=False)
    end = time.monotonic() + run.load.seconds
    while switched and time.monotonic() < end and not run.stop.wait(_LOOK_SECONDS):
        shown = _shown(run)
        for node in [node for node in switched if _has_seen(nodes[node], before[node], shown.get(node))]:
            run.recording.add("power seen", time.perf_counter() - switched.pop(node))
    if not run.stop.is_set():
        for _ in switched:
            run.recording.failed("power seen", f"a change of power was not seen within {run.load.seconds:g} s")
        run.recording.spent("power seen", run.load.seconds - max(0.0, end - time.monotonic()))


def _shown(run: Run) -> dict[str, Any]:
    try:
        return {str(node["uuid"]): node["power_state"] for node in run.server.nodes("power_state")}
    except APIError as exc:
        run.recording.failed("power seen", str(exc))
        return {}


def _has_seen(machine: Machine, before: str, shown: Any) -> bool:
    """Whether the server shows the new power, or has set the machine back to the old one."""
    expected = "power off" if before == "On" else "power on"
    return shown == expected or (shown is not None and machine.power() == before)
