"""Latency of a well-behaved client while others attack the HTTP server, and failures during stops, reloads and replacements.

Run it as ``python -m benchmarks.http_attacks``. The server is a separate process. Each attack yields one line of JSON; the limit
of the 99th percentile is 250 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tests.fixtures.certificates import write_certificate
from tests.fixtures.http_clients import HELLO, ByteDripper, trusting_context
from tests.fixtures.restarting_service import RestartableService
from tests.http.test_stopping import Load

GET = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
MAX_P99_S = 0.25
LARGE_BODY = bytes(3_000_000)


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the path, or with a large body for ``/large``."""
    content = LARGE_BODY if environ["PATH_INFO"] == "/large" else environ["PATH_INFO"].encode("latin-1")
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]


def serve(*pair: str) -> None:
    """Serve on an inherited socket, or with the argument ``own`` on a socket of the server.

    SIGHUP reloads the certificate, SIGUSR1 replaces the server by another one on the same socket, SIGTERM stops it.
    """
    from baremetal_interfaces import Deadline
    from baremetal_sdk.config import APIConfig
    from baremetal_sdk.http import HTTPServer, listen

    has_own_socket = pair[:1] == ("own",)
    pair = tuple(argument for argument in pair if argument != "own")
    cert, key = pair or (None, None)
    config = APIConfig(port=0, enable_ssl_api=cert is not None, cert_file=cert, key_file=key)
    commands = {signal.SIGHUP: 0, signal.SIGUSR1: 0, signal.SIGTERM: 0}
    signal.pthread_sigmask(signal.SIG_BLOCK, commands)
    with listen(config) as listeners:
        server = HTTPServer(application, config, None if has_own_socket else listeners)
        server.start()
        print(server.port, flush=True)
        while (command := signal.sigwait(commands)) is not signal.SIGTERM:
            if command is signal.SIGHUP:
                server.reload(config)
                continue
            # The new server accepts connections before the old one stops.
            successor = HTTPServer(application, config, listeners)
            successor.start()
            server.stop(Deadline.after(30))
            server = successor
        is_stopped = server.stop(Deadline.after(30))
    sys.exit(0 if is_stopped else 1)


class ServerUnderAttack:
    """The server process and its port."""

    def __init__(self, process: subprocess.Popen[str], pair: tuple[str, ...]) -> None:
        assert process.stdout is not None
        self.process = process
        self.port = int(process.stdout.readline())
        self.pair = pair
        self.context = trusting_context()

    def connect(self, shake: bool = True) -> socket.socket:
        """Return a connection, after its TLS handshake unless *shake* is False."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.context.wrap_socket(sock) if self.pair and shake else sock

    def send_requests(self, count: int, request: bytes) -> list[socket.socket]:
        """Open *count* connections and send a request on each."""
        connections = [self.connect() for _ in range(count)]
        for sock in connections:
            sock.sendall(request)
        return connections

    @property
    def mebibytes(self) -> float:
        """The resident memory of the server."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


