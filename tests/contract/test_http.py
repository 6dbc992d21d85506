"""The HTTP client of the contract, against servers that answer with scripted bytes."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from typing import Any

from testtools import TestCase

from baremetal_interfaces import Deadline, DeadlineExceeded, InvalidInput, TLSOptions
from baremetal_interfaces.http import (
    BadAnswer,
    Broken,
    ConnectFailed,
    HTTPSession,
    HTTPSessionError,
    TimedOut,
    TLSFailed,
    TooLarge,
    tls_context,
)
from baremetal_interfaces.sending import use_slots
from tests.fixtures.certificates import write_certificate
from tests.fixtures.raw_server import RawServer, Script, answer, answering, once, read_request


class HTTPTestCase(TestCase):
    """Base of tests with a scripted server and a session."""

    def serve(self, *scripts: Script, certificate: tuple[str, str] | None = None) -> RawServer:
        server = RawServer(*scripts, certificate=certificate)
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server

    def session(self, server: RawServer, **options: Any) -> HTTPSession:
        session = HTTPSession("http", "127.0.0.1", server.port, **options)
        self.addCleanup(session.close)
        return session

    def directory(self) -> str:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        return directory.name


class TestResponses(HTTPTestCase):
    def test_response_has_status_headers_and_body(self) -> None:
        """A response is returned whole, whatever its status; header names are case-insensitive."""
        server = self.serve(answering(answer(b'{"a": 1}', status="404 Not Found", headers="ETag: x\r\n")))
        response = self.session(server).request("GET", "/", deadline=Deadline.after(10))
        self.assertEqual(404, response.status)
        self.assertEqual("x", response.headers["etag"])
        self.assertEqual({"a": 1}, response.json())

    def test_one_connection_serves_many_requests(self) -> None:
        """The connection is kept between requests."""
        server = self.serve(answering(answer()))
        session = self.session(server)
        for _ in range(5):
            session.request("POST", "/", json={"a": 1}, deadline=Deadline.after(10))
        self.assertEqual(1, server.connections)

    def test_chunked_body_is_decoded(self) -> None:
        """A chunked body is decoded, and the connection is kept after it."""
        chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4;x=y\r\n":1}\r\n0\r\nT: t\r\n\r\n'
        server = self.serve(answering(chunked))
        session = self.session(server)
        values = [session.request("GET", "/", deadline=Deadline.after(10)).json() for _ in range(2)]
        self.assertEqual([{"a": 1}, {"a": 1}], values)
        self.assertEqual(1, server.connections)

    def test_body_without_a_length_ends_with_the_connection(self) -> None:
        """A body without a length ends when the peer closes, and the next request opens a new connection."""
        server = self.serve(once(b"HTTP/1.0 200 OK\r\n\r\n[1]"))
        session = self.session(server)
        values = [session.request("GET", "/", deadline=Deadline.after(10)).json() for _ in range(2)]
        self.assertEqual([[1], [1]], values)
        self.assertEqual(2, server.connections)

    def test_no_content(self) -> None:
        """Status 204 has an empty body, which is not a JSON value."""
        server = self.serve(answering(b"HTTP/1.1 204 No Content\r\n\r\n"))
        response = self.session(server).request("DELETE", "/", deadline=Deadline.after(10))
        self.assertEqual(b"", response.body)
        self.assertRaises(BadAnswer, response.json)

    def test_request_headers(self) -> None:
        """The session's and the request's headers are merged; the request's replace the session's in any case of letters."""
        seen: list[bytes] = []

        def script(client: socket.socket) -> None:
            seen.append(read_request(client))
            client.sendall(answer())

        server = self.serve(script)
        session = self.session(server, headers={"X-Auth-Token": "t", "Accept": "a"})
        session.request("POST", "/x?y=z", json={"k": "ü"}, headers={"accept": "b"}, deadline=Deadline.after(10))
        head, _, body = seen[0].partition(b"\r\n\r\n")
        lines = set(head.decode().split("\r\n"))
        self.assertEqual(
            {
                "POST /x?y=z HTTP/1.1",
                f"Host: 127.0.0.1:{server.port}",
                "Accept-Encoding: identity",
                "X-Auth-Token: t",
                "accept: b",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
            },
            lines,
        )
        self.assertEqual(b'{"k": "\\u00fc"}', body)

    def test_response_heads_of_old_servers(self) -> None:
        """Bare line feeds, header names in any case, folded values and interim responses are accepted."""
        heads = (
            b"HTTP/1.1 200 OK\ncontent-LENGTH: 1\nX: a\n\n1",
            b"HTTP/1.1 200\r\nX: a,\r\n  b\r\nContent-Length:1\r\nCONNECTION: Close\r\n\r\n1",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: a\r\nContent-Length: 1\r\n\r\n1",
        )
        for head in heads:
            response = self.session(self.serve(once(head))).request("GET", "/", deadline=Deadline.after(10))
            self.assertEqual(200, response.status)
            self.assertEqual(1, response.json())
            self.assertEqual("a", response.headers["x"][0])

    def test_environment_is_not_read(self) -> None:
        """Proxy settings of the environment are ignored."""
        server = self.serve(answering(answer(b"1")))
        before = os.environ.get("http_proxy")
        self.addCleanup(lambda: os.environ.pop("http_proxy") if before is None else os.environ.update(http_proxy=before))
        os.environ["http_proxy"] = "http://127.0.0.1:1"
        response = self.session(server).request("GET", "/", deadline=Deadline.after(10))
        self.assertEqual(1, response.json())


class TestTime(HTTPTestCase):
    def assertEndsIn(self, seconds: float, error: type[Exception], session: HTTPSession, method: str = "GET", **more: Any) -> str:
        begun = time.monotonic()
        failure = self.assertRaises(error, session.request, method, "/x", deadline=Deadline.after(seconds), **more)
        self.assertLess(time.monotonic() - begun, seconds + 5.0)
        return str(failure)

    def test_silent_peer(self) -> None:
        """A request to a peer that never answers ends at the deadline."""
        server = self.serve(lambda client: server.released.wait(30))
        message = self.assertEndsIn(0.3, TimedOut, self.session(server))
        self.assertIn(f"GET /x at http://127.0.0.1:{server.port}", message)

    def drip(self, head: bytes, drop: bytes) -> Script:
        def script(client: socket.socket) -> None:
            read_request(client)
            client.sendall(head)
            while not server.released.wait(0.02):
                client.sendall(drop)

        server = self.serve(script)
        self.dripping = server
        return script

    def test_dripping_body(self) -> None:
        """A body that arrives byte by byte ends at the deadline, although no byte is late."""
        self.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x")
        self.assertEndsIn(0.5, TimedOut, self.session(self.dripping, read_timeout=10))

    def test_dripping_head(self) -> None:
        """A response head that arrives byte by byte ends at the deadline."""
        self.drip(b"HTTP/1.1 200 OK\r\nX: ", b"x")
        self.assertEndsIn(0.5, TimedOut, self.session(self.dripping, read_timeout=10))

    def test_endless_interim_responses(self) -> None:
        """Endless interim responses end at the deadline."""
        self.drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEndsIn(0.5, TimedOut, self.session(self.dripping, read_timeout=10))

    def test_dripping_chunks(self) -> None:
        """Endless chunks end at the deadline."""
        self.drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")
        self.assertEndsIn(0.5, TimedOut, self.session(self.dripping, read_timeout=10))

    def test_peer_that_does_not_read(self) -> None:
        """A request that the peer does not read ends at the deadline."""
        server = self.serve(lambda client: server.released.wait(30))
        message = self.assertEndsIn(0.5, TimedOut, self.session(server), "POST", body=b"x" * 64 * 1024 * 1024)
        self.assertIn("does not take the request", message)

    def test_read_timeout(self) -> None:
        """A session may limit a peer's silence to less than the deadline."""
        server = self.serve(lambda client: server.released.wait(30))
        begun = time.monotonic()
        failure = self.assertRaises(
            TimedOut, self.session(server, read_timeout=0.2).request, "GET", "/", deadline=Deadline.after(20)
        )
        self.assertLess(time.monotonic() - begun, 5)
        self.assertIn("silent for 0.2 s", str(failure))

    def test_unfinished_handshake(self) -> None:
        """A TLS handshake with a silent peer ends after the connect timeout."""
        server = self.serve(lambda client: server.released.wait(30))
        session = HTTPSession("https", "127.0.0.1", server.port, tls=tls_context(TLSOptions(verify=False)), connect_timeout=0.3)
        begun = time.monotonic()
        failure = self.assertRaises(ConnectFailed, session.request, "GET", "/", deadline=Deadline.after(20))
        self.assertLess(time.monotonic() - begun, 5)
        self.assertIn("handshake", str(failure))

    def test_unanswered_connection(self) -> None:
        """A connection attempt to a silent address ends after the connect timeout."""
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            self.addCleanup(client.close)
        session = HTTPSession("http", "127.0.0.1", full.getsockname()[1], connect_timeout=0.3)
        begun = time.monotonic()
        self.assertRaises(ConnectFailed, session.request, "GET", "/", deadline=Deadline.after(20))
        self.assertLess(time.monotonic() - begun, 5)

    def test_expired_deadline_sends_nothing(self) -> None:
        """With an expired deadline no connection is opened."""
        server = self.serve(answering(answer()))
        self.assertRaises(DeadlineExceeded, self.session(server).request, "GET", "/", deadline=Deadline.after(0))
        self.assertEqual(0, server.connections)

    def test_slot_is_awaited_until_the_deadline(self) -> None:
        """A thread that shares the session waits for its request slot no longer than its own deadline."""
        entered = threading.Event()

        def script(client: socket.socket) -> None:
            read_request(client)
            entered.set()
            server.released.wait(30)

        server = self.serve(script)
        session = self.session(server)
        first = threading.Thread(
            target=lambda: self.assertRaises(Broken, session.request, "GET", "/", deadline=Deadline.after(20))
        )
        first.start()
        self.assertTrue(entered.wait(10))
        self.assertEndsIn(0.2, TimedOut, session)
        session.close()
        first.join(10)
        self.assertFalse(first.is_alive())

    def test_close_ends_a_request_of_another_thread(self) -> None:
        """Closing the session ends a waiting request with an error, and later requests fail."""
        entered = threading.Event()
        failures: list[Exception] = []

        def script(client: socket.socket) -> None:
            read_request(client)
            entered.set()
            server.released.wait(30)

        def run() -> None:
            try:
                session.request("GET", "/", deadline=Deadline.after(20))
            except HTTPSessionError as exc:
                failures.append(exc)

        server = self.serve(script)
        session = self.session(server)
        thread = threading.Thread(target=run)
        thread.start()
        self.assertTrue(entered.wait(10))
        session.close()
        thread.join(10)
        self.assertEqual([Broken], [type(failure) for failure in failures])
        self.assertRaises(Broken, session.request, "GET", "/", deadline=Deadline.after(5))


