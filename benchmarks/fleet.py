"""Simulated BMCs in separate processes, some of them dead or hung."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

ACCOUNT = ("admin", "password")


@dataclass
class Fleet:
    """The simulated machines: ``driver_info`` of all of them, and of those whose BMC answers (*live*)."""

    driver: str
    driver_infos: list[dict[str, Any]]
    live: list[dict[str, Any]]
    tls: bool = False


@contextmanager
def run_fleet(options: argparse.Namespace) -> Iterator[Fleet]:
    """Run the BMCs that the command line asks for, within the block."""
    dead_count, hung_count = round(options.nodes * options.dead), round(options.nodes * options.hung)
    live_count = options.nodes - dead_count - hung_count
    with ExitStack() as stack:
        if options.ipmi:
            live = stack.enter_context(_run_ipmi(live_count, options.latency))
        else:
            live = stack.enter_context(_run_redfish(live_count, options.latency, options.tls))
        dead_port = stack.enter_context(_full_backlog()) if dead_count else 0
        dead = [_silent_bmc(number, dead_port) for number in range(dead_count)]
        hung_port = stack.enter_context(_never_accepts()) if hung_count else 0
        hung = [_silent_bmc(number, hung_port) for number in range(hung_count)]
        yield Fleet("ipmi" if options.ipmi else "redfish", _interleave(live, dead + hung), live, options.tls)


def _interleave(many: list[dict[str, Any]], few: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all elements, with the few spread evenly among the many."""
    distance = len(many) // len(few) if few else len(many) + 1
    mixed = []
    rest = list(few)
    for number, element in enumerate(many, 1):
        mixed.append(element)
        if number % distance == 0 and rest:
            mixed.append(rest.pop())
    return mixed + rest


@contextmanager
def _run_redfish(count: int, latency: float, tls: bool) -> Iterator[list[dict[str, Any]]]:
    options = ["--addresses", "127.77.0.0/16", "--latency", str(latency), *(["--tls"] if tls else [])]
    with _run_process("baremetal_fake.redfish", count, options) as ready:
        yield [
            {"redfish_address": url, "redfish_system_id": system, "redfish_verify_ca": "false" if tls else "true"}
            for url, system in zip(ready["urls"], ready["systems"], strict=True)
        ]


@contextmanager
def _run_ipmi(count: int, latency: float) -> Iterator[list[dict[str, Any]]]:
    options = ["--addresses", "127.78.0.0/16", "--latency", str(latency)]
    with _run_process("baremetal_fake.ipmi", count, options) as ready:
        user, password = ACCOUNT
        yield [
            {"ipmi_address": host, "ipmi_port": port, "ipmi_username": user, "ipmi_password": password}
            for host, port in ready["bmcs"]
        ]


@contextmanager
def _run_process(module: str, count: int, options: list[str]) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", module, "--count", str(count), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"IPMI_PASSWORD": ACCOUNT[1]})
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def _silent_bmc(number: int, port: int) -> dict[str, Any]:
    host = f"127.79.{number // 250}.{number % 250 + 1}"
    return {"redfish_address": f"http://{host}:{port}", "redfish_system_id": "/redfish/v1/Systems/1"}


@contextmanager
def _full_backlog() -> Iterator[int]:
    """Yield a port that answers no SYN, because the backlog of its listener is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("0.0.0.0", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.79.255.1", listener.getsockname()[1]))
        yield listener.getsockname()[1]


@contextmanager
def _never_accepts() -> Iterator[int]:
    """Yield a port where the kernel accepts connections and no process answers."""
    with socket.create_server(("0.0.0.0", 0), backlog=4096) as listener:
        yield listener.getsockname()[1]
