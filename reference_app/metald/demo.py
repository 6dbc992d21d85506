"""Command ``metald demo``: it starts a service and simulated machines, and takes the machines through all provision states."""

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

from metald.boot_image import ServedImage, build_empty_iso, serve_image
from metald.client import API_VERSION, BareMetalClient
from metald.demo_display import DemoDisplay, create_display
from metald.machine_lifecycle import MachineLifecycle
from metald.processes import Child, ChildFailed
from metald.simulation import Simulation, no_proxy_environment, start_simulation

_READY_TIMEOUT_S = 60.0
"""Maximum seconds to wait until metald is ready."""


def run_demo(machines: int, keep: bool, json_lines: bool) -> int:
    """Run the demonstration with that many *machines*, and return the exit code.

    With *keep*, service and machines keep running at the end until Ctrl-C. With *json_lines*, events are printed as JSON.
    Return 0 if all machines complete all transitions, otherwise 1.
    """
    display = create_display([f"machine-{number}" for number in range(1, machines + 1)], json_lines)
    with _exit_on_signals(), ExitStack() as cleanup:
        try:
            return 0 if _run_demonstration(display, keep, cleanup) else 1
        except ChildFailed as exc:
            display.show_message(f"The demonstration failed: {exc}")
            return 1
        finally:
            _ignore_signals()


def _run_demonstration(display: DemoDisplay, keep: bool, cleanup: ExitStack) -> bool:
    """Start machines and service, run all lifecycles, and return whether all succeeded. *cleanup* stops what was started."""
    directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="metald-demo-")))
    simulation = start_simulation(len(display.machines), directory, cleanup)
    display.show_message(f"Machines: {len(display.machines)}, behind {simulation.description}")
    url = _start_service(directory, cleanup)
    display.show_message(f"Service:  metald at {url}")
    image = cleanup.enter_context(serve_image(build_empty_iso()))
    ok = _run_lifecycles(BareMetalClient(url), simulation, image, display)
    display.show_outcome(ok, f"The BMCs requested the boot image {image.request_count} times.")
    if keep:
        _wait_for_interrupt(url, display)
    return ok


def _start_service(directory: Path, cleanup: ExitStack) -> str:
    """Start ``metald serve`` as a child process and return the URL of its API."""
    options = ["--host", "127.0.0.1", "--port", "0", "--state-dir", str(directory / "state")]
    command = [sys.executable, "-m", "metald", "serve", *options]
    service = cleanup.enter_context(Child("metald", command, directory, no_proxy_environment()))
    return service.wait_for_line("metald ready: ", _READY_TIMEOUT_S)


def _run_lifecycles(client: BareMetalClient, simulation: Simulation, image: ServedImage, display: DemoDisplay) -> bool:
    """Take all machines through their lifecycles in parallel, and return whether all lifecycles completed."""
    interrupted = threading.Event()
    lifecycles = [MachineLifecycle(client, machine, image.url, display.handle, interrupted) for machine in simulation.machines]
    with display, ThreadPoolExecutor(len(lifecycles), thread_name_prefix="lifecycle") as threads:
        try:
            futures = [threads.submit(lifecycle.run) for lifecycle in lifecycles]
            # The list waits for every machine; all() alone would stop at the first failure.
            return all([future.result() for future in futures])
        finally:
            interrupted.set()


def _wait_for_interrupt(url: str, display: DemoDisplay) -> None:
    """Print commands to try, and keep everything running until Ctrl-C."""
    node = f"{url}/v1/nodes/machine-1"
    curl = f"curl -s -H 'X-OpenStack-Ironic-API-Version: {API_VERSION}'"
    body = """-H 'Content-Type: application/json' -X PUT -d '{"target": "power on"}'"""
    # The block includes the output, so that an early Ctrl-C also ends the demonstration without an error.
    with suppress(KeyboardInterrupt):
        display.show_message("\nThe service and the machines run until Ctrl-C. Three commands to try:")
        display.show_message(f"  {curl} {url}/v1/nodes")
        display.show_message(f"  {curl} {body} {node}/states/power")
        display.show_message(f"  {curl} '{node}?fields=name,power_state,provision_state,last_error'")
        signal.pause()


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _ignore_signals() -> None:
    """Ignore SIGINT, SIGTERM and SIGHUP from now on, because the cleanup takes seconds and must complete."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit within the ``with`` block, so that the cleanup runs as it does for Ctrl-C."""
    previous = {number: signal.signal(number, _exit) for number in (signal.SIGTERM, signal.SIGHUP)}
    previous[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
