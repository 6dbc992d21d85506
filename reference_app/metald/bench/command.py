"""``metald bench`` from its options to its exit code: turns, cleaning up, and what is shown."""

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
from metald.bench.access import Access, AccessFailed, Credentials
from metald.bench.connection import ConnectionFailed, Target
from metald.bench.crew import Interrupted
from metald.bench.display import Display, display_for
from metald.bench.fleet import Fleet
from metald.bench.power import REDFISH, power_sync
from metald.bench.recording import Recording
from metald.bench.result import Measured, Result
from metald.bench.scenarios import Load, Run
from metald.bench.server import Server
from metald.bench.watching import Watch
from metald.client import APIError
from metald.processes import ChildFailed

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
_CLEANING = 300.0
"""Seconds in which what a run has made is deleted at its end, at most."""
_AT_ONCE = 100
"""Nodes that are deployed at a time where nobody says another number."""

SCENARIOS: dict[str, Callable[[Run], None]] = {
    "create-delete": scenarios.create_delete,
    "deploy": scenarios.deploy,
    "power-sync": power_sync,
}


@dataclass(frozen=True)
class BenchOptions:
    """What ``metald bench`` was asked for."""

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
    dead: float = 0.2
    auth: str = "none"
    compare_auth: str | None = None
    cacert: str | None = None
    insecure: bool = False
    pids: tuple[int, ...] = ()
    compare_pids: tuple[int, ...] = ()
    plot: Path | None = None
    json_lines: bool = False

    @property
    def load(self) -> Load:
        """How much is asked of each server."""
        clients = self.clients or (min(self.nodes, _AT_ONCE) if self.scenario != "create-delete" else 10)
        driver = REDFISH if self.scenario == "power-sync" else self.driver
        fields = {**_FIELDS.get(driver, {}), **self.fields}
        return Load(self.nodes, clients, driver, fields, self.timeout, self.dead)


_FIELDS: dict[str, dict[str, Any]] = {
    "fake-hardware": {"network_interface": "noop", "deploy_interface": "fake", "boot_interface": "fake"},
    REDFISH: {"network_interface": "noop"},
}
"""Driver -> what a node of it needs so that nothing outside is used."""


class _Side:
    """One of the servers that are measured."""

    def __init__(self, name: str, url: str, options: BenchOptions, auth: str, prefix: str, pids: tuple[int, ...]) -> None:
        self.name = name
        target = Target(url, cacert=options.cacert, insecure=options.insecure, timeout=options.timeout)
        credentials = Credentials(os.environ, prefix)
        if auth == "certificate":
            target.show(credentials.need("OS_CERT", auth), credentials.need("OS_KEY", auth))
        access = Access(auth, credentials, cacert=options.cacert, insecure=options.insecure)
        self.server = Server(target, access, options.api_version)
        self.recording = Recording()
        self.watch = Watch(target, pids, self.recording.now)
        self.left: list[str] = []

    def measured(self) -> Measured:
        """What is known of it by now."""
        return Measured(self.name, self.server.target.url, self.recording, self.watch.sights, self.left)


def bench(options: BenchOptions) -> int:
    """Measure; give back the exit code: 0 only where everything went well."""
    try:
        if options.plot is not None:
            plot.require()
        sides = _sides(options)
        for side in sides:
            next(side.server.nodes(), None)
    except (ValueError, OSError, AccessFailed, plot.CannotPlot) as exc:
        return _failed(str(exc), MISUSED)
    except (APIError, ConnectionFailed) as exc:
        return _failed(f"a server does not serve: {exc}", FAILED)
    load = options.load
    result = Result(options.scenario, load.nodes, load.clients, [])
    stop = threading.Event()
    before = _processor_seconds()
    with _stopped_by_signals(stop), display_for(sys.stdout, json_lines=options.json_lines) as display:
        _take_turns(options, sides, result, stop, display)
        result.own = _processor_seconds() - before
    result.servers = [side.measured() for side in sides]
    result.requests = sum(side.server.requests for side in sides)
    if options.plot is not None:
        try:
            plot.draw(result, options.plot)
        except plot.CannotPlot as exc:
            result.problems.append(str(exc))
    display.finish(result)
    return INTERRUPTED if result.interrupted else 0 if result.ok else FAILED


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _sides(options: BenchOptions) -> list[_Side]:
    first = _Side("A" if options.compare else "server", options.url, options, options.auth, "", options.pids)
    if options.compare is None:
        return [first]
    auth = options.compare_auth or options.auth
    return [first, _Side("B", options.compare, options, auth, "COMPARE_", options.compare_pids)]


def _take_turns(options: BenchOptions, sides: list[_Side], result: Result, stop: threading.Event, display: Display) -> None:
    """Each server in turn, and in the next round the other one first: what the machine does meanwhile hits both."""
    rounds = options.rounds or (2 if len(sides) > 1 else 1)
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            try:
                _take_turn(options, side, stop, display)
            except Interrupted:
                result.interrupted = True
                return
            except (APIError, ChildFailed, OSError, ValueError, KeyError) as exc:
                result.problems.append(f"{side.name}: {type(exc).__name__}: {exc}")
                return


def _take_turn(options: BenchOptions, side: _Side, stop: threading.Event, display: Display) -> None:
    load = options.load
    fleet = Fleet(side.server, load.driver, load.fields)
    recording = side.recording

    def stage(operation: str, count: int) -> None:
        display.stage(side.name, operation, count, recording)

    recording.resume()
    try:
        with side.watch:
            SCENARIOS[options.scenario](Run(side.server, recording, load, stop, fleet, stage))
    finally:
        recording.pause()
        side.left += _cleaned_up(fleet, load.clients, display, side.name)
        side.server.close()


def _cleaned_up(fleet: Fleet, clients: int, display: Display, name: str) -> list[str]:
    """Delete what is left; what cannot be found out is said."""
    told: list[int] = []

    def tell(count: int) -> None:
        if not told:
            display.say(f"{name}: deleting the {count} nodes that are left")
        told.append(count)

    try:
        return fleet.clean_up(_CLEANING, clients, tell)
    except (APIError, ValueError, KeyError) as exc:
        display.say(f"{name}: nodes whose names begin with {fleet.prefix} may be left: {exc}")
        return [f"{fleet.prefix}*"]


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C ends the measurement and has it cleaned up; a third one ends this program where it stands."""
    heard: list[int] = []

    def hear(number: int, frame: object) -> None:
        heard.append(number)
        stop.set()
        if len(heard) > 2:
            os._exit(INTERRUPTED)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, hear) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _failed(reason: str, code: int) -> int:
    print(f"metald bench: {reason}", file=sys.stderr, flush=True)
    return code
