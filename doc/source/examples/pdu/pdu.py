"""A simulated PDU with an HTTP API for the tutorial. Requests with a token switch its outlets."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any, Self


class PDU:
    """Serves the API on a free port of loopback, as a context manager. *outlets* is the number of outlets.

    ``GET /outlets/N`` answers ``{"outlet": N, "state": "on"}``, and ``PUT /outlets/N`` accepts ``{"state": "off"}``. Both
    require the header ``X-PDU-Token``. An outlet in *stuck* accepts commands and does not change.
    """

    def __init__(self, token: str, outlets: int = 4) -> None:
        self.token = token
        self.on = dict.fromkeys(range(1, outlets + 1), False)
        self.stuck: set[int] = set()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, token: str | None, body: Any) -> tuple[int, Any]:
        """Return the status and the JSON value for one request."""
        if token != self.token:
            return 401, {"error": "the token is wrong"}
        number = path.removeprefix("/outlets/")
        if not number.isdigit() or int(number) not in self.on:
            return 404, {"error": "outlet not found"}
        outlet = int(number)
        if method == "PUT" and outlet not in self.stuck:
            self.on[outlet] = body["state"] == "on"
        return 200, {"outlet": outlet, "state": "on" if self.on[outlet] else "off"}


def _handler(pdu: PDU) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, value = pdu.answer(self.command, self.path, self.headers.get("X-PDU-Token"), json.loads(raw or b"null"))
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = _answer

        def log_message(self, format: str, *given: object) -> None:
            pass

    return Handler
