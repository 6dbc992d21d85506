"""Answers that are pushed: many at a time, by one thread, whatever their clients do."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fixtures import TempDir

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig
from baremetal_sdk.http import HTTPServer
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.loop import EventLoop
from baremetal_sdk.http.sockets import ListeningSocket
from baremetal_sdk.http.streaming import CLIENT_LEFT, SLOW, STOPPED, TOO_OLD, StreamingResponse, StreamWriter
from baremetal_sdk.http.streams import ResponseStream, StreamSender
from tests.fixtures.authority import write_certificate
from tests.fixtures.http_clients import connect_securely
from tests.fixtures.sockets import PATIENCE, Client, ServerTestCase, SmallApplication

REQUEST = b"GET /push HTTP/1.1\r\nHost: x\r\n\r\n"
END = b"0\r\n\r\n"


class Answer(StreamingResponse):
    """Lets a test push, and remembers how it ended."""

    def __init__(self, max_age_s: float) -> None:
        self.max_age_s = max_age_s
        self.writer: StreamWriter | None = None
        self.begun = threading.Event()
        self.gone = threading.Event()
        self.why: list[str] = []

    def on_start(self, writer: StreamWriter) -> None:
        self.writer = writer
        self.begun.set()

    def on_end(self, reason: str) -> None:
        self.why.append(reason)
        self.gone.set()


class PushingApplication(SmallApplication):
    """Answers ``/push`` with pieces that a test pushes."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Answer] = []
        self.max_age_s = 60.0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        if environ["PATH_INFO"] != "/push":
            return super().__call__(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/plain")])
        self.answers.append(Answer(self.max_age_s))
        return self.answers[-1]


class TestPushed(ServerTestCase):
    config = APIConfig(port=0, min_threads=1, max_threads=1, slow_client_grace_period=0.5, min_transfer_rate=1)

    def setUp(self) -> None:
        super().setUp()
        self.app = self.pushing = PushingApplication()
        self.server = self.serve(self.config)

    def client(self, server: HTTPServer | None = None) -> Client:
        """A new connection, with TLS where the server speaks it."""
        client = super().client(server)
        client.socket = connect_securely(server or self.server)
        self.addCleanup(client.close)
        return client

    def answer(self, client: Client, request: bytes = REQUEST) -> Answer:
        """The answer to a request, which has begun; its head was read."""
        count = len(self.pushing.answers)
        client.send(request)
        self.received(client, b"\r\n\r\n")
        answer = self.pushing.answers[count]
        self.assertTrue(answer.begun.wait(PATIENCE))
        return answer

    def received(self, client: Client, end: bytes) -> bytes:
        """What comes up to *end*."""
        read = b""
        while not read.endswith(end):
            more = client.socket.recv(65536)
            if not more:
                self.fail(f"the connection ended after {read!r}")
            read += more
        return read

    def assert_ended(self, answer: Answer, why: str) -> None:
        """The application was told, once."""
        self.assertTrue(answer.gone.wait(PATIENCE))
        self.assertEqual([why], answer.why)

    def test_many_answers_need_no_worker(self) -> None:
        """A hundred are open where one worker serves; each gets its pieces, and other requests are answered."""
        clients = [self.client() for _ in range(100)]
        answers = [self.answer(client) for client in clients]
        self.assert_serves()
        for number, answer in enumerate(answers):
            assert answer.writer is not None
            answer.writer.push(b"piece %d." % number)
            answer.writer.push(b"")
        for number, client in enumerate(clients):
            self.assertEqual(b"%x\r\npiece %d.\r\n" % (len(b"piece %d." % number), number), self.received(client, b".\r\n"))
        assert answers[0].writer is not None
        answers[0].writer.push(b"last")
        answers[0].writer.end()
        self.assertEqual(b"4\r\nlast\r\n" + END, clients[0].rest())

    def test_they_end_when_the_server_stops(self) -> None:
        """A stop ends each in good order at once, behind what was pushed."""
        clients = [self.client() for _ in range(5)]
        answers = [self.answer(client) for client in clients]
        for answer in answers:
            assert answer.writer is not None
            answer.writer.push(b"more")
        self.assertTrue(self.server.stop(Deadline.after(PATIENCE)))
        for client, answer in zip(clients, answers, strict=True):
            self.assertEqual(b"4\r\nmore\r\n" + END, client.rest())
            self.assert_ended(answer, STOPPED)

    def test_they_end_in_time(self) -> None:
        """One that is open for its time is ended, and its client sees that it is whole."""
        self.pushing.max_age_s = 1.0
        client = self.client()
        answer = self.answer(client)
        self.assertEqual(END, client.rest())
        self.assert_ended(answer, TOO_OLD)

    def test_who_leaves_is_noticed(self) -> None:
        """A client that closes its connection is known to be gone, without a piece for it."""
        client = self.client()
        answer = self.answer(client)
        client.close()
        self.assert_ended(answer, CLIENT_LEFT)

    def test_who_does_not_read_is_cut(self) -> None:
        """Pieces that nobody reads wait for a while and within bounds; who reads gets all of his meanwhile."""
        slow, quick = self.client(), self.client()
        unread, read = self.answer(slow), self.answer(quick)
        assert unread.writer is not None and read.writer is not None
        piece = bytes(1 << 20)
        for _ in range(16):
            unread.writer.push(piece)
        self.assert_ended(unread, SLOW)
        read.writer.push(b"here")
        self.assertEqual(b"4\r\nhere\r\n", self.received(quick, b"here\r\n"))

    def test_what_is_pushed_afterwards_is_dropped(self) -> None:
        """Whoever pushes need not know that the client has just left."""
        client = self.client()
        answer = self.answer(client)
        client.close()
        self.assert_ended(answer, CLIENT_LEFT)
        assert answer.writer is not None
        answer.writer.push(b"late")
        answer.writer.end()
        self.assert_serves()

    def test_who_is_given_back_twice_is_served_once(self) -> None:
        """The worker of a handshake may say that it has ended when that of the first request has, too."""
        answer = Answer(60.0)

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
            self.assertTrue(answer.begun.wait(PATIENCE))
            assert answer.writer is not None
            answer.writer.push(b"piece")
            self.assertEqual(b"piece", client.recv(100))

    def test_http_1_0_has_no_chunks(self) -> None:
        """An older client reads until the connection ends."""
        client = self.client()
        answer = self.answer(client, b"GET /push HTTP/1.0\r\n\r\n")
        assert answer.writer is not None
        answer.writer.push(b"piece")
        answer.writer.end()
        self.assertEqual(b"piece", client.rest())

    def test_a_head_request_has_no_stream(self) -> None:
        """HEAD is answered with the head alone, and the application is told that nobody listens."""
        client = self.client()
        answered = client.send(REQUEST.replace(b"GET", b"HEAD")).answer()
        self.assertIn(b"200 OK", answered)
        self.assert_ended(self.pushing.answers[0], CLIENT_LEFT)

    def test_another_server_iterates(self) -> None:
        """What a WSGI server of somebody else's gets is an iterable that waits for pieces."""
        answer = Answer(60.0)
        pieces = iter(answer)
        threading.Thread(target=lambda: (answer.begun.wait(PATIENCE), answer.writer.push(b"a"), answer.writer.end())).start()  # type: ignore[union-attr]
        self.assertEqual([b"a"], list(pieces))
        self.assertEqual([TOO_OLD], answer.why)
        early = Answer(0.05)
        self.assertEqual([], list(early))
        self.assertEqual([TOO_OLD], early.why)


class TestPushedOverTLS(TestPushed):
    """All of it over TLS."""

    def setUp(self) -> None:
        certificate, key = write_certificate(Path(self.useFixture(TempDir()).path), "first")
        self.config = dataclasses.replace(self.config, enable_ssl_api=True, cert_file=certificate, key_file=key)
        super().setUp()
