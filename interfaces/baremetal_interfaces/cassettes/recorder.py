"""A proxy between a driver and its BMC that records the traffic."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import replace
from typing import Any, Self

from baremetal_interfaces.addresses import get_host_port, split_url
from baremetal_interfaces.cassettes.cassette import Exchange
from baremetal_interfaces.cassettes.redaction import Redaction
from baremetal_interfaces.connector import TLSOptions
from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.http import HTTPSession, HTTPSessionError, tls_context

REQUEST_TIMEOUT_S = 60.0
"""Deadline of a forwarded request, in seconds."""

_RESPONSE_HEADERS = ("content-type", "location", "x-auth-token", "etag", "retry-after", "allow")
_REQUEST_HEADERS = ("content-type", "accept", "x-auth-token", "authorization", "if-match", "odata-version")


class Recorder:
    """Context manager that serves HTTP at :attr:`url` and forwards all requests to the BMC at *target*. Thread-safe.

    *target* is a URL and *tls* the options for https. :attr:`exchanges` holds the recorded traffic. *redaction* is applied
    before anything is recorded, so :attr:`exchanges` never contains identifying data.
    """

    def __init__(self, target: str, redaction: Redaction, tls: TLSOptions | None = None) -> None:
        parts = split_url(target)
        host, port = get_host_port(parts)
        context = tls_context(tls or TLSOptions()) if parts.scheme == "https" else None
        self._bmc = HTTPSession(parts.scheme, host, port, tls=context)
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
        """Forward one request to the BMC, record the redacted exchange, and return the response: status, headers and body.

        Only the headers that drivers and BMCs need are forwarded. Raises ``HTTPSessionError`` if the BMC sends no response.
        """
        sent = {name: value for name, value in headers.items() if name.lower() in _REQUEST_HEADERS}
        limit = Deadline.after(REQUEST_TIMEOUT_S)
        answer = self._bmc.request(method, path, body=body or None, headers=sent, deadline=limit)
        response_headers = {name: value for name, value in answer.headers.items() if name.lower() in _RESPONSE_HEADERS}
        exchange = Exchange(method, path, answer.status, response_headers, decode(answer.body), decode(body))
        with self._lock:
            self.exchanges.append(self._redact(exchange))
        return answer.status, response_headers, answer.body

    def _redact(self, exchange: Exchange) -> Exchange:
        redaction = self._redaction
        headers = {name: redaction.text(value) for name, value in exchange.headers.items()}
        headers |= {name: "redacted" for name in exchange.headers if name.lower() == "x-auth-token"}
        return replace(
            exchange,
            path=redaction.text(exchange.path),
            headers=headers,
            body=redaction.value(exchange.body),
            sent=redaction.value(exchange.sent),
        )


def decode(body: bytes) -> Any:
    """Return a body as a JSON value, as a text if it is not JSON, or None if it is empty."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode("utf-8", "replace")


def _handler(recorder: Recorder) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """HTTP handler of one connection of the driver. It forwards each request through *recorder*."""

        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
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

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _forward

        def log_message(self, format: str, *given: object) -> None:
            """Log nothing: the cassette contains the traffic."""

    return Handler
