"""Stands between a driver and its BMC, on loopback, and keeps what is said."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any, Self
from urllib.parse import urlsplit

from baremetal_interfaces.cassettes.cassette import Exchange
from baremetal_interfaces.cassettes.redaction import Redaction
from baremetal_interfaces.connector import TLSOptions
from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.http import HTTPSession, HTTPSessionError, tls_context

REQUEST_SECONDS = 60.0
_KEPT = ("content-type", "location", "x-auth-token", "etag", "retry-after", "allow")
_FORWARDED = ("content-type", "accept", "x-auth-token", "authorization", "if-match", "odata-version")


class Recorder:
    """Serves HTTP at :attr:`url` and passes every request on to the BMC at *target*. A context manager; thread-safe.

    *redaction* is applied to everything before it is kept: nothing that identifies ever stands in :attr:`exchanges`.
    """

    def __init__(self, target: str, redaction: Redaction, tls: TLSOptions | None = None) -> None:
        parts = urlsplit(target)
        context = tls_context(tls or TLSOptions()) if parts.scheme == "https" else None
        self._bmc = HTTPSession(parts.scheme, parts.hostname or "", parts.port, tls=context)
        self._redaction = redaction
        self._lock = threading.Lock()
        self.exchanges: list[Exchange] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        serving = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="cassette-recorder", daemon=True)
        serving.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._bmc.close()

    def exchange(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Pass one request on, keep what was answered, and give it back."""
        sent = {name: value for name, value in headers.items() if name.lower() in _FORWARDED}
        limit = Deadline.after(REQUEST_SECONDS)
        answer = self._bmc.request(method, path, body=body or None, headers=sent, deadline=limit)
        kept = {name: value for name, value in answer.headers.items() if name.lower() in _KEPT}
        one = Exchange(method, path, answer.status, kept, decoded(answer.body), decoded(body))
        with self._lock:
            self.exchanges.append(self._redacted(one))
        return answer.status, kept, answer.body

    def _redacted(self, one: Exchange) -> Exchange:
        redaction = self._redaction
        shown = {name: redaction.text(value) for name, value in one.headers.items()}
        shown |= {name: "redacted" for name in one.headers if name.lower() == "x-auth-token"}
        return Exchange(
            one.method, redaction.text(one.path), one.status, shown, redaction.value(one.body), redaction.value(one.sent)
        )


def decoded(body: bytes) -> Any:
    """A body as a JSON value, or a text where it is none; None where it is empty."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode("utf-8", "replace")


def _handler(recorder: Recorder) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """One connection of the driver."""

        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, headers, answer = recorder.exchange(self.command, self.path, self.headers, body)
            except HTTPSessionError as exc:
                status, headers, answer = 502, {"Content-Type": "text/plain"}, str(exc).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status not in (204, 304):
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if status not in (204, 304):
                self.wfile.write(answer)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on

        def log_message(self, format: str, *given: object) -> None:
            """Nothing: what is of interest is on the cassette."""

    return Handler
