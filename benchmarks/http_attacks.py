"""What a polite client waits for while others attack, and what stops, reloads and replacements cost.

Run it as ``python -m benchmarks.http_attacks``. The server is in a process of its own. Each line of JSON is one attack; the
99th percentile is to be below 250 ms.
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

from tests.fixtures.authority import write_certificate
from tests.fixtures.http_clients import HELLO, Dripping, trusting_context
from tests.fixtures.restarting_service import Restarted
from tests.http.test_stopping import Load

GET = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
LIMIT = 0.25
LARGE = bytes(3_000_000)


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The path, or a large answer."""
    content = LARGE if environ["PATH_INFO"] == "/large" else environ["PATH_INFO"].encode("latin-1")
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]


def serve(*pair: str) -> None:
    """Serve on a socket that is handed on, or with ``own`` on one of the server's own.

    SIGHUP reads the certificate again, SIGUSR1 has another server take over, SIGTERM stops.
    """
    from baremetal_interfaces import Deadline
    from baremetal_sdk.config import APIConfig
    from baremetal_sdk.http import HTTPServer, listen

    own, pair = pair[:1] == ("own",), tuple(one for one in pair if one != "own")
    cert, key = pair or (None, None)
    config = APIConfig(port=0, enable_ssl_api=cert is not None, cert_file=cert, key_file=key)
    orders = {signal.SIGHUP: 0, signal.SIGUSR1: 0, signal.SIGTERM: 0}
    signal.pthread_sigmask(signal.SIG_BLOCK, orders)
    with listen(config) as listeners:
        server = HTTPServer(application, config, None if own else listeners)
        server.start()
        print(server.port, flush=True)
        while (order := signal.sigwait(orders)) is not signal.SIGTERM:
            if order is signal.SIGHUP:
                server.reload(config)
                continue
            following = HTTPServer(application, config, listeners)
            following.start()
            server.stop(Deadline.after(30))
            server = following
        ended = server.stop(Deadline.after(30))
    sys.exit(0 if ended else 1)


class Target:
    """The server under attack."""

    def __init__(self, process: subprocess.Popen[str], pair: tuple[str, ...]) -> None:
        assert process.stdout is not None
        self.process = process
        self.port = int(process.stdout.readline())
        self.pair = pair
        self.context = trusting_context()

    def connect(self, shake: bool = True) -> socket.socket:
        """A connection, secured where the server is."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.context.wrap_socket(sock) if self.pair and shake else sock

    def asked(self, count: int, request: bytes) -> list[socket.socket]:
        """Connections with a request."""
        found = [self.connect() for _ in range(count)]
        for sock in found:
            sock.sendall(request)
        return found

    @property
    def mebibytes(self) -> float:
        """Memory that the server holds."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