@contextmanager
def run_server(*arguments: str) -> Iterator[ServerUnderAttack]:
    """Run a server within the block."""
    command = [sys.executable, "-m", "benchmarks.http_attacks", "--serve", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield ServerUnderAttack(process, tuple(argument for argument in arguments if argument != "own"))
        finally:
            process.terminate()


def measure_polite_client(server: ServerUnderAttack, count: int, is_over: Callable[[], bool] = lambda: True) -> dict[str, float]:
    """Send requests over new connections, *count* or more until *is_over*. Return quantiles of their latency."""
    latencies: list[float] = []
    while len(latencies) < count or not is_over():
        begin = time.perf_counter()
        with server.connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = b""
            while data := sock.recv(65536):
                received += data
        latencies.append((time.perf_counter() - begin) * 1000)
        assert received.startswith(b"HTTP/1.1 200"), received[:100]
    count = len(latencies)
    latencies.sort()
    return {
        "p50_ms": round(latencies[count // 2], 1),
        "p99_ms": round(latencies[count * 99 // 100], 1),
        "max_ms": round(latencies[-1], 1),
    }


class FloodingThread:
    """Sends *content* over all *sockets* as fast as possible, until the end of the block."""

    def __init__(self, sockets: list[socket.socket], content: bytes) -> None:
        self._sockets, self._content = list(sockets), content
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_repeatedly)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _send_repeatedly(self) -> None:
        for sock in self._sockets:
            sock.setblocking(False)
        while not self._stop.wait(0.001):
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.send(self._content)


Attack = Callable[[list[socket.socket]], AbstractContextManager[Any]]


def build_attacks(server: ServerUnderAttack) -> dict[str, Attack]:
    """Return the attacks by name. An attack appends its connections to the given list."""

    def open_connections(count: int, request: bytes | None = None) -> Attack:
        def begin(sockets: list[socket.socket]) -> AbstractContextManager[Any]:
            if request is None:
                sockets += [server.connect(shake=False) for _ in range(count)]
            else:
                sockets += server.send_requests(count, request)
            return nullcontext()

        return begin

    def drip(request: bytes, content: bytes, shake: bool = True) -> Attack:
        def begin(sockets: list[socket.socket]) -> AbstractContextManager[Any]:
            sockets += server.send_requests(50, request) if shake else [server.connect(shake=False) for _ in range(50)]
            return ByteDripper(sockets, content, interval_s=1.0)

        return begin

    def flood(sockets: list[socket.socket]) -> AbstractContextManager[Any]:
        sockets += server.send_requests(50, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        return FloodingThread(sockets, b"1\r\nx\r\n" * 1000)

    def stay_idle(sockets: list[socket.socket]) -> AbstractContextManager[Any]:
        sockets += server.send_requests(500, GET)
        for sock in sockets:
            sock.recv(65536)
        return nullcontext()

    return {
        "nothing": open_connections(0),
        "1 silent": open_connections(1),
        "50 silent": open_connections(50),
        "500 silent": open_connections(500),
        **({"50 dripping in the handshake": drip(b"", HELLO, shake=False)} if server.pair else {}),
        "50 dripping in the header": drip(b"GET / HTTP/1.1\r\nX: ", b"x" * 100),
        "50 dripping in the body": drip(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n", b"x" * 100),
        "50 sending tiny chunks": flood,
        "50 slow readers": open_connections(50, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"),
        "500 idle": stay_idle,
    }


def measure_attacks(server: ServerUnderAttack, count: int) -> bool:
    """Measure each attack. Return whether the latency was below the limit in all of them."""
    is_met = True
    for name, begin in build_attacks(server).items():
        sockets: list[socket.socket] = []
        with begin(sockets):
            latencies = measure_polite_client(server, count)
        for sock in sockets:
            sock.close()
        is_met = is_met and latencies["p99_ms"] < MAX_P99_S * 1000
        print_figures("attack", server, name=name, **latencies, mebibytes=round(server.mebibytes))
    return measure_crowd(server, count) and is_met


def measure_crowd(server: ServerUnderAttack, count: int) -> bool:
    """Let 300 clients of another process connect at once. Return whether all were answered and the latency was low."""
    with ProcessPoolExecutor(1) as processes:
        crowd = processes.submit(connect_crowd, server.port, bool(server.pair))
        latencies = measure_polite_client(server, count, crowd.done)
        waits = crowd.result()
    figures = {**latencies, "answered": len(waits), "slowest_of_them_ms": round(max(waits) * 1000)}
    print_figures("attack", server, name="300 at once", **figures)
    return len(waits) == 300 and latencies["p99_ms"] < MAX_P99_S * 1000


def connect_crowd(port: int, secured: bool) -> list[float]:
    """Connect 300 clients at once. Return the seconds until the response of each answered client."""
    waits: list[float] = []
    barrier, context = threading.Barrier(300), trusting_context()

    def send_request() -> None:
        barrier.wait()
        begin = time.perf_counter()
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        with context.wrap_socket(plain) if secured else plain as sock:
            sock.sendall(GET)
            if sock.recv(65536).startswith(b"HTTP/1.1 200"):
                waits.append(time.perf_counter() - begin)

    threads = [threading.Thread(target=send_request) for _ in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def measure_changes(server: ServerUnderAttack, requests: int, clients: int) -> bool:
    """Reload, renew certificates and replace the server under load. Return whether no request failed."""
    rounds = 10
    with Load(server.port, secured=bool(server.pair), clients=clients) as load:
        for number in range(1, rounds + 1):
            load.wait_for(requests * number // rounds)
            if server.pair:
                with tempfile.TemporaryDirectory() as directory:
                    for new, old in zip(write_certificate(Path(directory), "new"), server.pair, strict=True):
                        os.replace(new, old)
            os.kill(server.process.pid, signal.SIGHUP if number % 2 else signal.SIGUSR1)
    print_figures("changes", server, requests=load.outcomes["answered"], clients=clients, failed=load.failures)
    return not load.failures


def measure_restarts(requests: int, clients: int) -> bool:
    """Reload and restart ``metald serve`` on an inherited socket under load. Return whether no request failed."""
    rounds = 3
    with tempfile.TemporaryDirectory() as directory, RestartableService(Path(directory)) as service:
        with Load(service.port, secured=True, clients=clients, path="/v1/nodes?limit=5", patience=60.0) as load:
            changes = service.changes() * rounds
            for number, change in enumerate(changes, 1):
                load.wait_for(requests * number // (len(changes) + 1))
                change()
            load.wait_for(requests)
        stop_seconds = service.stop()
    figures = {"requests": load.outcomes["answered"], "clients": clients, "failed": load.failures, "restarts": rounds}
    print(json.dumps({"what": "restarts", "tls": True, **figures, "stop_seconds": round(stop_seconds, 2)}), flush=True)
    return not load.failures


def measure_stop(server: ServerUnderAttack, clients: int) -> bool:
    """Send SIGTERM under load. Return whether all accepted requests were answered and the exit code is 0."""
    with Load(server.port, secured=bool(server.pair), clients=clients) as load:
        load.wait_for(1000)
        server.process.terminate()
        begin = time.perf_counter()
        code = server.process.wait(60)
        seconds = time.perf_counter() - begin
    # A refused connection is expected after the stop.
    failures = {name: count for name, count in load.failures.items() if "Refused" not in name}
    figures = {"requests": load.outcomes["answered"], "clients": clients, "failed": failures, "exit_code": code}
    print_figures("stop", server, **figures, seconds=round(seconds, 2))
    return not failures and code == 0


def measure_memory(server: ServerUnderAttack, connections: int) -> None:
    """Print the memory of the server before and after *connections* new TLS connections."""
    measure_polite_client(server, 500)
    before = server.mebibytes
    for _ in range(10):
        measure_polite_client(server, connections // 10)
    figures = {"before_mebibytes": round(before, 1), "after_mebibytes": round(server.mebibytes, 1)}
    print_figures("memory", server, connections=connections, **figures)


def print_figures(what: str, server: ServerUnderAttack, **figures: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps({"what": what, "tls": bool(server.pair), **figures}), flush=True)


def main() -> None:
    """Measure without and with TLS. The exit code is 1 if a limit was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_attacks", description="Attack the HTTP server.")
    parser.add_argument("--serve", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--polite", type=int, default=400, help="requests of the well-behaved client per attack (default: 400)")
    parser.add_argument("--requests", type=int, default=10_000, help="requests during changes (default: 10000)")
    parser.add_argument("--clients", type=int, default=64, help="clients during changes (default: 64)")
    parser.add_argument("--tls-connections", type=int, default=10_000, help="connections of the memory test (default: 10000)")
    options = parser.parse_args()
    if options.serve is not None:
        return serve(*options.serve)
    is_met = True
    with tempfile.TemporaryDirectory() as directory:
        for pair in ((), write_certificate(Path(directory), "localhost")):
            with run_server(*pair) as server:
                is_met = measure_attacks(server, options.polite) and is_met
            with run_server(*pair) as server:
                is_met = measure_changes(server, options.requests, options.clients) and is_met
            with run_server("own", *pair) as server:
                is_met = measure_stop(server, options.clients) and is_met
        is_met = measure_restarts(options.requests, options.clients) and is_met
        with run_server(*pair) as server, contextlib.suppress(ssl.SSLError):
            measure_memory(server, options.tls_connections)
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
