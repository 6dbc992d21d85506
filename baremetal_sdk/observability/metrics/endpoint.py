"""WSGI application that serves ``/metrics`` in the formats of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATH = "/metrics"


class MetricsEndpoint:
    """WSGI application for ``GET /metrics``. *registry* is a ``CollectorRegistry``.

    The client's header ``Accept`` selects the format.
    """

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request: with all metrics, with 404 for other paths, or with 405 for methods other than GET and HEAD."""
        if environ.get("PATH_INFO", "").rstrip("/") != PATH:
            return _reject(start_response, "404 Not Found", f"not found: this server has only {PATH}")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _reject(
                start_response, "405 Method Not Allowed", "method not allowed: use GET or HEAD", ("Allow", "GET, HEAD")
            )
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(environ.get("HTTP_ACCEPT", ""))
        content: bytes = encode(self._registry)
        start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(content)))])
        return [content if environ["REQUEST_METHOD"] == "GET" else b""]


def _reject(start_response: StartResponse, status: str, reason: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    content = f"{reason}\n".encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(content))), *headers])
    return [content]
