"""Throughput of our HTTP server and of others, measured alternately: ``python -m benchmarks.http_throughput``.

Compare only the medians of one run on one machine.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.http_servers import APPLICATIONS, SERVERS
from tests.fixtures.certificates import write_certificate

CONNECTIONS = (1, 16, 64)
REQUEST = (
    b"GET /v1/nodes?limit=10 HTTP/1.1\r\nHost: localhost:6385\r\nUser-Agent: bench\r\nAccept: application/json\r\n"
    b"X-OpenStack-Ironic-API-Version: 1.80\r\nX-Auth-Token: 0123456789abcdef\r\n\r\n"
)


def main() -> None:
    """Measure all servers, and print one line of JSON for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_throughput", description="Compare HTTP servers.")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of each measurement (default: 2)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each server in each case (default: 5)")
    parser.add_argument("--servers", nargs="*", default=list(SERVERS), choices=list(SERVERS))
    parser.add_argument("--applications", nargs="*", default=list(APPLICATIONS), choices=list(APPLICATIONS))
    parser.add_argument("--connections", nargs="*", type=int, default=CONNECTIONS)
    parser.add_argument("--tls", choices=("no", "yes", "both"), default="both")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        pair = write_certificate(Path(directory), "localhost")
        for tls in [False] * (options.tls != "yes") + [True] * (options.tls != "no"):
            for application in options.applications:
                compare(options, application, pair if tls else None)


def compare(options: argparse.Namespace, application: str, pair: tuple[str, str] | None) -> None:
    """Measure all servers with one application."""
    names = [name for name in options.servers if not (pair and name == "waitress")]
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for name in names:
            with run_server(name, application, pair) as port:
                for count in options.connections:
                    rates[name, count].append(measure_rate(port, count, options.seconds, pair is not None))
    for count in options.connections:
        medians = {name: round(statistics.median(rates[name, count])) for name in names}
        line: dict[str, object] = {"application": application, "tls": pair is not None, "connections": count, **medians}
        if {"ours", "cheroot"} <= medians.keys():
            line["ours/cheroot"] = round(medians["ours"] / medians["cheroot"], 2)
        print(json.dumps(line), flush=True)


@contextmanager
def run_server(name: str, application: str, pair: tuple[str, str] | None) -> Iterator[int]:
    """Run a server in a separate process within the block, and yield its port."""
    command = [sys.executable, "-m", "benchmarks.http_servers", name, application, *(pair or ())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield port
        finally:
            process.terminate()
            process.wait(10)


def measure_rate(port: int, count: int, seconds: float, tls: bool) -> float:
    """Return the requests per second over *count* connections, each of which sends one request after the other."""
    with connect(port, tls) as first:
        length = measure_response(first)
    sockets: dict[int, socket.socket] = {}
    poller = select.epoll()
    missing = {}
    for _ in range(count):  # each sends a request at once: a silent connection would block a thread of some servers
        sock = connect(port, tls)
        descriptor = sock.fileno()
        sockets[descriptor] = sock
        sock.setblocking(False)
        poller.register(descriptor, select.EPOLLIN)
        sock.send(REQUEST)
        missing[descriptor] = length
    began, served = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for descriptor, _ in poller.poll(1.0):
            try:
                missing[descriptor] -= len(sockets[descriptor].recv(65536))
            except ssl.SSLWantReadError:
                continue
            if missing[descriptor] <= 0:
                served += 1
                missing[descriptor] = length
                sockets[descriptor].send(REQUEST)
    took = time.perf_counter() - began
    for sock in sockets.values():
        sock.close()
    return served / took


def measure_response(sock: socket.socket) -> int:
    """Return the length of a response in bytes. All responses have the same length."""
    for _ in range(20):  # warm-up: the first requests may find a server that is still starting
        sock.sendall(REQUEST)
        received = sock.recv(65536)
        while b"\r\n\r\n" not in received or len(received) < compute_response_length(received):
            received += sock.recv(65536)
    assert received.startswith(b"HTTP/1.1 200"), received
    return len(received)


def compute_response_length(received: bytes) -> int:
    """Return the total length of a response, from its header."""
    head, _, _ = received.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(head) + 4 + lengths[0]


def connect(port: int, tls: bool) -> socket.socket:
    """Return a connection after its TLS handshake, if any."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock)


if __name__ == "__main__":
    main()
