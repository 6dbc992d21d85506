"""The command of the IPMI test service: ``python -m baremetal_fake.ipmi``."""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Sequence
from typing import Any

from baremetal_fake.bmc_account import Account
from baremetal_fake.cli_options import EPILOG, add_common_options, at_least, exit_event, machine_names, raise_descriptor_limit
from baremetal_fake.faults import FaultPlan
from baremetal_fake.ipmi.options import IPMIOptions
from baremetal_fake.ipmi.service import IPMIService
from baremetal_fake.ipmi.sessions import AccessOptions
from baremetal_fake.loopback import addresses_in
from baremetal_fake.machine import Timings
from baremetal_fake.rack import Rack
from baremetal_interfaces import InvalidInput

_EPILOG = EPILOG + " The signal USR1 prints the counters of the BMCs."


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser("baremetal_fake.ipmi", description="IPMI BMCs of simulated machines.", epilog=_EPILOG)
    add_common_options(parser, session_timeout=60.0, session_limit=4)
    add = parser.add_argument
    add("--address", default="127.0.0.1", help="loopback address of all BMCs, each with its own port; default: 127.0.0.1")
    add("--addresses", metavar="NETWORK", help="loopback network, such as 127.78.0.0/16, with its own address for each BMC")
    add("--port", type=at_least(int, 0), default=0, help="port of the first BMC; default: free ports")
    add("--username", default="admin", help="name of the account; default: admin")
    add(
        "--password",
        default=os.environ.get("IPMI_PASSWORD", "password"),
        help="password of the account; default: $IPMI_PASSWORD, or 'password'",
    )
    add(
        "--cipher-suites",
        type=_cipher_suites,
        default=(3, 17),
        metavar="LIST",
        help="comma-separated cipher suites to offer; default: 3,17",
    )
    add("--strict-power", action="store_true", help="refuse a power command that would change nothing")
    return parser


def _cipher_suites(text: str) -> tuple[int, ...]:
    numbers = tuple(text.split(","))
    if not set(numbers) <= {"3", "17"}:
        raise argparse.ArgumentTypeError(f"cipher suites {text!r} are not supported; use 3, 17 or 3,17")
    return tuple(int(number) for number in numbers)


def build_service(options: argparse.Namespace) -> IPMIService:
    """Return the service that *options* describe; raise ValueError or InvalidInput if they are not valid."""
    names = machine_names(options)
    seconds = options.power_seconds
    rack = Rack("ipmi", timings=Timings(seconds, seconds, seconds))
    for pattern, plan in FaultPlan.load_by_machine(options.faults).items() if options.faults else ():
        rack.inject(plan, pattern)
    access = AccessOptions(
        account=Account(options.username, options.password),
        suites=options.cipher_suites,
        session_limit=options.session_limit,
        session_timeout=options.session_timeout,
        lockout_after=options.lockout_after,
    )
    return IPMIService(
        names,
        addresses=addresses_in(options.addresses, len(names)) if options.addresses else (options.address,),
        port=options.port,
        latency=options.latency,
        options=IPMIOptions(access, strict_power=options.strict_power, parallel_limit=options.parallel_limit),
        rack=rack,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    raise_descriptor_limit()
    try:
        return _serve(build_service(options))
    except (InvalidInput, ValueError, OSError) as exc:
        parser.exit(1, f"baremetal_fake.ipmi: {exc}\n")


def _serve(service: IPMIService) -> int:
    stopped = exit_event()
    signal.signal(signal.SIGUSR1, lambda *_: print(json.dumps(service.totals()), flush=True))
    with service:
        print(json.dumps(_ready_message(service)), flush=True)
        stopped.wait()
    return 0


def _ready_message(service: IPMIService) -> dict[str, Any]:
    """Return the line that says that all BMCs answer. ``bmcs`` holds the address and the port of each BMC."""
    return {
        "ready": True,
        "bmcs": [service.address_of(index) for index in range(len(service.names))],
        "names": service.names,
        "pid": os.getpid(),
    }