class _UnlimitedSlots:
    """Request slots without a limit."""

    def take(self, deadline: Deadline) -> None:
        """Return at once."""

    def give(self) -> None:
        """Do nothing."""


class TestKeptConnections(HTTPTestCase):
    def test_connection_closed_while_idle(self) -> None:
        """A kept connection that the peer has closed is replaced, for every method."""
        closed = threading.Event()

        def script(client: socket.socket) -> None:
            read_request(client)
            client.sendall(answer())
            client.shutdown(socket.SHUT_RDWR)
            client.close()
            closed.set()

        server = self.serve(script, answering(answer(b"2")))
        session = self.session(server)
        session.request("GET", "/", deadline=Deadline.after(10))
        self.assertTrue(closed.wait(10))
        self.assertEqual(2, session.request("POST", "/", json=1, deadline=Deadline.after(10)).json())

    def closes_at_the_second(self) -> RawServer:
        requests: list[bytes] = []

        def script(client: socket.socket) -> None:
            requests.append(read_request(client))
            client.sendall(answer())
            requests.append(read_request(client))

        def counting(client: socket.socket) -> None:
            requests.append(read_request(client))
            client.sendall(answer(b"2"))

        self.requests = requests
        return self.serve(script, counting)

    def test_idempotent_request_is_repeated(self) -> None:
        """A request of an idempotent method is repeated once if the peer closes a kept connection without a response."""
        session = self.session(self.closes_at_the_second())
        session.request("GET", "/", deadline=Deadline.after(10))
        self.assertEqual(2, session.request("GET", "/", deadline=Deadline.after(10)).json())

    def test_post_is_never_repeated(self) -> None:
        """A POST that may have been processed is not repeated."""
        session = self.session(self.closes_at_the_second())
        session.request("GET", "/", deadline=Deadline.after(10))
        failure = self.assertRaises(Broken, session.request, "POST", "/x", json=1, deadline=Deadline.after(10))
        self.assertIn("is unknown", str(failure))
        self.assertEqual(2, len(self.requests))

    def test_changes_are_never_repeated(self) -> None:
        """Changes are not repeated even if their method is idempotent: the second DELETE would report a missing resource."""
        for method in ("PUT", "DELETE", "PATCH"):
            session = self.session(self.closes_at_the_second())
            session.request("GET", "/", deadline=Deadline.after(10))
            self.assertRaises(Broken, session.request, method, "/x", deadline=Deadline.after(10))
            self.assertEqual(2, len(self.requests))

    def test_requests_at_once_are_limited_by_slots(self) -> None:
        """Requests in several slots use one connection each, and all connections are kept."""
        both = threading.Barrier(2)

        def script(client: socket.socket) -> None:
            while read_request(client):
                both.wait(10)
                client.sendall(answer())

        server = self.serve(script)
        session = self.session(server)

        def run() -> None:
            with use_slots(_UnlimitedSlots()):
                for _ in range(2):
                    session.request("GET", "/", deadline=Deadline.after(10))

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(2, server.connections)

    def test_new_connection_is_not_replaced(self) -> None:
        """A new connection that is closed without a response is not replaced."""
        server = self.serve(read_request)
        self.assertRaises(Broken, self.session(server).request, "GET", "/", deadline=Deadline.after(10))
        self.assertEqual(1, server.connections)

    def test_session_is_usable_after_a_failure(self) -> None:
        """The request after a failed one opens a new connection."""
        server = self.serve(once(b"nonsense\r\n\r\n"), answering(answer(b"2")))
        session = self.session(server)
        self.assertRaises(BadAnswer, session.request, "GET", "/", deadline=Deadline.after(10))
        self.assertEqual(2, session.request("GET", "/", deadline=Deadline.after(10)).json())

    def test_surplus_bytes_after_a_response(self) -> None:
        """Bytes after a response are never taken for the response to the next request."""
        server = self.serve(answering(answer(b"1") + answer(b'"forged"')), answering(answer(b"2")))
        session = self.session(server)
        self.assertEqual(1, session.request("GET", "/", deadline=Deadline.after(10)).json())
        self.assertEqual(2, session.request("GET", "/", deadline=Deadline.after(10)).json())

    def test_surplus_bytes_while_idle(self) -> None:
        """Bytes that arrive while no request is in progress are never taken for a response."""
        come = threading.Event()

        def script(client: socket.socket) -> None:
            read_request(client)
            client.sendall(answer(b"1"))
            asked.wait(10)
            client.sendall(answer(b'"forged"'))
            come.set()
            read_request(client)

        asked = threading.Event()
        server = self.serve(script, answering(answer(b"2")))
        session = self.session(server)
        session.request("GET", "/", deadline=Deadline.after(10))
        asked.set()
        self.assertTrue(come.wait(10))
        self.assertEqual(2, session.request("GET", "/", deadline=Deadline.after(10)).json())

    def test_connection_past_its_idle_timeout(self) -> None:
        """A connection that was idle for longer than the limit is replaced without being tried."""
        server = self.serve(answering(answer()))
        session = self.session(server, max_idle=0.0)
        for _ in range(3):
            session.request("GET", "/", deadline=Deadline.after(10))
        self.assertEqual(3, server.connections)


