"""The HTTP server: requests, slow clients, invalid input, failures and stops."""

from __future__ import annotations

import dataclasses
import json
import re
import time

from fixtures import FakeLogger

from baremetal_interfaces import Deadline
from baremetal_sdk.api import APIServerMixin, HTTPServer
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError
from tests.fixtures.sockets import PATIENCE, Client, ServerTestCase, SmallApplication


class TestServing(ServerTestCase):
    def test_a_client_can_connect_as_soon_as_the_server_has_started(self) -> None:
        """With port 0 the kernel selects a free port, and the URL contains it."""
        self.assertEqual(f"http://127.0.0.1:{self.server.port}", self.server.url)
        self.assert_serves()

    def test_an_address_in_use_is_named(self) -> None:
        """A server that cannot listen does not start."""
        other = HTTPServer(self.app, APIConfig(port=self.server.port))
        error = self.assertRaises(ConfigurationError, other.start)
        for word in ("host_ip", "127.0.0.1", str(self.server.port), "in use"):
            self.assertIn(word, str(error))
        self.assertRaises(ConfigurationError, HTTPServer(self.app, APIConfig(host_ip="192.0.2.1", port=0)).start)

    def test_a_connection_serves_many_requests(self) -> None:
        """Connections are kept open, also for clients that do not wait for responses."""
        client = self.client()
        for number in range(5):
            self.assertTrue(client.get(f"/{number}").answer().endswith(b"/%d http " % number))
        client.get("/a").get("/b", "Connection: close")
        answers = client.rest()
        self.assertEqual([b"/a", b"/b"], re.findall(rb"(/[ab]) http", answers))
        self.assertIn(b"Connection: close", answers)

    def test_the_application_gets_complete_bodies(self) -> None:
        """The body may have a length or be chunked."""
        client = self.client()
        client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        self.assertTrue(client.answer().endswith(b"hello"))
        client.send(
            b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
        )
        self.assertTrue(client.answer().endswith(b"abcde"))
        self.assertTrue(client.get("/next").answer().endswith(b"/next http "))

    def test_expect_100_continue_is_answered(self) -> None:
        """The interim response comes before the body is read."""
        client = self.client()
        client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        self.assertIn(b"100 Continue", client.answer())
        self.assertTrue(client.send(b"ok").answer().endswith(b"ok"))

    def test_a_response_without_a_length_is_chunked(self) -> None:
        """The client recognizes the end."""
        answer = self.client().get("/stream", "Connection: close").rest()
        self.assertIn(b"Transfer-Encoding: chunked", answer)
        self.assertTrue(answer.endswith(b"/stream http \r\n0\r\n\r\n"))

    def test_http_1_0_is_supported(self) -> None:
        """The connection closes after the response."""
        answer = self.client().send(b"GET /old HTTP/1.0\r\n\r\n").rest()
        self.assertTrue(answer.endswith(b"/old http "))

    def test_a_lost_client_is_no_error(self) -> None:
        """Clients that disconnect in the middle of a request are logged at level DEBUG only."""
        log = self.useFixture(FakeLogger(level=20))
        for data in (b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", b""):
            self.client().send(data).close()
        self.assert_serves()
        self.assertEqual("", log.output)


class TestSlowClients(ServerTestCase):
    config = dataclasses.replace(
        ServerTestCase.config, max_threads=2, request_timeout=0.4, header_timeout=0.4, slow_client_grace_period=0.4
    )

    def test_silent_clients_hold_no_thread(self) -> None:
        """With two threads, fifty silent clients delay no other client."""
        server = self.configured(request_timeout=PATIENCE * 6)
        silent = [self.client(server) for _ in range(50)]
        self.assert_serves(server)
        self.assertEqual(50, len(silent))

    def test_silent_connections_time_out(self) -> None:
        """A connection without input is closed."""
        silent = [self.client() for _ in range(5)]
        self.assertEqual({b""}, {client.rest() for client in silent})

    def test_dripping_headers_time_out(self) -> None:
        """The deadline applies to the headers as a whole. Single bytes do not extend it."""
        client = self.client()
        client.socket.settimeout(0.05)
        deadline = Deadline.after(PATIENCE)
        dripped = 0
        for byte in b"GET /" + b"x" * 1000:
            client.send(bytes([byte]))
            dripped += 1
            try:
                answer = client.socket.recv(65536)
                break
            except TimeoutError:
                deadline.check("a slow client to be ended")
        self.assertIn(b"408", answer)
        self.assertLess(dripped, 100)
        self.assert_serves()

    def test_an_incomplete_body_times_out(self) -> None:
        """The client gets status 408, and the application never sees the request."""
        client = self.client().send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        self.assertIn(b"408 Request Timeout", client.rest())
        self.assert_serves()


class TestStrictness(ServerTestCase):
    def _assert_rejected(self, request: bytes, status: int) -> None:
        before = len(self.app.served)
        client = self.client().send(request)
        answer = client.rest()
        client.close()
        self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), (request[:80], answer[:200]))
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertIn(b"Connection: close", head)
        self.assertIn("faultstring", json.loads(json.loads(body)["error_message"]))
        self.assertEqual(before, len(self.app.served), "the application must not see the request")

    def test_invalid_requests_are_rejected(self) -> None:
        """Each gets one response in the format of the API and closes its connection."""
        for request in (
            b"garbage\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
            b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / SPDY/1\r\nHost: x\r\n\r\n",
            b"GET x HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /#f HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
        ):  # fmt: skip
            self._assert_rejected(request, 400)
        self._assert_rejected(b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505)
        self.assert_serves()

    def test_ambiguous_framing_is_rejected(self) -> None:
        """Two lengths, a length with chunks, and unusual spellings could smuggle a request."""
        for headers, status in (
            (b"Content-Length: 5\r\nTransfer-Encoding: chunked", 400), (b"Content-Length: 5\r\nContent-Length: 6", 400),
            (b"Content-Length: 5\r\nContent-Length: 5", 400), (b"Content-Length: +5", 400),
            (b"Content-Length: 1_0", 400),
            (b"Content-Length: -1", 400), (b"Content-Length: 0x5", 400), (b"Content-Length: 5, 5", 400),
            (b"Content-Length: ", 400),
            (b"Content-Length : 5", 400), (b"Transfer-Encoding: chunked, chunked", 400),
            (b"Transfer-Encoding: gzip, chunked", 501),
            (b"Transfer-Encoding: xchunked", 400), (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
            (b" Content-Length: 5", 400), (b"X: y\r\n Content-Length: 5", 400), (b"Content\x00-Length: 5", 400),
        ):  # fmt: skip
            self._assert_rejected(b"POST / HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\nhello", status)

    def test_chunks_are_read_strictly(self) -> None:
        """An invalid chunk closes the connection."""
        for chunks in (
            b"0x5\r\nhello",
            b"+5\r\nhello",
            b"5_\r\nhello",
            b" 5\r\nhello",
            b"\r\nhello",
            b"5\r\nhelloX\r\n0\r\n\r\n",
            b"-1\r\n",
        ):
            answer = (
                self.client().send(b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"\r\n").rest()
            )
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), (chunks, answer))

    def test_headers_with_underscores_are_rejected(self) -> None:
        """WSGI cannot tell X_Real_Ip from X-Real-Ip."""
        for name in (b"X_Real_Ip", b"Content_Length", b"_", b"Host_"):
            self._assert_rejected(b"GET / HTTP/1.1\r\nHost: x\r\n" + name + b": 5\r\n\r\n", 400)

    def test_headers_and_bodies_are_limited(self) -> None:
        """The limit of a body applies with a length and in chunks."""
        self._assert_rejected(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 70000 + b"\r\n\r\n", 431)
        self._assert_rejected(b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n", 431)
        self._assert_rejected(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1025\r\n\r\n", 413)
        chunked = b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for chunks in (
            b"401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n",
            b"200\r\n" + b"x" * 512 + b"\r\n401\r\n",
            b"fffffffffffffff\r\n",
        ):
            self.assertTrue(self.client().send(chunked + chunks).rest().startswith(b"HTTP/1.1 413 "))
        self.assert_serves()

    def test_an_unread_body_is_not_a_request(self) -> None:
        """The server takes a body that the application has not read off the connection."""
        hidden = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
        client = self.client()
        client.send(b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden)
        self.assertIn(b"/unread", client.answer())
        self.assertTrue(client.get("/next").answer().endswith(b"/next http "))
        client.send(
            b"POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(hidden)
            + hidden
            + b"\r\n0\r\n\r\n"
        )
        self.assertIn(b"/unread", client.answer())
        self.assertNotIn("GET /hidden", self.app.served)


class TestFailures(ServerTestCase):
    def test_exceptions_of_the_application_cause_status_500(self) -> None:
        """This includes SystemExit. The response has the format of the API and the request ID, and the server continues."""
        log = self.useFixture(FakeLogger())
        for path in ("/fail", "/exit", "/interrupt"):
            answer = self.client().get(path).rest()
            self.assertTrue(answer.startswith(b"HTTP/1.1 500 "), answer)
            self.assertNotIn(b"tiger", answer)
            body = json.loads(json.loads(answer.partition(b"\r\n\r\n")[2])["error_message"])
            self.assertEqual("Server", body["faultcode"])
            name = re.search(rb"x-openstack-request-id: (req-[0-9a-f-]{36})", answer)
            assert name is not None
            self.assertIn(name[1].decode(), log.output)
        self.assert_serves()

    def test_an_exception_during_the_response_closes_the_connection(self) -> None:
        """The client sees that the response is incomplete, and the server continues."""
        self.useFixture(FakeLogger())
        answer = self.client().get("/break").rest()
        self.assertTrue(answer.endswith(b"half"), answer)
        for _ in range(10):
            self.client().get("/break").rest()
        self.assert_serves()


class TestStopping(ServerTestCase):
    def test_a_stop_waits_for_running_requests(self) -> None:
        """Idle connections are closed."""
        busy, idle = self.client().get("/hang"), self.client()
        self.assertTrue(idle.get("/idle").answer())
        self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        self.app.release.set()
        self.assertTrue(self.server.stop(Deadline.after(PATIENCE)))
        answer = busy.rest()
        self.assertIn(b"200 OK", answer)
        self.assertEqual(b"", idle.rest())

    def test_a_stopped_server_refuses_connections(self) -> None:
        """Another server can use the port."""
        port = self.server.port
        self.server.stop(Deadline.after(PATIENCE))
        self.assertRaises(ConnectionRefusedError, Client, port)
        again = self.configured(port=port)
        self.assert_serves(again)

    def test_a_stop_returns_by_its_deadline(self) -> None:
        """A request that never ends does not keep the process alive."""
        self.useFixture(FakeLogger())
        stuck = [self.client().get("/hang") for _ in range(6)]
        for _ in range(4):
            self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        started = time.monotonic()
        self.assertFalse(self.server.stop(Deadline.after(0.3)))
        self.assertLess(time.monotonic() - started, PATIENCE / 2)
        self.assertEqual({b""}, {client.rest() for client in stuck})

    def test_stopping_twice_and_starting_again_works(self) -> None:
        """A stopped server can start again, on a new port."""
        self.assertTrue(self.server.stop(Deadline.after(PATIENCE)))
        self.assertTrue(self.server.stop(Deadline.after(PATIENCE)))
        self.server.start()
        self.assert_serves()
        self.assertRaises(RuntimeError, self.server.start)

    def test_the_port_is_unknown_before_the_start(self) -> None:
        """The property raises an error."""
        self.assertRaises(RuntimeError, lambda: HTTPServer(self.app, self.config).port)


class OurService(APIServerMixin):
    """A class of a host application."""

    def api_application(self) -> SmallApplication:
        return SmallApplication()

    def api_config(self) -> APIConfig:
        return APIConfig(port=0)


class TestMixin(ServerTestCase):
    def test_the_mixin_serves_the_application_of_the_class(self) -> None:
        """It starts and stops a server for the application that the class returns."""
        service = OurService()
        self.assertRaises(RuntimeError, lambda: service.api_url)
        service.start_api()
        self.addCleanup(service.stop_api)
        self.assertTrue(service.api_url.startswith("http://127.0.0.1:"))
        self.assertRaises(RuntimeError, service.start_api)
        service.stop_api()
        service.stop_api()

    def test_a_class_without_an_application_gets_an_error(self) -> None:
        """The message names the method to define."""
        self.assertIn("api_application", str(self.assertRaises(NotImplementedError, APIServerMixin().start_api)))
