"""Command ``metald bench``: it runs the rounds of each server, cleans up, shows progress and result, and sets the exit code."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metald.bench import plot, scenarios
from metald.bench.authentication import AuthenticationSetupError, EnvironmentCredentials, RequestAuthentication
from metald.bench.bench_nodes import BenchNodes
from metald.bench.client_threads import BenchInterrupted
from metald.bench.connection import ConnectionFailed, ServerAddress
from metald.bench.display import BenchDisplay, create_display
from metald.bench.power_sync import REDFISH_DRIVER, measure_power_sync
from metald.bench.recording import Recording
from metald.bench.resource_usage import UsageSampler
from metald.bench.result import BenchResult, ServerMeasurement
from metald.bench.scenarios import BenchRun, Workload
from metald.bench.server_client import ServerClient
from metald.client import APIError
from metald.processes import ChildFailed

FAILED, USAGE_ERROR, INTERRUPTED = 1, 2, 130
_CLEANUP_TIMEOUT_S = 300.0
"""Maximum seconds for the deletion of the nodes of one round."""
_MAX_DEFAULT_CLIENTS = 100
"""Maximum of the default number of clients in scenarios that use one client per node."""

SCENARIOS: dict[str, Callable[[BenchRun], None]] = {
    "create-delete": scenarios.create_and_delete,
    "deploy": scenarios.deploy,
    "power-sync": measure_power_sync,
}

_REQUIRED_FIELDS: dict[str, dict[str, Any]] = {
    "fake-hardware": {"network_interface": "noop", "deploy_interface": "fake", "boot_interface": "fake"},
    REDFISH_DRIVER: {"network_interface": "noop"},
}
"""Node fields, by driver, that keep a node from using services outside the server under test."""


@dataclass(frozen=True)
class BenchOptions:
    """Options of ``metald bench``. *timeout* is in seconds; *dead_share* is the fraction of BMCs that stop answering (0 to 1)."""

    url: str
    scenario: str = "create-delete"
    compare: str | None = None
    nodes: int = 100
    clients: int | None = None
    rounds: int | None = None
    driver: str = "fake-hardware"
    fields: dict[str, Any] = field(default_factory=dict)
    api_version: str = "1.72"
    timeout: float = 300.0
    dead_share: float = 0.2
    auth: str = "none"
    compare_auth: str | None = None
    cacert: str | None = None
    insecure: bool = False
    pids: tuple[int, ...] = ()
    compare_pids: tuple[int, ...] = ()
    plot: Path | None = None
    json_lines: bool = False

    @property
    def workload(self) -> Workload:
        """Workload of one round, the same for each server."""
        clients = self.clients
        if clients is None:
            clients = 10 if self.scenario == "create-delete" else min(self.nodes, _MAX_DEFAULT_CLIENTS)
        driver = REDFISH_DRIVER if self.scenario == "power-sync" else self.driver
        return Workload(
            nodes=self.nodes,
            clients=clients,
            driver=driver,
            fields={**_REQUIRED_FIELDS.get(driver, {}), **self.fields},
            timeout=self.timeout,
            dead_share=self.dead_share,
        )


class _MeasuredServer:
    """A server under test: its client, and the data recorded about it over all rounds."""

    def __init__(self, name: str, url: str, options: BenchOptions, *, auth: str, prefix: str, pids: tuple[int, ...]) -> None:
        self.name = name
        address = ServerAddress(url, cacert=options.cacert, insecure=options.insecure, timeout=options.timeout)
        credentials = EnvironmentCredentials(os.environ, prefix)
        if auth == "certificate":
            address.load_certificate(credentials.require("OS_CERT", auth), credentials.require("OS_KEY", auth))
        authentication = RequestAuthentication(auth, credentials, cacert=options.cacert, insecure=options.insecure)
        self.client = ServerClient(address, authentication, options.api_version)
        self.recording = Recording()
        self.usage_sampler = UsageSampler(address, pids, self.recording.now)
        self.leftover_nodes: list[str] = []

    def build_measurement(self) -> ServerMeasurement:
        """Return the data recorded about the server so far."""
        return ServerMeasurement(
            name=self.name,
            url=self.client.address.url,
            recording=self.recording,
            usage_samples=self.usage_sampler.samples,
            leftover_nodes=self.leftover_nodes,
        )


def measure(options: BenchOptions) -> int:
    """Run ``metald bench`` with *options*, show the result, and return the exit code.

    The code is 0 if all operations succeeded, 1 if one failed, 2 if an option is wrong, and 130 after an interruption.
    """
    try:
        if options.plot is not None:
            plot.require_matplotlib()
        servers = _create_servers(options)
        for server in servers:
            next(server.client.list_nodes(), None)
    except (ValueError, OSError, AuthenticationSetupError, plot.PlotError) as exc:
        return _report_failure(str(exc), USAGE_ERROR)
    except (APIError, ConnectionFailed) as exc:
        return _report_failure(f"cannot list the nodes of a server: {exc}", FAILED)
    workload = options.workload
    result = BenchResult(options.scenario, workload.nodes, workload.clients, [])
    stop = threading.Event()
    before = _read_cpu_seconds()
    with _stop_on_signals(stop), create_display(sys.stdout, json_lines=options.json_lines) as display:
        _run_rounds(options, servers, result, stop, display)
        result.own_cpu_s = _read_cpu_seconds() - before
    result.servers = [server.build_measurement() for server in servers]
    result.request_count = sum(server.client.request_count for server in servers)
    if options.plot is not None:
        try:
            plot.draw(result, options.plot)
        except plot.PlotError as exc:
            result.problems.append(str(exc))
    display.show_result(result)
    if result.interrupted:
        return INTERRUPTED
    return 0 if result.ok else FAILED


def _read_cpu_seconds() -> float:
    """Return the CPU time in seconds that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _create_servers(options: BenchOptions) -> list[_MeasuredServer]:
    """Return the server under test, or both servers in a comparison. A login at Keystone happens here."""
    first_name = "A" if options.compare else "server"
    first = _MeasuredServer(first_name, options.url, options, auth=options.auth, prefix="", pids=options.pids)
    if options.compare is None:
        return [first]
    second = _MeasuredServer(
        "B",
        options.compare,
        options,
        auth=options.compare_auth or options.auth,
        prefix="COMPARE_",
        pids=options.compare_pids,
    )
    return [first, second]