@contextmanager
def target(*pair: str) -> Iterator[Target]:
    """A server, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.http_attacks", "--serve", *pair]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Target(process, tuple(one for one in pair if one != "own"))
        finally:
            process.terminate()


def polite(to: Target, count: int, until: Callable[[], bool] = lambda: True) -> dict[str, float]:
    """Milliseconds that requests took, over a new connection each: so many of them at least, and more *until* something is so."""
    found: list[float] = []
    while len(found) < count or not until():
        began = time.perf_counter()
        with to.connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = b""
            while data := sock.recv(65536):
                received += data
        found.append((time.perf_counter() - began) * 1000)
        assert received.startswith(b"HTTP/1.1 200"), received[:100]
    count = len(found)
    found.sort()
    return {"p50_ms": round(found[count // 2], 1), "p99_ms": round(found[count * 99 // 100], 1), "max_ms": round(found[-1], 1)}


class Flooding:
    """Sends *content* over all of *sockets* as fast as they take it, again and again until it is left."""

    def __init__(self, sockets: list[socket.socket], content: bytes) -> None:
        self._sockets, self._content = list(sockets), content
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._flood)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _flood(self) -> None:
        for sock in self._sockets:
            sock.setblocking(False)
        while not self._left.wait(0.001):
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.send(self._content)


Attack = Callable[[list[socket.socket]], AbstractContextManager[Any]]


def attacks(to: Target) -> dict[str, Attack]:
    """What is done to the server, by name; connections go into the list."""

    def opened(count: int, request: bytes | None = None) -> Attack:
        def begin(sockets: list[socket.socket]) -> AbstractContextManager[Any]:
            made = [to.connect(shake=False) for _ in range(count)] if request is None else to.asked(count, request)
            sockets += made
            return nullcontext()

        return begin

    def dripping(request: bytes, content: bytes, shake: bool = True) -> Attack:
        def begin(sockets: list[socket.socket]) -> AbstractContextManager[Any]:
            sockets += to.asked(50, request) if shake else [to.connect(shake=False) for _ in range(50)]
            return Dripping(sockets, content, every=1.0)

        return begin

    def flooding(sockets: list[socket.socket]) -> AbstractContextManager[Any]:
        sockets += to.asked(50, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        return Flooding(sockets, b"1\r\nx\r\n" * 1000)

    def idle(sockets: list[socket.socket]) -> AbstractContextManager[Any]:
        sockets += to.asked(500, GET)
        for sock in sockets:
            sock.recv(65536)
        return nullcontext()

    return {
        "nothing": opened(0),
        "1 silent": opened(1),
        "50 silent": opened(50),
        "500 silent": opened(500),
        **({"50 dripping in the handshake": dripping(b"", HELLO, shake=False)} if to.pair else {}),
        "50 dripping in the header": dripping(b"GET / HTTP/1.1\r\nX: ", b"x" * 100),
        "50 dripping in the body": dripping(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n", b"x" * 100),
        "50 sending tiny chunks": flooding,
        "50 slow readers": opened(50, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"),
        "500 idle": idle,
    }


def measure_attacks(to: Target, count: int) -> bool:
    """Measure each attack; tell whether all were borne."""
    borne = True
    for name, begin in attacks(to).items():
        sockets: list[socket.socket] = []
        with begin(sockets):
            found = polite(to, count)
        for sock in sockets:
            sock.close()
        borne = borne and found["p99_ms"] < LIMIT * 1000
        tell("attack", to, name=name, **found, mebibytes=round(to.mebibytes))
    return measure_crowd(to, count) and borne


def measure_crowd(to: Target, count: int) -> bool:
    """Three hundred clients that connect at the same moment, in a process of their own, and a polite one meanwhile."""
    with ProcessPoolExecutor(1) as elsewhere:
        coming = elsewhere.submit(crowd, to.port, bool(to.pair))
        found = polite(to, count, coming.done)
        waits = coming.result()
    tell("attack", to, name="300 at once", **found, answered=len(waits), slowest_of_them_ms=round(max(waits) * 1000))
    return len(waits) == 300 and found["p99_ms"] < LIMIT * 1000


def crowd(port: int, secured: bool) -> list[float]:
    """Seconds that each of three hundred clients waited for its answer."""
    waits: list[float] = []
    barrier, context = threading.Barrier(300), trusting_context()

    def come() -> None:
        barrier.wait()
        began = time.perf_counter()
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        with context.wrap_socket(plain) if secured else plain as sock:
            sock.sendall(GET)
            if sock.recv(65536).startswith(b"HTTP/1.1 200"):
                waits.append(time.perf_counter() - began)

    threads = [threading.Thread(target=come) for _ in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def measure_changes(to: Target, requests: int, clients: int) -> bool:
    """Reloads, new certificates and replacements under load, and SIGTERM at its end: which requests failed."""
    turns = 10
    with Load(to.port, secured=bool(to.pair), clients=clients) as load:
        for turn in range(1, turns + 1):
            load.reach(requests * turn // turns)
            if to.pair:
                with tempfile.TemporaryDirectory() as directory:
                    for new, old in zip(write_certificate(Path(directory), "new"), to.pair, strict=True):
                        os.replace(new, old)
            os.kill(to.process.pid, signal.SIGHUP if turn % 2 else signal.SIGUSR1)
    tell("changes", to, requests=load.outcomes["answered"], clients=clients, failed=load.failures)
    return not load.failures


def measure_restarts(requests: int, clients: int) -> bool:
    """``metald serve`` on a socket that is handed on: reloads, new certificates, restarts under load, and SIGTERM at the end."""
    turns = 3
    with tempfile.TemporaryDirectory() as directory, Restarted(Path(directory)) as service:
        with Load(service.port, secured=True, clients=clients, path="/v1/nodes?limit=5", patience=60.0) as load:
            changes = service.changes() * turns
            for turn, change in enumerate(changes, 1):
                load.reach(requests * turn // (len(changes) + 1))
                change()
            load.reach(requests)
        took = service.stop()
    figures = {"requests": load.outcomes["answered"], "clients": clients, "failed": load.failures, "restarts": turns}
    print(json.dumps({"what": "restarts", "tls": True, **figures, "stop_seconds": round(took, 2)}), flush=True)
    return not load.failures


def measure_stop(to: Target, clients: int) -> bool:
    """SIGTERM under load: whoever was let in is answered, and later ones find no port."""
    with Load(to.port, secured=bool(to.pair), clients=clients) as load:
        load.reach(1000)
        to.process.terminate()
        began = time.perf_counter()
        code = to.process.wait(60)
        took = time.perf_counter() - began
    others = {name: count for name, count in load.failures.items() if "Refused" not in name}
    tell("stop", to, requests=load.outcomes["answered"], clients=clients, failed=others, exit_code=code, seconds=round(took, 2))
    return not others and code == 0


def measure_memory(to: Target, connections: int) -> None:
    """What the server holds before and after so many TLS connections, each new."""
    polite(to, 500)
    before = to.mebibytes
    for _ in range(10):
        polite(to, connections // 10)
    tell("memory", to, connections=connections, before_mebibytes=round(before, 1), after_mebibytes=round(to.mebibytes, 1))


def tell(what: str, to: Target, **figures: Any) -> None:
    """Print a line."""
    print(json.dumps({"what": what, "tls": bool(to.pair), **figures}), flush=True)


def main() -> None:
    """Measure, without and with TLS; the exit code is 1 where something was not borne."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_attacks", description="Attack the HTTP server.")
    parser.add_argument("--serve", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--polite", type=int, default=400, help="requests of the polite client in each attack (default: 400)")
    parser.add_argument("--requests", type=int, default=10_000, help="requests under changes (default: 10000)")
    parser.add_argument("--clients", type=int, default=64, help="clients under changes (default: 64)")
    parser.add_argument("--tls-connections", type=int, default=10_000, help="connections for memory (default: 10000)")
    given = parser.parse_args()
    if given.serve is not None:
        return serve(*given.serve)
    borne = True
    with tempfile.TemporaryDirectory() as directory:
        for pair in ((), write_certificate(Path(directory), "localhost")):
            with target(*pair) as to:
                borne = measure_attacks(to, given.polite) and borne
            with target(*pair) as to:
                borne = measure_changes(to, given.requests, given.clients) and borne
            with target("own", *pair) as to:
                borne = measure_stop(to, given.clients) and borne
        borne = measure_restarts(given.requests, given.clients) and borne
        with target(*pair) as to, contextlib.suppress(ssl.SSLError):
            measure_memory(to, given.tls_connections)
    sys.exit(0 if borne else 1)


if __name__ == "__main__":
    main()
