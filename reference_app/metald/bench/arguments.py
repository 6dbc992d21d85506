"""Command line arguments of ``metald bench``, and their conversion to options."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

AUTH_METHODS = ("none", "http_basic", "token", "keystone", "certificate")
SCENARIO_NAMES = ("create-delete", "deploy", "power-sync")
_EPILOG = """Credentials come from environment variables, with the names that other OpenStack clients use: OS_USERNAME and
OS_PASSWORD (http_basic), OS_TOKEN (token), OS_CERT and OS_KEY (certificate: PEM files), OS_AUTH_URL, OS_PROJECT_NAME,
OS_USER_DOMAIN_NAME, OS_PROJECT_DOMAIN_NAME and OS_SYSTEM_SCOPE=all (keystone). For the server of --compare, a variable with
the prefix COMPARE_ takes precedence over the plain name. Exit codes: 0 all operations succeeded; 1 an operation failed; 2 the
command line is wrong; 130 the run was interrupted. The command deletes the nodes that it created in every case."""


def add_bench(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``metald bench`` to *command*, its argparse parser."""
    command.epilog = _EPILOG
    _add_workload(command)
    _add_access(command)
    _add_output(command)


def _add_workload(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("url", metavar="URL", help="URL of the API to measure, such as http://127.0.0.1:6385")
    add(
        "--scenario",
        choices=SCENARIO_NAMES,
        default=SCENARIO_NAMES[0],
        help="operations to measure: create and delete nodes, deploy nodes, or detect power changes (default: create-delete)",
    )
    add(
        "--compare",
        metavar="URL",
        help="URL of a second server to measure alternately with the first; the ratios of both are printed",
    )
    add(
        "--nodes",
        metavar="N",
        type=_integer_type(1, 100_000),
        default=100,
        help="number of nodes to create in each round (default: 100)",
    )
    add(
        "--clients",
        metavar="N",
        type=_integer_type(1, 1000),
        help="number of concurrent clients (default: 10 for create-delete; otherwise the number of nodes, limited to 100)",
    )
    add(
        "--rounds",
        metavar="N",
        type=_integer_type(1, 100),
        help="number of times that the scenario runs on each server (default: 1; 2 with --compare)",
    )
    add("--driver", default="fake-hardware", help="driver of the nodes; power-sync always uses redfish (default: fake-hardware)")
    add("--fields", metavar="JSON", type=_json_object, default={}, help="JSON object with additional fields for each node")
    add("--api-version", metavar="1.N", default="1.72", help="API microversion that the clients request (default: 1.72)")
    add(
        "--timeout",
        metavar="S",
        type=_integer_type(1, 86_400),
        default=300,
        help="maximum seconds to wait for an answer, or for a node to reach a state (default: 300)",
    )
    add(
        "--dead",
        metavar="PERCENT",
        type=_integer_type(0, 99),
        default=20,
        help="percentage of simulated BMCs that stop answering in the power-sync scenario (default: 20)",
    )


def _add_access(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--auth", choices=AUTH_METHODS, default="none", help="authentication method of the clients (default: none)")
    add("--compare-auth", choices=AUTH_METHODS, help="authentication method for the --compare server (default: that of --auth)")
    add("--cacert", metavar="FILE", help="PEM file with the CA certificates to trust (default: those of the system)")
    add("--insecure", action="store_true", help="do not verify the certificates of the servers")


def _add_output(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--pid",
        metavar="PID",
        type=_integer_type(1, 2**31),
        action="append",
        default=[],
        help="ID of a server process whose memory and threads are measured; may be repeated (default: the listener on the port)",
    )
    add(
        "--compare-pid",
        metavar="PID",
        type=_integer_type(1, 2**31),
        action="append",
        default=[],
        help="ID of a process of the --compare server whose memory and threads are measured; may be repeated",
    )
    add(
        "--plot",
        metavar="FILE",
        type=Path,
        help="PNG file to write, with rate, latency, threads and memory over time; needs matplotlib",
    )
    add("--json", action="store_true", help="print events as JSON, one object per line, in place of text")


def run_bench(chosen: argparse.Namespace) -> int:
    """Run the measurement that the parsed arguments *chosen* describe, and return the exit code."""
    from metald.bench.command import BenchOptions, measure

    return measure(
        BenchOptions(
            url=chosen.url,
            scenario=chosen.scenario,
            compare=chosen.compare,
            nodes=chosen.nodes,
            clients=chosen.clients,
            rounds=chosen.rounds,
            driver=chosen.driver,
            fields=chosen.fields,
            api_version=chosen.api_version,
            timeout=float(chosen.timeout),
            dead_share=chosen.dead / 100,
            auth=chosen.auth,
            compare_auth=chosen.compare_auth,
            cacert=chosen.cacert,
            insecure=chosen.insecure,
            pids=tuple(chosen.pid),
            compare_pids=tuple(chosen.compare_pid),
            plot=chosen.plot,
            json_lines=chosen.json,
        )
    )


def _integer_type(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return an argparse type that accepts integers from *minimum* to *maximum*."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a number from {minimum} to {maximum}; give an integer in this range"
            )
        return int(text)

    return parse


def _json_object(text: str) -> dict[str, Any]:
    """Return the JSON object in *text*; raise ArgumentTypeError if the text is something else."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is not a JSON object; give an object such as {{"owner": "bench"}}')
    return value
