"""The arguments of ``metald bench``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

AUTHENTICATION = ("none", "http_basic", "token", "keystone", "certificate")
SCENARIOS = ("create-delete", "deploy", "power-sync")
_EPILOG = """Credentials come from the environment, as other clients of OpenStack take them: OS_USERNAME and OS_PASSWORD
(http_basic), OS_TOKEN (token), OS_CERT and OS_KEY (certificate: PEM files), OS_AUTH_URL, OS_PROJECT_NAME, OS_USER_DOMAIN_NAME,
OS_PROJECT_DOMAIN_NAME and OS_SYSTEM_SCOPE=all (keystone); for the server of --compare the same names with COMPARE_ in front,
where they differ. Exit code 0: everything went well; 1: something failed; 2: the command line is wrong; 130: it was interrupted.
Its nodes are deleted in each case."""


def add_bench(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.epilog = _EPILOG
    add = command.add_argument
    add("url", metavar="URL", help="the API to measure, such as http://127.0.0.1:6385")
    add("--scenario", choices=SCENARIOS, default=SCENARIOS[0], help="what is done (default: create-delete)")
    add("--compare", metavar="URL", help="another server to measure in turns with the first, and ratios of the two")
    add("--nodes", metavar="N", type=_number(1, 100_000), default=100, help="nodes (default: 100)")
    add(
        "--clients",
        metavar="N",
        type=_number(1, 1000),
        help="clients at a time (default: 10; with other scenarios as many as nodes, to 100)",
    )
    add("--rounds", metavar="N", type=_number(1, 100), help="turns of each server (default: 1; 2 with --compare)")
    add("--driver", default="fake-hardware", help="driver of the nodes (default: fake-hardware)")
    add("--fields", metavar="JSON", type=_object, default={}, help="more fields of each node, an object")
    add("--api-version", metavar="1.N", default="1.72", help="microversion to ask for (default: 1.72)")
    add("--timeout", metavar="S", type=_number(1, 86_400), default=300, help="seconds to wait for a state (default: 300)")
    add("--dead", metavar="PERCENT", type=_number(0, 99), default=20, help="BMCs that die, with power-sync (default: 20)")
    add("--auth", choices=AUTHENTICATION, default="none", help="how to say who asks (default: none)")
    add("--compare-auth", choices=AUTHENTICATION, help="the same for --compare (default: as --auth)")
    add("--cacert", metavar="FILE", help="authorities of the servers' certificates, in place of the system's")
    add("--insecure", action="store_true", help="do not check certificates")
    add(
        "--pid",
        metavar="PID",
        type=_number(1, 2**31),
        action="append",
        default=[],
        help="process of the server, for memory and threads",
    )
    add("--compare-pid", metavar="PID", type=_number(1, 2**31), action="append", default=[], help="the same for --compare")
    add("--plot", metavar="FILE", type=Path, help="draw rate, latency, threads and memory over time into a PNG file")
    add("--json", action="store_true", help="print one JSON object per line, for programs")


def run_bench(chosen: argparse.Namespace) -> int:
    """Measure as the arguments say; give back the exit code."""
    from metald.bench.command import BenchOptions, bench

    return bench(
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
            dead=chosen.dead / 100,
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


def _number(least: int, most: int) -> Any:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return number


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object")
    return value
