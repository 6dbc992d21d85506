"""A server that replays a cassette in place of a BMC."""

from __future__ import annotations

import http.server
import json
import threading
from collections import Counter
from typing import Any, Self

from baremetal_interfaces.cassettes.cassette import Cassette, Exchange
from baremetal_interfaces.cassettes.recorder import decode


class Replay:
    """Context manager that serves the responses of *cassette* at :attr:`url`. Thread-safe.

    Requests that change the BMC divide the cassette into sections. Such a request moves the position to the next equal request
    of the recording, and later reads are answered from the section that follows it. Within a section, repeated reads of a
    path get the recorded responses in order; the last one repeats. A read without a response in the current section is
    answered from the nearest earlier section that has one, else from the nearest later one. A request that was not recorded,
    or has another body, gets status 404 and is listed in :attr:`missing`.
    """

    def __init__(self, cassette: Cassette) -> None:
        self.cassette = cassette
        self.missing: list[str] = []
        self._position = 0
        self._read: Counter[tuple[int, str, str]] = Counter()
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

    def answer(self, method: str, path: str, sent: Any = None) -> Exchange:
        """Return the exchange that answers a request with the body *sent*."""
        asked = Exchange(method, path, 404, {"Content-Type": "application/json"}, {"error": {"message": "not recorded"}}, sent)
        with self._lock:
            found = self._find_change(asked) if asked.changes else self._find_read(asked)
            if found is None:
                self.missing.append(f"{method} {path}" + (f" {json.dumps(sent)}" if sent is not None else ""))
            return found or asked

    def _find_change(self, asked: Exchange) -> Exchange | None:
        """Return the next equal request of the recording and move the position behind it.

        If only earlier requests are equal, the first of them answers and the position stays.
        """
        same = [at for at, exchange in enumerate(self.cassette.exchanges) if _is_same(exchange, asked)]
        if not same:
            return None
        at = next((index for index in same if index >= self._position), None)
        if at is not None:
            self._position = at + 1
        return self.cassette.exchanges[same[0] if at is None else at]

    def _find_read(self, asked: Exchange) -> Exchange | None:
        """Return the next response for a read: from the current section, an earlier one, or a later one."""
        sections = self._section_starts()
        here = sum(1 for start in sections if start <= self._position) - 1
        for number in (*range(here, -1, -1), *range(here + 1, len(sections))):
            end = sections[number + 1] if number + 1 < len(sections) else len(self.cassette.exchanges)
            answers = [exchange for exchange in self.cassette.exchanges[sections[number] : end] if _is_same(exchange, asked)]
            if answers:
                key = (number, asked.method, asked.path)
                self._read[key] += 1
                return answers[min(self._read[key], len(answers)) - 1]
        return None

    def _section_starts(self) -> list[int]:
        """Return the index at which each section starts: 0, and after each request that changes the BMC."""
        return [0, *(at + 1 for at, exchange in enumerate(self.cassette.exchanges) if exchange.changes)]


def _is_same(recorded: Exchange, asked: Exchange) -> bool:
    return (recorded.method, recorded.path, recorded.sent) == (asked.method, asked.path, asked.sent)


def _handler(replay: Replay) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """HTTP handler of one connection of the driver. It answers each request from the cassette."""

        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = replay.answer(self.command, self.path, decode(sent))
            body = _encode(found.body)
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
            """Log nothing: :attr:`Replay.missing` lists the unexpected requests."""

    return Handler


def _encode(body: Any) -> bytes:
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