class TestInvalidResponses(HTTPTestCase):
    def assertFails(self, error: type[Exception], data: bytes, **options: Any) -> str:
        server = self.serve(once(data))
        return str(self.assertRaises(error, self.session(server, **options).request, "GET", "/", deadline=Deadline.after(10)))

    def test_truncated_body(self) -> None:
        """A body that is shorter than its announced length is an error."""
        self.assertFails(Broken, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}")

    def test_truncated_head(self) -> None:
        """A truncated response head is an error."""
        self.assertFails(Broken, b"HTTP/1.1 200 OK\r\nContent-Le")

    def test_truncated_chunks(self) -> None:
        """A chunked body without its last chunk is an error."""
        self.assertFails(Broken, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")

    def test_not_http(self) -> None:
        """The error for a response that is not HTTP does not repeat the response."""
        self.assertNotIn("SSH", self.assertFails(BadAnswer, b"SSH-2.0-OpenSSH_9\r\n"))

    def test_contradicting_lengths(self) -> None:
        """A response with two different lengths is refused."""
        self.assertFails(BadAnswer, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ")

    def test_invalid_length(self) -> None:
        """A response whose length is not a number is refused."""
        for length in (b"-1", b"+2", b"1_0", b"two"):
            self.assertFails(BadAnswer, b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n{}")

    def test_invalid_chunk_size(self) -> None:
        """A chunk whose size is not a number is refused."""
        self.assertFails(HTTPSessionError, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")

    def test_deep_nesting(self) -> None:
        """A body with too many nested values is an error, not a crash."""
        server = self.serve(once(answer(b"[" * 200_000)))
        response = self.session(server).request("GET", "/", deadline=Deadline.after(10))
        self.assertRaises(BadAnswer, response.json)

    def test_announced_size(self) -> None:
        """A response that announces an excessive size is not read."""
        message = self.assertFails(TooLarge, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", max_response=4096)
        self.assertIn("5000 bytes", message)

    def test_unannounced_size(self) -> None:
        """A response without a length is abandoned when it exceeds the limit."""
        self.assertFails(TooLarge, b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 5000, max_response=4096)

    def test_chunked_size(self) -> None:
        """A chunked body is abandoned when it exceeds the limit, and the size of a chunk alone allocates no memory."""
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.assertFails(TooLarge, head + b"1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n", max_response=4096)
        self.assertFails(HTTPSessionError, head + b"FFFFFFFFFFFFFF\r\n" + b"x" * 5000, max_response=65536)

    def test_endless_head(self) -> None:
        """A response head that exceeds the limit is abandoned."""
        self.assertFails(HTTPSessionError, b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 60000 + b"\r\n" * 1, max_response=4096)
        lines = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 60000) for number in range(20))
        self.assertFails(TooLarge, b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n", max_response=4096)

    def test_number_of_headers_and_interim_responses(self) -> None:
        """Very many short headers or interim responses, which would cost time, are refused."""
        self.assertFails(TooLarge, b"HTTP/1.1 200 OK\r\n" + b"a:b\r\n" * 1000 + b"\r\n")
        self.assertFails(BadAnswer, b"HTTP/1.1 100 Continue\r\n\r\n" * 2000 + b"HTTP/1.1 200 OK\r\n\r\n")


class TestTLS(HTTPTestCase):
    def ask(self, server: RawServer, options: TLSOptions, host: str = "127.0.0.1") -> object:
        session = HTTPSession("https", host, server.port, tls=tls_context(options), trust_option="acme_verify_ca")
        self.addCleanup(session.close)
        return session.request("GET", "/", deadline=Deadline.after(10)).json()

    def test_trusted_certificate(self) -> None:
        """A certificate is trusted by the named authority, a file or a directory, for the addresses in it."""
        certificate = write_certificate(self.directory(), "server", ["127.0.0.1", "localhost"])
        server = self.serve(answering(answer(b"1")), certificate=certificate)
        self.assertEqual(1, self.ask(server, TLSOptions(ca_file=certificate[0])))
        self.assertEqual(1, self.ask(server, TLSOptions(ca_file=certificate[0]), host="localhost"))

    def test_untrusted_certificate(self) -> None:
        """The error for an untrusted certificate names the option to change."""
        server = self.serve(answering(answer(b"1")), certificate=write_certificate(self.directory(), "server", ["127.0.0.1"]))
        failure = self.assertRaises(TLSFailed, self.ask, server, TLSOptions())
        self.assertIn("is not trusted", str(failure))
        self.assertIn("set acme_verify_ca", str(failure))

    def test_certificate_for_another_host(self) -> None:
        """The error for a certificate of another host names the option to change."""
        certificate = write_certificate(self.directory(), "server", ["192.0.2.1"])
        server = self.serve(answering(answer(b"1")), certificate=certificate)
        failure = self.assertRaises(TLSFailed, self.ask, server, TLSOptions(ca_file=certificate[0]))
        self.assertIn("acme_verify_ca", str(failure))

    def test_certificate_without_verification(self) -> None:
        """Without verification every certificate is accepted."""
        server = self.serve(answering(answer(b"1")), certificate=write_certificate(self.directory(), "server", ["192.0.2.1"]))
        self.assertEqual(1, self.ask(server, TLSOptions(verify=False)))

    def test_peer_without_tls(self) -> None:
        """A peer without TLS is not mistaken for one with a bad certificate."""

        def script(client: socket.socket) -> None:
            client.recv(1)
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = self.serve(script)
        failure = self.assertRaises(TLSFailed, self.ask, server, TLSOptions())
        self.assertIn("does it speak TLS", str(failure))

    def test_dripping_over_tls(self) -> None:
        """The deadline also ends a slow response over TLS, and the connection is kept between requests."""

        def script(client: socket.socket) -> None:
            read_request(client)
            client.sendall(answer(b"1"))
            read_request(client)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not server.released.wait(0.02):
                client.sendall(b"x")

        certificate = write_certificate(self.directory(), "server", ["127.0.0.1"])
        server = self.serve(script, certificate=certificate)
        session = HTTPSession("https", "127.0.0.1", server.port, tls=tls_context(TLSOptions(ca_file=certificate[0])))
        self.addCleanup(session.close)
        session.request("GET", "/", deadline=Deadline.after(10))
        begun = time.monotonic()
        self.assertRaises(TimedOut, session.request, "GET", "/", deadline=Deadline.after(0.5))
        self.assertLess(time.monotonic() - begun, 5)
        self.assertEqual(1, server.connections)

    def test_unusable_option(self) -> None:
        """An unusable option is named before a connection is opened."""
        self.assertIn("/nowhere", str(self.assertRaises(InvalidInput, tls_context, TLSOptions(ca_file="/nowhere/ca.pem"))))


class TestBadInput(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.session = HTTPSession("http", "192.0.2.1", headers={"Authorization": "Basic secret"})
        self.addCleanup(self.session.close)

    def test_line_breaks_are_refused(self) -> None:
        """A line break in a path, method or header is refused before a connection is opened."""
        for method, path, headers in (
            ("GET", "/x\r\nX: y", {}),
            ("GET", "/ü", {}),
            ("GET", "x", {}),
            ("GET /", "/", {}),
            ("GET", "/", {"X\r\nY": "z"}),
        ):
            self.assertRaises(ValueError, self.session.request, method, path, headers=headers, deadline=Deadline.after(5))

    def test_refused_header_is_hidden(self) -> None:
        """The error for a refused header does not contain its value."""
        failure = self.assertRaises(
            ValueError, self.session.request, "GET", "/", headers={"X-Auth-Token": "tok\nen"}, deadline=Deadline.after(5)
        )
        self.assertIn("X-Auth-Token", str(failure))
        self.assertNotIn("tok", str(failure).replace("X-Auth-Token", ""))

    def test_secrets_are_hidden(self) -> None:
        """The texts of a session and its errors contain no headers, bodies or queries."""
        session = HTTPSession("http", "127.0.0.1", 1, headers={"Authorization": "Basic secret"})
        failure = self.assertRaises(
            ConnectFailed, session.request, "POST", "/x?token=secret", json={"Password": "secret"}, deadline=Deadline.after(5)
        )
        self.assertNotIn("secret", f"{session!r} {failure}")
        self.assertIn("POST /x at http://127.0.0.1:1", str(failure))

    def test_scheme_and_context_belong_together(self) -> None:
        """https requires a TLS context, http accepts none, and other schemes are refused."""
        for scheme, tls in (("https", None), ("http", tls_context(TLSOptions(verify=False))), ("ftp", None)):
            self.assertRaises(ValueError, HTTPSession, scheme, "192.0.2.1", tls=tls)

    def test_unknown_host_name(self) -> None:
        """The error for an unknown host name says so."""
        session = HTTPSession("http", "no-such-host.invalid")
        failure = self.assertRaises(ConnectFailed, session.request, "GET", "/", deadline=Deadline.after(30))
        self.assertIn("name", str(failure))