def _run_rounds(
    options: BenchOptions, servers: list[_MeasuredServer], result: BenchResult, stop: threading.Event, display: BenchDisplay
) -> None:
    """Measure the servers alternately. Each round reverses their order, so that load from elsewhere affects both.

    An error that ends a round is added to *result* and ends the measurement.
    """
    rounds = options.rounds or (2 if len(servers) > 1 else 1)
    for number in range(rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            try:
                _run_round(options, server, stop, display)
            except BenchInterrupted:
                result.interrupted = True
                return
            except (APIError, ChildFailed, OSError, ValueError, KeyError) as exc:
                result.problems.append(f"{server.name}: {type(exc).__name__}: {exc}")
                return


def _run_round(options: BenchOptions, server: _MeasuredServer, stop: threading.Event, display: BenchDisplay) -> None:
    """Run the scenario once on *server*, then delete the nodes of the round and close the connections."""
    workload = options.workload
    nodes = BenchNodes(server.client, workload.driver, workload.fields)
    recording = server.recording

    def begin_stage(operation: str, count: int) -> None:
        display.begin_stage(server.name, operation, count, recording)

    recording.resume()
    try:
        with server.usage_sampler:
            SCENARIOS[options.scenario](
                BenchRun(
                    server=server.client,
                    recording=recording,
                    workload=workload,
                    stop=stop,
                    nodes=nodes,
                    begin_stage=begin_stage,
                )
            )
    finally:
        # The deletion of nodes at the end is not part of the measured time.
        recording.pause()
        server.leftover_nodes += _clean_up(nodes, workload.clients, display, server.name)
        server.client.close()


def _clean_up(nodes: BenchNodes, clients: int, display: BenchDisplay, name: str) -> list[str]:
    """Delete the nodes of the round that still exist, and return the UUIDs of those that remain.

    If the server does not list its nodes, return a name pattern instead.
    """
    is_announced = False

    def announce(count: int) -> None:
        nonlocal is_announced
        if not is_announced:
            display.show_message(f"{name}: deleting {count} remaining nodes")
        is_announced = True

    try:
        return nodes.clean_up(_CLEANUP_TIMEOUT_S, clients, announce)
    except (APIError, ValueError, KeyError) as exc:
        display.show_message(f"{name}: nodes with the name prefix {nodes.prefix} may be left: {exc}; delete them")
        return [f"{nodes.prefix}*"]


@contextmanager
def _stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """Within the ``with`` block, SIGINT, SIGTERM and SIGHUP set *stop*, which ends the run after its cleanup.

    The third signal ends the process at once, without a cleanup.
    """
    received: list[int] = []

    def handle(number: int, frame: object) -> None:
        received.append(number)
        stop.set()
        if len(received) > 2:
            os._exit(INTERRUPTED)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _report_failure(reason: str, code: int) -> int:
    print(f"metald bench: {reason}", file=sys.stderr, flush=True)
    return code
