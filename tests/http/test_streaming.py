"""Streaming responses: one thread sends many of them, whatever their clients do."""

from __future__ import annotations

import dataclasses
import socket
import struct
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fixtures import FakeLogger, TempDir

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig
from baremetal_sdk.http import HTTPServer
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.loop import EventLoop
from baremetal_sdk.http.sockets import ListeningSocket
from baremetal_sdk.http.streaming import CLIENT_LEFT, ENDED, SLOW, STOPPED, TOO_OLD, StreamingResponse, StreamWriter
from baremetal_sdk.http.streams import ResponseStream, StreamSender
from tests.fixtures.certificates import write_certificate
from tests.fixtures.http_clients import connect_securely
from tests.fixtures.sockets import PATIENCE, Client, ServerTestCase, SmallApplication

REQUEST = b"GET /push HTTP/1.1\r\nHost: x\r\n\r\n"
END = b"0\r\n\r\n"


class RecordingResponse(StreamingResponse):
    """Lets a test push chunks and records the end."""

    def __init__(self, max_age_s: float) -> None:
        self.max_age_s = max_age_s
        self.writer: StreamWriter | None = None
        self.has_started = threading.Event()
        self.has_ended = threading.Event()
        self.reasons: list[str] = []
        self.is_failing = False

    def on_start(self, writer: StreamWriter) -> None:
        self.writer = writer
        self.has_started.set()

    def on_end(self, reason: str) -> None:
        self.reasons.append(reason)
        self.has_ended.set()
        if self.is_failing:
            raise ValueError("the application fails at the end")


