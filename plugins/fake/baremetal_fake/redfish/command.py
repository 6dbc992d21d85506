"""The command line of the test service: ``python -m baremetal_fake.redfish``."""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import socket
import tempfile
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any

from baremetal_fake.faults import FaultPlan
from baremetal_fake.loopback import addresses_in
from baremetal_fake.redfish.certificate import CannotMakeCertificate, make_certificate
from baremetal_fake.redfish.exchange import ROOT
from baremetal_fake.redfish.plan import ServicePlan
from baremetal_fake.redfish.shards import ShardFailed, Shards, run_shard
from baremetal_interfaces import InvalidInput

SPARE_DESCRIPTORS = 64
DESCRIPTORS_PER_ADDRESS = 5
"""One that listens, and some for clients."""

_EPILOG = """It prints one line of JSON when it is ready, and serves until it is interrupted.
A fault file holds a list of faults, {"operation": "set_power", "effect": "lose", "nth": 2}, or an object of
machine name pattern -> list of faults. GET /_statistics at any address shows what clients did."""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = argparse.ArgumentParser("baremetal_fake.redfish", description="Redfish BMCs of simulated machines.", epilog=_EPILOG)
    add = made.add_argument
    add("--count", "--machines", type=_at_least(int, 1), default=1, help="machines; 1 by default")
    add("--names", help="names of the machines, with commas between them, in place of numbers from 0 on")
    add("--address", default="127.0.0.1", help="loopback address of the one BMC that all machines are behind")
    add("--addresses", metavar="NETWORK", help="loopback network, such as 127.77.0.0/16: each machine has a BMC of its own there")
    add("--port", type=_at_least(int, 0), default=0, help="port; a free one by default")
    add("--tls", action="store_true", help="HTTPS with a self-signed certificate")
    add("--username", help="account; without one every login is taken")
    add("--password", default=os.environ.get("REDFISH_PASSWORD"), help="its password; $REDFISH_PASSWORD by default")
    add("--latency", type=_at_least(float, 0), default=0.0, help="seconds that each request takes")
    add("--power-seconds", type=_at_least(float, 0), default=0.0, help="seconds that a change of power takes")
    add("--idle-timeout", type=_at_least(float, 0), help="seconds after which a silent connection is closed")
    add("--session-timeout", type=_at_least(float, 0), default=1800.0, help="seconds that a session lives unused")
    add("--session-limit", type=_at_least(int, 1), default=64, help="sessions that one BMC keeps")
    add("--lockout-after", type=_at_least(int, 1), help="wrong passwords in a row that close the account")
    add("--parallel-limit", type=_at_least(int, 1), help="requests at a time that one BMC bears")
    add("--strict-power", action="store_true", help="answer 409 to a power command that has nothing to do")
    add("--no-image-check", action="store_true", help="insert media without looking whether the image is there")
    add("--faults", metavar="FILE", help="JSON file of what goes wrong")
    add("--processes", type=_at_least(int, 1), help="processes; by default as many as the file descriptors ask for")
    add("--shard", action="store_true", help=argparse.SUPPRESS)
    return made


def _at_least(kind: type[Any], minimum: float) -> Any:
    def number(text: str) -> Any:
        value = kind(text)
        if not minimum <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"it has to be at least {minimum:g}")
        return value

    return number


def plan_of(options: argparse.Namespace) -> ServicePlan:
    """The plan that the options ask for; ValueError or InvalidInput says what is wrong with them."""
    names = tuple(options.names.split(",")) if options.names else tuple(str(number) for number in range(options.count))
    addresses = addresses_in(options.addresses, len(names)) if options.addresses else (options.address,)
    if options.password is not None and options.username is None:
        raise ValueError("a password needs --username")
    return ServicePlan(
        names=names,
        addresses=addresses,
        port=options.port,
        username=options.username,
        password=options.password,
        latency=options.latency,
        idle_timeout=options.idle_timeout,
        session_timeout=options.session_timeout,
        session_limit=options.session_limit,
        lockout_after=options.lockout_after,
        parallel_limit=options.parallel_limit,
        strict_power=options.strict_power,
        fetch_images=not options.no_image_check,
        power_seconds=options.power_seconds,
        faults=_faults_in(options.faults) if options.faults else (),
    )


def _faults_in(path: str) -> tuple[tuple[str, list[dict[str, Any]]], ...]:
    return tuple((pattern, plan.to_json()) for pattern, plan in FaultPlan.load_by_machine(path).items())


def processes_for(addresses: int, descriptors: int) -> int:
    """How many processes it takes to listen at so many *addresses* with so many file *descriptors* each."""
    return max(1, -(-addresses * DESCRIPTORS_PER_ADDRESS // max(1, descriptors - SPARE_DESCRIPTORS)))


def raise_descriptor_limit() -> int:
    """Ask for as many file descriptors as this process may have, and tell how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit status."""
    made = parser()
    options = made.parse_args(arguments)
    descriptors = raise_descriptor_limit()
    if options.shard:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return run_shard()
    try:
        plan = plan_of(options)
        with ExitStack() as stack:
            return _serve(plan, options, descriptors, stack)
    except (InvalidInput, ValueError, OSError, CannotMakeCertificate, ShardFailed) as exc:
        made.exit(1, f"baremetal_fake.redfish: {exc}\n")


def _serve(plan: ServicePlan, options: argparse.Namespace, descriptors: int, stack: ExitStack) -> int:
    if options.tls:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="redfish-service-"))
        plan = replace(plan, certificate=make_certificate(directory, [*plan.addresses, "localhost"]))
    shards = options.processes or processes_for(len(plan.addresses), descriptors)
    if len(plan.addresses) == 1:
        shards = 1
    if shards > 1 and not plan.port:
        plan = replace(plan, port=_free_port(plan.addresses[0]))
    service: AbstractContextManager[Any] = Shards(plan.shares(shards)) if shards > 1 else plan.service()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    running = stack.enter_context(service)
    print(json.dumps(_described(plan, plan.port or running.port, shards)), flush=True)
    stopped.wait()
    return 0


def _free_port(address: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _described(plan: ServicePlan, port: int, processes: int) -> dict[str, Any]:
    """The line that says that everything is ready: ``urls`` has one URL, or one for each machine."""
    hosts = [f"[{address}]" if ":" in address else address for address in plan.addresses]
    urls = [f"{'https' if plan.certificate else 'http'}://{host}:{port}" for host in hosts]
    return {
        "ready": True,
        "url": urls[0],
        "urls": urls,
        "systems": [f"{ROOT}/Systems/{name}" for name in plan.names],
        "certificate": plan.certificate[0] if plan.certificate else None,
        "processes": processes,
        "pid": os.getpid(),
    }
