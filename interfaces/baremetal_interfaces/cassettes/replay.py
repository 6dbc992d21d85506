"""A BMC that says what a cassette holds, and nothing else."""

from __future__ import annotations

import http.server
import json
import threading
from collections import Counter
from typing import Any, Self

from baremetal_interfaces.cassettes.cassette import Cassette, Exchange
from baremetal_interfaces.cassettes.recorder import decoded


class Replay:
    """Serves HTTP at :attr:`url`. A context manager; thread-safe.

    A cassette is a story: a request that changes something leads to the place where the same was sent, and what is read
    afterwards is what was read there. Within one such chapter the first request for a path is answered by the first answer,
    and so on; the last one is repeated. What a chapter does not have is answered by the nearest one before it that does.
    What was not recorded, or was sent otherwise, is answered with 404 and kept in :attr:`missing`.
    """

    def __init__(self, cassette: Cassette) -> None:
        self.cassette = cassette
        self.missing: list[str] = []
        self._place = 0
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
        """What is answered next."""
        asked = Exchange(method, path, 404, {"Content-Type": "application/json"}, {"error": {"message": "not recorded"}}, sent)
        with self._lock:
            found = self._changed(asked) if asked.changes else self._told(asked)
            if found is None:
                self.missing.append(f"{method} {path}" + (f" {json.dumps(sent)}" if sent is not None else ""))
            return found or asked

    def _changed(self, asked: Exchange) -> Exchange | None:
        """The next place where the same was sent: the story goes on there. It does not go back for one that lies behind."""
        same = [at for at, one in enumerate(self.cassette.exchanges) if _is_same(one, asked)]
        if not same:
            return None
        at = next((one for one in same if one >= self._place), None)
        if at is not None:
            self._place = at + 1
        return self.cassette.exchanges[same[0] if at is None else at]

    def _told(self, asked: Exchange) -> Exchange | None:
        """What was read in this chapter, or else in the nearest one before it, or after it."""
        chapters = self._chapters()
        here = sum(1 for start in chapters if start <= self._place) - 1
        for number in (*range(here, -1, -1), *range(here + 1, len(chapters))):
            end = chapters[number + 1] if number + 1 < len(chapters) else len(self.cassette.exchanges)
            told = [one for one in self.cassette.exchanges[chapters[number] : end] if _is_same(one, asked)]
            if told:
                key = (number, asked.method, asked.path)
                self._read[key] += 1
                return told[min(self._read[key], len(told)) - 1]
        return None

    def _chapters(self) -> list[int]:
        """Where each begins: at the start, and after each change."""
        return [0, *(at + 1 for at, one in enumerate(self.cassette.exchanges) if one.changes)]


def _is_same(recorded: Exchange, asked: Exchange) -> bool:
    return (recorded.method, recorded.path, recorded.sent) == (asked.method, asked.path, asked.sent)


def _handler(replay: Replay) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """One connection of the driver."""

        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = replay.answer(self.command, self.path, decoded(sent))
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
