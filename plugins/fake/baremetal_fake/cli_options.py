"""Common parts of the commands of the Redfish and the IPMI test service: options, file descriptor limit and signals."""

from __future__ import annotations

import argparse
import resource
import signal
import threading
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)

EPILOG = """The command prints one line of JSON when it is ready, and serves until it is interrupted.
A fault file holds a list of faults, such as [{"operation": "set_power", "effect": "lose", "nth": 2}], or an object
that maps patterns of machine names to lists of faults."""

UNLIMITED_DESCRIPTORS = 1 << 20
"""Number of file descriptors to assume if the system sets no limit."""


def add_common_options(parser: argparse.ArgumentParser, *, session_timeout: float, session_limit: int) -> None:
    """Add the options that both test services have to *parser*. *session_timeout* (seconds) and *session_limit* are defaults."""
    add = parser.add_argument
    add("--count", "--machines", type=at_least(int, 1), default=1, help="number of simulated machines; default: 1")
    add("--names", help="comma-separated names of the simulated machines, in place of --count; default: the numbers from 0")
    add("--latency", type=at_least(float, 0), default=0.0, help="seconds by which the BMCs delay each answer; default: 0")
    add(
        "--power-seconds",
        type=at_least(float, 0),
        default=0.0,
        help="seconds that a machine takes to switch on or off; default: 0",
    )
    add(
        "--session-timeout",
        type=at_least(float, 0),
        default=session_timeout,
        help=f"seconds after which a BMC ends an unused session; default: {session_timeout:g}",
    )
    add(
        "--session-limit",
        type=at_least(int, 1),
        default=session_limit,
        help=f"maximum number of open sessions of one BMC; default: {session_limit}",
    )
    add(
        "--lockout-after",
        type=at_least(int, 1),
        help="number of consecutive wrong passwords that lock the BMC account; default: no lockout",
    )
    add(
        "--parallel-limit",
        type=at_least(int, 1),
        help="maximum number of requests in flight at one BMC, which refuses further ones; default: no limit",
    )
    add(
        "--faults",
        metavar="FILE",
        help="JSON file with the faults of the machines, in the format described below; default: no faults",
    )


def at_least(kind: Callable[[str], Number], minimum: Number) -> Callable[[str], Number]:
    """Return an argparse type that converts text by *kind* and accepts only finite numbers of *minimum* or more."""

    def number(text: str) -> Number:
        value = kind(text)
        if not minimum <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not valid; give a number of {minimum:g} or more")
        return value

    return number


def machine_names(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the machine names in the option ``--names``, or the numbers from 0 to ``--count`` minus 1 without it."""
    return tuple(options.names.split(",")) if options.names else tuple(str(number) for number in range(options.count))


def raise_descriptor_limit() -> int:
    """Raise this process's soft limit of open files to the hard limit, and return the new limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else UNLIMITED_DESCRIPTORS


def exit_event() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set from now on. Only the main thread may call this function."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped
