"""Command ``python -m baremetal_fake.redfish``, which runs the Redfish test service until it is interrupted."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any

from baremetal_fake.cli_options import EPILOG, add_common_options, at_least, exit_event, machine_names, raise_descriptor_limit
from baremetal_fake.faults import FaultPlan
from baremetal_fake.loopback import addresses_in
from baremetal_fake.redfish.certificate import CertificateError, make_certificate
from baremetal_fake.redfish.exchange import ROOT
from baremetal_fake.redfish.plan import ServicePlan
from baremetal_fake.redfish.shards import ShardFailed, Shards, run_shard
from baremetal_interfaces import InvalidInput
from baremetal_interfaces.addresses import build_url

SPARE_DESCRIPTORS = 64
"""Number of file descriptors that each process of the service reserves for purposes other than its BMC addresses."""
DESCRIPTORS_PER_ADDRESS = 5
"""Number of file descriptors to plan for each BMC address: one listening socket and several client connections."""

_EPILOG = EPILOG + " GET /_statistics at any address shows the load that clients caused."


def build_parser() -> argparse.ArgumentParser:
    """Return the argparse parser for the options of the Redfish test service."""
    parser = argparse.ArgumentParser(
        "baremetal_fake.redfish",
        description="Run simulated Redfish BMCs on loopback, for tests of Redfish clients.",
        epilog=_EPILOG,
    )
    add_common_options(parser, session_timeout=1800.0, session_limit=64)
    add = parser.add_argument
    add("--address", default="127.0.0.1", help="loopback address of a single BMC that manages all machines; default: 127.0.0.1")
    add(
        "--addresses",
        metavar="NETWORK",
        help="loopback network, such as 127.77.0.0/16: each machine gets its own BMC at its own address in the network",
    )
    add("--port", type=at_least(int, 0), default=0, help="TCP port, the same at all addresses; default: a free port")
    add("--tls", action="store_true", help="serve HTTPS with a new self-signed certificate, instead of HTTP")
    add("--username", help="user name of the BMC account; without this option, every login is accepted")
    add("--password", default=os.environ.get("REDFISH_PASSWORD"), help="password of the BMC account; default: $REDFISH_PASSWORD")
    add(
        "--idle-timeout",
        type=at_least(float, 0),
        help="seconds without a request after which a connection is closed; default: never",
    )
    add(
        "--strict-power",
        action="store_true",
        help="answer HTTP 409 to a power command that would not change the power state; default: accept it",
    )
    add(
        "--no-image-check",
        action="store_true",
        help="insert virtual media without asking the image server whether the image exists",
    )
    add(
        "--processes",
        type=at_least(int, 1),
        help="number of processes that share the machines; default: as many as the limit of open files requires",
    )
    add("--shard", action="store_true", help=argparse.SUPPRESS)
    return parser


def build_plan(options: argparse.Namespace) -> ServicePlan:
    """Return the plan of the Redfish test service that the command line *options* describe.

    Raises ValueError if an option is not valid, InvalidInput if the fault file is not valid, and OSError if the file is
    unreadable.
    """
    names = machine_names(options)
    addresses = addresses_in(options.addresses, len(names)) if options.addresses else (options.address,)
    if options.password is not None and options.username is None:
        raise ValueError("--password has no account: give --username, or unset $REDFISH_PASSWORD")
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
        faults=_load_faults(options.faults) if options.faults else (),
    )


def _load_faults(path: str) -> tuple[tuple[str, list[dict[str, Any]]], ...]:
    """Return pairs of a pattern of machine names and the fault plan of these machines as JSON, read from the file *path*."""
    return tuple((pattern, plan.to_json()) for pattern, plan in FaultPlan.load_by_machine(path).items())


def processes_for(addresses: int, descriptors: int) -> int:
    """Return how many processes are needed to listen at *addresses* (a number) if each may open *descriptors* files."""
    return max(1, -(-addresses * DESCRIPTORS_PER_ADDRESS // max(1, descriptors - SPARE_DESCRIPTORS)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the Redfish test service as the command line says, and return the exit status.

    With the hidden option ``--shard``, run as a child that serves a part of the machines.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    descriptors = raise_descriptor_limit()
    if options.shard:
        # Ctrl-C reaches all processes of the terminal; a shard ends when its parent closes its standard input.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return run_shard()
    try:
        plan = build_plan(options)
        with ExitStack() as stack:
            return _serve(plan, options, descriptors, stack)
    except (InvalidInput, ValueError, OSError, CertificateError, ShardFailed) as exc:
        parser.exit(1, f"baremetal_fake.redfish: cannot run the Redfish test service: {exc}\n")


def _serve(plan: ServicePlan, options: argparse.Namespace, descriptors: int, stack: ExitStack) -> int:
    """Run the service in this process or in several shards until SIGINT or SIGTERM, and return exit status 0."""
    if options.tls:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="redfish-service-"))
        plan = replace(plan, certificate=make_certificate(directory, [*plan.addresses, "localhost"]))
    shards = options.processes or processes_for(len(plan.addresses), descriptors)
    if len(plan.addresses) == 1:
        shards = 1
    if shards > 1 and not plan.port:
        # All processes must listen at the same port, so it is chosen before they start.
        plan = replace(plan, port=_free_port(plan.addresses[0]))
    service: AbstractContextManager[Any] = Shards(plan.shares(shards)) if shards > 1 else plan.service()
    stopped = exit_event()
    running = stack.enter_context(service)
    print(json.dumps(_ready_message(plan, plan.port or running.port, shards)), flush=True)
    stopped.wait()
    return 0


def _free_port(address: str) -> int:
    """Return a TCP port that is free at *address* now. Another process may still take the port before the service binds it."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _ready_message(plan: ServicePlan, port: int, processes: int) -> dict[str, Any]:
    """Return the JSON object that the command prints when all BMCs listen. ``urls`` holds one URL for each BMC address."""
    urls = [build_url("https" if plan.certificate else "http", address, port) for address in plan.addresses]
    return {
        "ready": True,
        "url": urls[0],
        "urls": urls,
        "systems": [f"{ROOT}/Systems/{name}" for name in plan.names],
        "certificate": plan.certificate[0] if plan.certificate else None,
        "processes": processes,
        "pid": os.getpid(),
    }
