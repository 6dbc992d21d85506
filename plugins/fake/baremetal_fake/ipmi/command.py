"""Command ``python -m baremetal_fake.ipmi``, which runs the IPMI test service until it is interrupted."""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from baremetal_fake.bmc_account import Account
from baremetal_fake.cli_options import EPILOG, add_common_options, at_least, exit_event, machine_names, raise_descriptor_limit
from baremetal_fake.faults import FaultPlan
from baremetal_fake.ipmi.options import IPMIOptions
from baremetal_fake.ipmi.profiles import load_profile, profile_names
from baremetal_fake.ipmi.service import IPMIService
from baremetal_fake.loopback import addresses_in
from baremetal_fake.machine import Timings
from baremetal_fake.rack import Rack
from baremetal_interfaces import InvalidInput

_EPILOG = EPILOG + " The signal USR1 prints the counters of the BMCs."


def build_parser() -> argparse.ArgumentParser:
    """Return the argparse parser for the options of the IPMI test service."""
    parser = argparse.ArgumentParser(
        "baremetal_fake.ipmi", description="Run simulated IPMI BMCs on loopback, for tests of IPMI clients.", epilog=_EPILOG
    )
    add_common_options(parser, session_timeout=60.0, session_limit=4)
    add = parser.add_argument
    add(
        "--address",
        default="127.0.0.1",
        help="loopback address that all BMCs share, each at its own UDP port; default: 127.0.0.1",
    )
    add(
        "--addresses",
        metavar="NETWORK",
        help="loopback network, such as 127.78.0.0/16: each machine gets its own BMC at its own address in the network",
    )
    add(
        "--port",
        type=at_least(int, 0),
        default=0,
        help="UDP port of the first BMC, or of all BMCs with --addresses; default: free ports",
    )
    add("--username", default="admin", help="user name of the BMC account; default: admin")
    add(
        "--password",
        default=os.environ.get("IPMI_PASSWORD", "password"),
        help="password of the BMC account; default: $IPMI_PASSWORD, or 'password'",
    )
    add(
        "--cipher-suites",
        type=_cipher_suites,
        default=None,
        metavar="LIST",
        help="comma-separated numbers of the cipher suites that the BMCs offer: 3, 17 or both; default: those of the profile, "
        "or 3,17",
    )
    add(
        "--profile",
        help=f"make whose reported behavior the BMCs have: {', '.join(profile_names())}, or the path of a file .toml; "
        "default: no deviations",
    )
    add(
        "--strict-power",
        action="store_true",
        help="refuse a power command that would not change the power state; default: accept it",
    )
    return parser


def _cipher_suites(text: str) -> tuple[int, ...]:
    """Return the cipher suite numbers in *text*, such as ``3,17``; raise ArgumentTypeError if a suite is not supported."""
    numbers = tuple(text.split(","))
    if not set(numbers) <= {"3", "17"}:
        raise argparse.ArgumentTypeError(f"cipher suites {text!r} are not supported; use 3, 17 or 3,17")
    return tuple(int(number) for number in numbers)


def build_service(options: argparse.Namespace) -> IPMIService:
    """Return a new IPMI test service as the command line *options* describe it. The caller starts it.

    Raises ValueError if an option is not valid, InvalidInput if the fault file is not valid, and OSError if the file is
    unreadable.
    """
    names = machine_names(options)
    seconds = options.power_seconds
    rack = Rack("ipmi", timings=Timings(seconds, seconds, seconds))
    for pattern, plan in FaultPlan.load_by_machine(options.faults).items() if options.faults else ():
        rack.inject(plan, pattern)
    behavior = load_profile(options.profile).build_options() if options.profile else IPMIOptions()
    access = replace(
        behavior.access,
        account=Account(options.username, options.password),
        suites=options.cipher_suites or behavior.access.suites,
        session_limit=options.session_limit,
        session_timeout=options.session_timeout,
        lockout_after=options.lockout_after,
    )
    return IPMIService(
        names,
        addresses=addresses_in(options.addresses, len(names)) if options.addresses else (options.address,),
        port=options.port,
        latency=options.latency,
        options=replace(behavior, access=access, strict_power=options.strict_power, parallel_limit=options.parallel_limit),
        rack=rack,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the IPMI test service as the command line says, and return the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    raise_descriptor_limit()
    try:
        return _serve(build_service(options))
    except (InvalidInput, ValueError, OSError) as exc:
        parser.exit(1, f"baremetal_fake.ipmi: cannot run the IPMI test service: {exc}\n")


def _serve(service: IPMIService) -> int:
    """Run *service* until SIGINT or SIGTERM, and return exit status 0. SIGUSR1 prints its counters."""
    stopped = exit_event()
    signal.signal(signal.SIGUSR1, lambda *_: print(json.dumps(service.totals()), flush=True))
    with service:
        print(json.dumps(_ready_message(service)), flush=True)
        stopped.wait()
    return 0


def _ready_message(service: IPMIService) -> dict[str, Any]:
    """Return the JSON object that the command prints when all BMCs listen. ``bmcs`` holds address and port of each BMC."""
    return {
        "ready": True,
        "bmcs": [service.address_of(index) for index in range(len(service.names))],
        "names": service.names,
        "pid": os.getpid(),
    }
