"""The client of the demonstration, against answers as they come over the wire."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from testtools import TestCase

from metald.client import APIError, BareMetalClient


class ClientTest(TestCase):
    """What comes back for a refusal, and for no answer at all."""

    def serving(self, status: int, body: str, headers: dict[str, str] | None = None) -> BareMetalClient:
        """A client of a service that always answers like this."""

        class Handler(BaseHTTPRequestHandler):
            """Answers everything alike."""

            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode("utf-8"))

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return BareMetalClient(f"http://127.0.0.1:{server.server_port}")

    def refusal(self, client: BareMetalClient) -> APIError:
        """The error of a request."""
        with self.assertRaises(APIError) as caught:
            client.node("one")
        return caught.exception

    def test_the_sentence_of_a_refusal_is_taken_out_of_its_wrapping(self) -> None:
        """JSON within a string within JSON is what the API answers with."""
        body = json.dumps({"error_message": json.dumps({"faultstring": "no such node", "faultcode": "Client"})})
        error = self.refusal(self.serving(404, body))
        self.assertIn("404 Not Found: no such node", str(error))
        self.assertEqual((404, False), (error.status, error.temporary))

    def test_an_answer_of_another_shape_is_shown_as_it_is(self) -> None:
        """A proxy in between answers in its own way."""
        self.assertIn("<h1>Bad gateway</h1>", str(self.refusal(self.serving(502, "<h1>Bad gateway</h1>"))))
        self.assertIn('{"error": 1}', str(self.refusal(self.serving(400, '{"error": 1}'))))

    def test_a_node_that_is_locked_can_be_asked_again(self) -> None:
        """409 and 503 are temporary, and the answer says when to come back."""
        error = self.refusal(self.serving(409, "", {"Retry-After": "3"}))
        self.assertEqual((True, 3.0), (error.temporary, error.retry_after))
        self.assertEqual((True, None), (self.refusal(self.serving(503, "")).temporary, None))

    def test_nobody_there_is_an_error_of_its_own(self) -> None:
        """Whoever asks a closed port is told so."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            error = self.refusal(BareMetalClient(f"http://127.0.0.1:{probe.getsockname()[1]}"))
        self.assertIn("no answer", str(error))
        self.assertIsNone(error.status)

    def test_an_endpoint_that_it_cannot_speak_to_is_refused(self) -> None:
        """The demonstration's client speaks plain HTTP."""
        for url in ("https://127.0.0.1", "127.0.0.1:6385", "ftp://127.0.0.1"):
            self.assertRaises(ValueError, BareMetalClient, url)
