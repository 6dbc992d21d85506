"""``metald demo``: a service, simulated machines, and the whole life of each, in one command."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from metald.client import API_VERSION, BareMetalClient
from metald.display import Display, choose
from metald.images import ServedImage, empty_iso, served
from metald.journey import Journey
from metald.processes import Child, ChildFailed
from metald.simulation import Simulation, loopback_only, start

_READY_SECONDS = 60.0


def demo(machines: int, keep: bool, json_lines: bool) -> int:
    """Show the system at work; give back 0 if every machine went all the way, else 1."""
    display = choose([f"machine-{number}" for number in range(1, machines + 1)], json_lines)
    with _ended_by_signals(), ExitStack() as cleanup:
        try:
            return 0 if _story(display, keep, cleanup) else 1
        except ChildFailed as exc:
            display.say(f"The demonstration cannot go on: {exc}")
            return 1
        finally:
            _ignore_signals()


def _story(display: Display, keep: bool, cleanup: ExitStack) -> bool:
    directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="metald-demo-")))
    simulation = start(len(display.machines), directory, cleanup)
    display.say(f"Machines: {len(display.machines)}, behind {simulation.description}")
    url = _start_service(directory, cleanup)
    display.say(f"Service:  metald at {url}")
    image = cleanup.enter_context(served(empty_iso()))
    ok = _travel(BareMetalClient(url), simulation, image, display)
    display.finish(ok, f"Their BMCs asked for the boot image {image.asked} times.")
    if keep:
        _stay(url, display)
    return ok


def _start_service(directory: Path, cleanup: ExitStack) -> str:
    options = ["--host", "127.0.0.1", "--port", "0", "--state-dir", str(directory / "state")]
    command = [sys.executable, "-m", "metald", "serve", *options]
    service = cleanup.enter_context(Child("metald", command, directory, loopback_only()))
    return service.wait_for_line("metald ready: ", _READY_SECONDS)


def _travel(client: BareMetalClient, simulation: Simulation, image: ServedImage, display: Display) -> bool:
    """Take all machines through their journeys, at the same time."""
    interrupted = threading.Event()
    journeys = [Journey(client, machine, image.url, display.hear, interrupted) for machine in simulation.machines]
    with display, ThreadPoolExecutor(len(journeys), thread_name_prefix="journey") as threads:
        try:
            return all([future.result() for future in [threads.submit(journey.run) for journey in journeys]])
        finally:
            interrupted.set()


def _stay(url: str, display: Display) -> None:
    """Stay up until Ctrl-C, which ends it well from the first line on."""
    node = f"{url}/v1/nodes/machine-1"
    curl = f"curl -s -H 'X-OpenStack-Ironic-API-Version: {API_VERSION}'"
    body = """-H 'Content-Type: application/json' -X PUT -d '{"target": "power on"}'"""
    with suppress(KeyboardInterrupt):
        display.say("\nThe service and the machines stay up until Ctrl-C. Three commands to try:")
        display.say(f"  {curl} {url}/v1/nodes")
        display.say(f"  {curl} {body} {node}/states/power")
        display.say(f"  {curl} '{node}?fields=name,power_state,provision_state,last_error'")
        signal.pause()


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _ignore_signals() -> None:
    """From here on it is being cleaned up, which takes seconds and is not to be cut short."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that everything is cleaned up."""
    before = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