class PushingApplication(SmallApplication):
    """Answers ``/push`` with a response that a test fills."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[RecordingResponse] = []
        self.max_age_s = 60.0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        if environ["PATH_INFO"] != "/push":
            return super().__call__(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/plain")])
        self.answers.append(RecordingResponse(self.max_age_s))
        return self.answers[-1]


def _reset(client: Client, _: ResponseStream) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


class TestStreaming(ServerTestCase):
    config = APIConfig(port=0, min_threads=1, max_threads=1, slow_client_grace_period=0.5, min_transfer_rate=1)

    def setUp(self) -> None:
        super().setUp()
        self.app = self.pushing = PushingApplication()
        self.server = self.serve(self.config)

    def client(self, server: HTTPServer | None = None) -> Client:
        """Return a new connection, with TLS if the server uses it."""
        client = super().client(server)
        client.socket = connect_securely(server or self.server)
        self.addCleanup(client.close)
        return client

    def answer(self, client: Client, request: bytes = REQUEST) -> RecordingResponse:
        """Send a request, read the head of the response, and return the response when it has started."""
        count = len(self.pushing.answers)
        client.send(request)
        self.receive_until(client, b"\r\n\r\n")
        answer = self.pushing.answers[count]
        self.assertTrue(answer.has_started.wait(PATIENCE))
        return answer

    def receive_until(self, client: Client, end: bytes) -> bytes:
        """Return the input up to *end*."""
        read = b""
        while not read.endswith(end):
            more = client.socket.recv(65536)
            if not more:
                self.fail(f"the connection ended after {read!r}")
            read += more
        return read

    def assert_ended(self, answer: RecordingResponse, reason: str) -> None:
        """Check that the application was notified of the end once, with *reason*."""
        self.assertTrue(answer.has_ended.wait(PATIENCE))
        self.assertEqual([reason], answer.reasons)

    def test_streams_hold_no_worker(self) -> None:
        """With one worker, a hundred streams get their chunks and other requests are served."""
        clients = [self.client() for _ in range(100)]
        answers = [self.answer(client) for client in clients]
        self.assert_serves()
        for number, answer in enumerate(answers):
            assert answer.writer is not None
            answer.writer.push(b"piece %d." % number)
            answer.writer.push(b"")
        for number, client in enumerate(clients):
            self.assertEqual(b"%x\r\npiece %d.\r\n" % (len(b"piece %d." % number), number), self.receive_until(client, b".\r\n"))
        assert answers[0].writer is not None
        answers[0].writer.push(b"last")
        answers[0].writer.end()
        self.assertEqual(b"4\r\nlast\r\n" + END, clients[0].rest())

    def test_streams_end_when_the_server_stops(self) -> None:
        """Each stream ends with a proper last chunk, after the chunks that were pushed before."""
        clients = [self.client() for _ in range(5)]
        answers = [self.answer(client) for client in clients]
        for answer in answers:
            assert answer.writer is not None
            answer.writer.push(b"more")
        self.assertTrue(self.server.stop(Deadline.after(PATIENCE)))
        for client, answer in zip(clients, answers, strict=True):
            self.assertEqual(b"4\r\nmore\r\n" + END, client.rest())
            self.assert_ended(answer, STOPPED)

    def test_streams_end_at_their_maximum_age(self) -> None:
        """The response ends with a proper last chunk, so the client sees that it is complete."""
        self.pushing.max_age_s = 1.0
        client = self.client()
        answer = self.answer(client)
        self.assertEqual(END, client.rest())
        self.assert_ended(answer, TOO_OLD)

    def test_a_client_that_leaves_is_noticed(self) -> None:
        """The server notices this without sending a chunk."""
        client = self.client()
        answer = self.answer(client)
        client.close()
        self.assert_ended(answer, CLIENT_LEFT)

    def test_a_client_that_does_not_read_is_disconnected(self) -> None:
        """The number of waiting bytes is limited. Other streams get their chunks meanwhile."""
        slow, quick = self.client(), self.client()
        unread, read = self.answer(slow), self.answer(quick)
        assert unread.writer is not None and read.writer is not None
        piece = bytes(1 << 20)
        for _ in range(16):
            unread.writer.push(piece)
        self.assert_ended(unread, SLOW)
        read.writer.push(b"here")
        self.assertEqual(b"4\r\nhere\r\n", self.receive_until(quick, b"here\r\n"))

    def test_chunks_after_the_end_are_dropped(self) -> None:
        """The application does not need to know that the client has just left."""
        client = self.client()
        answer = self.answer(client)
        client.close()
        self.assert_ended(answer, CLIENT_LEFT)
        assert answer.writer is not None
        answer.writer.push(b"late")
        answer.writer.end()
        self.assert_serves()

    def test_a_connection_that_is_returned_twice_is_served_once(self) -> None:
        """The workers of the handshake and of the first request may return a connection in short succession."""
        answer = RecordingResponse(60.0)

        def serve(conn: Connection) -> None:
            conn.stream = ResponseStream(conn, answer, chunked=False)
            for _ in range(2):
                loop.resume(conn, ConnectionState.DETACHING, PATIENCE)

        limits, sock = HTTPLimits(), socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        streams = StreamSender(limits)
        loop = EventLoop(
            [ListeningSocket(sock, "127.0.0.1", sock.getsockname()[1])],
            limits,
            serve=serve,
            shake=None,
            streams=streams,
            budget=BodyBudget(1024),
        )
        thread = threading.Thread(target=loop.run)
        thread.start()
        for cleanup in (thread.join, loop.cut, streams.stop):
            self.addCleanup(cleanup)
        with socket.create_connection(sock.getsockname()) as client:
            client.sendall(REQUEST)
            self.assertTrue(answer.has_started.wait(PATIENCE))
            assert answer.writer is not None
            answer.writer.push(b"piece")
            self.assertEqual(b"piece", client.recv(100))

    def test_http_1_0_has_no_chunks(self) -> None:
        """A client with HTTP/1.0 reads until the connection ends."""
        client = self.client()
        answer = self.answer(client, b"GET /push HTTP/1.0\r\n\r\n")
        assert answer.writer is not None
        answer.writer.push(b"piece")
        answer.writer.end()
        self.assertEqual(b"piece", client.rest())

    def test_a_head_request_has_no_stream(self) -> None:
        """The response to HEAD has no body, and the application learns that no client listens."""
        client = self.client()
        answered = client.send(REQUEST.replace(b"GET", b"HEAD")).answer()
        self.assertIn(b"200 OK", answered)
        self.assert_ended(self.pushing.answers[0], CLIENT_LEFT)

    def test_other_wsgi_servers_can_iterate_over_a_response(self) -> None:
        """The response is an iterable that waits for chunks."""
        answer = RecordingResponse(60.0)
        pieces = iter(answer)
        threading.Thread(
            target=lambda: (answer.has_started.wait(PATIENCE), answer.writer.push(b"a"), answer.writer.end())
        ).start()  # type: ignore[union-attr]
        self.assertEqual([b"a"], list(pieces))
        self.assertEqual([ENDED], answer.reasons)
        early = RecordingResponse(0.05)
        self.assertEqual([], list(early))
        self.assertEqual([TOO_OLD], early.reasons)

    def test_iteration_ends_at_the_maximum_age_whatever_waits(self) -> None:
        """An application that pushes chunks faster than they are read does not prolong its response."""
        response = RecordingResponse(0.05)
        pieces = iter(response)
        threading.Thread(target=lambda: (response.has_started.wait(PATIENCE), response.writer.push(b"first"))).start()  # type: ignore[union-attr]
        for _ in pieces:
            assert response.writer is not None
            response.writer.push(b"more")
        self.assertEqual([TOO_OLD], response.reasons)

    def test_a_failure_at_the_end_closes_the_connection(self) -> None:
        """An application that fails in on_end() leaves no connection open, however the response ends."""
        log = self.useFixture(FakeLogger())
        for leave in (_reset, lambda client, _: client.close(), lambda _, stream: stream.end()):
            client = self.client()
            answer = self.answer(client)
            answer.is_failing = True
            stream = answer.writer
            assert isinstance(stream, ResponseStream)
            leave(client, stream)
            deadline = Deadline.after(PATIENCE)
            while stream.conn.sock.fileno() != -1:
                deadline.check("the connection to be closed")
                answer.has_ended.wait(0.02)
                client.close()
        self.assertIn("failed in on_end", log.output)
        self.assert_serves()


class TestStreamingOverTLS(TestStreaming):
    """The same tests over TLS."""

    def setUp(self) -> None:
        certificate, key = write_certificate(Path(self.useFixture(TempDir()).path), "first")
        self.config = dataclasses.replace(self.config, enable_ssl_api=True, cert_file=certificate, key_file=key)
        super().setUp()
