"""A BMC that says what a cassette holds, and nothing else."""

from __future__ import annotations

import http.server
import json
import threading
from collections import defaultdict
from typing import Any, Self

from baremetal_interfaces.cassettes.cassette import Cassette, Exchange


class Replay:
    """Serves HTTP at :attr:`url`. A context manager; thread-safe.

    A request is answered by what was recorded for its method and path: the first time by the first such answer, and so on;
    the last one is repeated. What was not recorded is answered with 404 and kept in :attr:`missing`.
    """

    def __init__(self, cassette: Cassette) -> None:
        self.cassette = cassette
        self.missing: list[str] = []
        self._answers: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
        for one in cassette.exchanges:
            self._answers[one.method, one.path].append(one)
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        serving = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="cassette-replay", daemon=True)
        serving.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str) -> Exchange:
        """What is answered next."""
        with self._lock:
            left = self._answers.get((method, path))
            if not left:
                self.missing.append(f"{method} {path}")
                return Exchange(method, path, 404, {"Content-Type": "application/json"}, {"error": {"message": "not recorded"}})
            return left.pop(0) if len(left) > 1 else left[0]


def _handler(replay: Replay) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """One connection of the driver."""

        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = replay.answer(self.command, self.path)
            body = _encoded(found.body)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            if found.status not in (204, 304):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if found.status not in (204, 304):
                self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *given: object) -> None:
            """Nothing."""

    return Handler


def _encoded(body: Any) -> bytes:
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
