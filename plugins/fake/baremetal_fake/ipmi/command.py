"""The command line of the test service: ``python -m baremetal_fake.ipmi``."""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import threading
from collections.abc import Sequence
from typing import Any

from baremetal_fake.bmc_account import Account
from baremetal_fake.faults import FaultPlan
from baremetal_fake.ipmi.bmc import IPMIOptions
from baremetal_fake.ipmi.service import IPMIService
from baremetal_fake.ipmi.sessions import AccessOptions
from baremetal_fake.loopback import addresses_in
from baremetal_fake.machine import Timings
from baremetal_fake.rack import Rack
from baremetal_interfaces import InvalidInput

_EPILOG = """It prints one line of JSON when it is ready, and serves until it is interrupted.
A fault file holds a list of faults, {"operation": "set_power", "effect": "lose", "nth": 2}, or an object of
machine name pattern -> list of faults. Signal USR1 prints what the BMCs counted."""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = argparse.ArgumentParser("baremetal_fake.ipmi", description="IPMI BMCs of simulated machines.", epilog=_EPILOG)
    add = made.add_argument
    add("--count", "--machines", type=_at_least(int, 1), default=1, help="machines; 1 by default")
    add("--names", help="names of the machines, with commas between them, in place of numbers from 0 on")
    add("--address", default="127.0.0.1", help="loopback address at which all BMCs listen, each at a port of its own")
    add("--addresses", metavar="NETWORK", help="loopback network, such as 127.78.0.0/16, with an address for each BMC")
    add("--port", type=_at_least(int, 0), default=0, help="the (first) port; free ones by default")
    add("--username", default="admin", help="account; admin by default")
    add("--password", default=os.environ.get("IPMI_PASSWORD", "password"), help="its password; $IPMI_PASSWORD, or else password")
    add("--cipher-suites", type=_suites, default=(3, 17), metavar="LIST", help="cipher suites that are known; 3,17 by default")
    add("--latency", type=_at_least(float, 0), default=0.0, help="seconds that each answer takes")
    add("--power-seconds", type=_at_least(float, 0), default=0.0, help="seconds that a change of power takes")
    add("--session-timeout", type=_at_least(float, 0), default=60.0, help="seconds that a session lives unused")
    add("--session-limit", type=_at_least(int, 1), default=4, help="sessions that one BMC keeps")
    add("--lockout-after", type=_at_least(int, 1), help="wrong passwords in a row that close the account")
    add("--parallel-limit", type=_at_least(int, 1), help="commands at a time that one BMC bears")
    add("--strict-power", action="store_true", help="refuse a power command that has nothing to do")
    add("--faults", metavar="FILE", help="JSON file of what goes wrong")
    return made


def _at_least(kind: type[Any], minimum: float) -> Any:
    def number(text: str) -> Any:
        value = kind(text)
        if not minimum <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"it has to be at least {minimum:g}")
        return value

    return number


def _suites(text: str) -> tuple[int, ...]:
    numbers = tuple(text.split(","))
    if not set(numbers) <= {"3", "17"}:
        raise argparse.ArgumentTypeError(f"{text!r}: it has to be 3, 17, or both with a comma between them")
    return tuple(int(number) for number in numbers)


def service_of(options: argparse.Namespace) -> IPMIService:
    """The service that the options ask for; ValueError or InvalidInput says what is wrong with them."""
    names = tuple(options.names.split(",")) if options.names else tuple(str(number) for number in range(options.count))
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
    """Run the command; the result is its exit status."""
    made = parser()
    options = made.parse_args(arguments)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return _serve(service_of(options))
    except (InvalidInput, ValueError, OSError) as exc:
        made.exit(1, f"baremetal_fake.ipmi: {exc}\n")


def _serve(service: IPMIService) -> int:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    signal.signal(signal.SIGUSR1, lambda *_: print(json.dumps(service.totals()), flush=True))
    with service:
        print(json.dumps(_described(service)), flush=True)
        stopped.wait()
    return 0


def _described(service: IPMIService) -> dict[str, Any]:
    """The line that says that everything is ready: ``bmcs`` has address and port of each machine's."""
    return {
        "ready": True,
        "bmcs": [service.address_of(index) for index in range(len(service.names))],
        "names": service.names,
        "pid": os.getpid(),
    }
