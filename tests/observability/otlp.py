"""A receiver of OTLP over HTTP, as a collector has one: it decodes what it is sent."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fixtures import Fixture
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Receiver(Fixture):
    """Listens at ``url``. Where it is *silent* it takes requests and answers none of them before its end."""

    def __init__(self, *, silent: bool = False) -> None:
        super().__init__()
        self._silent = silent
        self._over = threading.Event()
        self._asked = threading.Event()
        self.bodies: list[bytes] = []
        self.resources: list[dict[str, Any]] = []
        self.spans: list[Span] = []

    def _setUp(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver._asked.set()
                if receiver._silent:
                    receiver._over.wait()
                    return
                receiver._take(self.path, self.headers["Content-Type"], body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.addCleanup(self._over.set)

    def _take(self, path: str, content_type: str, body: bytes) -> None:
        assert (path, content_type) == ("/v1/traces", "application/x-protobuf"), (path, content_type)
        request = ExportTraceServiceRequest.FromString(body)
        self.bodies.append(body)
        for resource in request.resource_spans:
            self.resources.append({one.key: one.value.string_value for one in resource.resource.attributes})
            self.spans.extend(span for scope in resource.scope_spans for span in scope.spans)

    def wait_until_asked(self, seconds: float = 20.0) -> None:
        """Return once somebody sent spans."""
        assert self._asked.wait(seconds), f"nothing was sent within {seconds:g} s"

    def named(self, name: str, seconds: float = 20.0) -> Span:
        """The first span of this name, once it has come."""
        patience, end = threading.Event(), time.monotonic() + seconds
        while time.monotonic() < end:
            for span in list(self.spans):
                if span.name == name:
                    return span
            patience.wait(0.05)
        raise AssertionError(f"there is no span {name!r} in {sorted({span.name for span in self.spans})}")


def attributes(span: Span) -> dict[str, Any]:
    """The attributes of a span, by name."""
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}
