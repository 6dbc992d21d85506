"""Many simulated BMCs in processes of their own, some of them dead, some hung."""

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
    """The ``driver_info`` of each machine; *live* are those whose BMC answers."""

    driver: str
    infos: list[dict[str, Any]]
    live: list[dict[str, Any]]
    tls: bool = False


@contextmanager
def running_fleet(given: argparse.Namespace) -> Iterator[Fleet]:
    """Start the BMCs that the arguments ask for."""
    silent = round(given.nodes * given.dead), round(given.nodes * given.hung)
    live = given.nodes - sum(silent)
    with ExitStack() as stack:
        infos = stack.enter_context(_ipmi(live, given.latency) if given.ipmi else _redfish(live, given.latency, given.tls))
        dead_port = stack.enter_context(_full_backlog()) if silent[0] else 0
        dead = [_silent(number, dead_port) for number in range(silent[0])]
        hung_port = stack.enter_context(_never_accepts()) if silent[1] else 0
        hung = [_silent(number, hung_port) for number in range(silent[1])]
        yield Fleet("ipmi" if given.ipmi else "redfish", _mixed(infos, dead + hung), infos, given.tls)


def _mixed(many: list[dict[str, Any]], few: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All of them, the few spread among the many."""
    every = len(many) // len(few) if few else len(many) + 1
    mixed = []
    rest = list(few)
    for number, one in enumerate(many, 1):
        mixed.append(one)
        if number % every == 0 and rest:
            mixed.append(rest.pop())
    return mixed + rest


@contextmanager
def _redfish(count: int, latency: float, tls: bool) -> Iterator[list[dict[str, Any]]]:
    options = ["--addresses", "127.77.0.0/16", "--latency", str(latency), *(["--tls"] if tls else [])]
    with _process("baremetal_fake.redfish", count, options) as ready:
        yield [
            {"redfish_address": url, "redfish_system_id": system, "redfish_verify_ca": "false" if tls else "true"}
            for url, system in zip(ready["urls"], ready["systems"], strict=True)
        ]


@contextmanager
def _ipmi(count: int, latency: float) -> Iterator[list[dict[str, Any]]]:
    options = ["--addresses", "127.78.0.0/16", "--latency", str(latency)]
    with _process("baremetal_fake.ipmi", count, options) as ready:
        user, password = ACCOUNT
        yield [
            {"ipmi_address": host, "ipmi_port": port, "ipmi_username": user, "ipmi_password": password}
            for host, port in _bmcs(ready)
        ]


def _bmcs(ready: dict[str, Any]) -> list[tuple[str, int]]:
    return [(host, port) for host, port in ready["bmcs"]]


@contextmanager
def _process(module: str, count: int, options: list[str]) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", module, "--count", str(count), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"IPMI_PASSWORD": ACCOUNT[1]})
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def _silent(number: int, port: int) -> dict[str, Any]:
    host = f"127.79.{number // 250}.{number % 250 + 1}"
    return {"redfish_address": f"http://{host}:{port}", "redfish_system_id": "/redfish/v1/Systems/1"}


@contextmanager
def _full_backlog() -> Iterator[int]:
    """A port that answers to no SYN: its listener's backlog is full."""
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
    """A port where connections are taken by the kernel and by nobody else."""
    with socket.create_server(("0.0.0.0", 0), backlog=4096) as listener:
        yield listener.getsockname()[1]
