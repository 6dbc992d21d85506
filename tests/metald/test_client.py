"""The API client of metald, against real HTTP responses."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from testtools import TestCase

from metald.client import APIError, BareMetalClient


class ClientTest(TestCase):
    """Errors of rejected requests and of missing responses."""

    def create_client(self, status: int, body: str, headers: dict[str, str] | None = None) -> BareMetalClient:
        """Return a client of a server that gives the same response to every request."""

        class Handler(BaseHTTPRequestHandler):
            """Answers every request alike."""

            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode("utf-8"))

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return BareMetalClient(f"http://127.0.0.1:{server.server_port}")

    def get_error(self, client: BareMetalClient) -> APIError:
        """Return the error of a request."""
        with self.assertRaises(APIError) as caught:
            client.get_node("one")
        return caught.exception

    def test_the_message_is_extracted_from_the_error_body(self) -> None:
        """The error body of the API is JSON that contains the fault as a JSON string."""
        body = json.dumps({"error_message": json.dumps({"faultstring": "no such node", "faultcode": "Client"})})
        error = self.get_error(self.create_client(404, body))
        self.assertIn("404 Not Found: no such node", str(error))
        self.assertEqual(404, error.status)
        self.assertFalse(error.is_temporary)

    def test_an_unknown_error_body_is_shown_unchanged(self) -> None:
        """A proxy in front of the API has different error bodies."""
        self.assertIn("<h1>Bad gateway</h1>", str(self.get_error(self.create_client(502, "<h1>Bad gateway</h1>"))))
        self.assertIn('{"error": 1}', str(self.get_error(self.create_client(400, '{"error": 1}'))))

    def test_a_locked_node_is_a_temporary_error(self) -> None:
        """The statuses 409 and 503 are temporary, and ``Retry-After`` sets the pause."""
        error = self.get_error(self.create_client(409, "", {"Retry-After": "3"}))
        self.assertTrue(error.is_temporary)
        self.assertEqual(3.0, error.retry_after)
        error = self.get_error(self.create_client(503, ""))
        self.assertTrue(error.is_temporary)
        self.assertIsNone(error.retry_after)

    def test_a_closed_port_is_an_error_without_status(self) -> None:
        """The error of a request without response has no HTTP status."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            error = self.get_error(BareMetalClient(f"http://127.0.0.1:{probe.getsockname()[1]}"))
        self.assertIn("no answer", str(error))
        self.assertIsNone(error.status)

    def test_only_http_urls_are_accepted(self) -> None:
        """The client supports plain HTTP only."""
        for url in ("https://127.0.0.1", "127.0.0.1:6385", "ftp://127.0.0.1"):
            self.assertRaises(ValueError, BareMetalClient, url)
