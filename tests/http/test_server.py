"""The HTTP server: what it serves, what it survives, and how it stops."""

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
        """Port 0 takes a free port, which the URL names."""
        self.assertEqual(f"http://127.0.0.1:{self.server.port}", self.server.url)
        self.assert_serves()

    def test_an_address_that_is_taken_is_named_with_the_reason(self) -> None:
        """A server that cannot listen does not start."""
        other = HTTPServer(self.app, APIConfig(port=self.server.port))
        error = self.assertRaises(ConfigurationError, other.start)
        for word in ("host_ip", "127.0.0.1", str(self.server.port), "in use"):
            self.assertIn(word, str(error))
        self.assertRaises(ConfigurationError, HTTPServer(self.app, APIConfig(host_ip="192.0.2.1", port=0)).start)

    def test_a_connection_serves_many_requests(self) -> None:
        """Connections are kept, also when requests do not wait for answers."""
        client = self.client()
        for number in range(5):
            self.assertTrue(client.get(f"/{number}").answer().endswith(b"/%d http " % number))
        client.get("/a").get("/b", "Connection: close")
        answers = client.rest()
        self.assertEqual([b"/a", b"/b"], re.findall(rb"(/[ab]) http", answers))
        self.assertIn(b"Connection: close", answers)

    def test_bodies_are_read_whole(self) -> None:
        """With a length or in chunks, the application reads what was sent."""
        client = self.client()
        client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        self.assertTrue(client.answer().endswith(b"hello"))
        client.send(
            b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
        )
        self.assertTrue(client.answer().endswith(b"abcde"))
        self.assertTrue(client.get("/next").answer().endswith(b"/next http "))

    def test_a_client_that_asks_is_told_to_go_on(self) -> None:
        """Expect: 100-continue is answered before the body is read."""
        client = self.client()
        client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        self.assertIn(b"100 Continue", client.answer())
        self.assertTrue(client.send(b"ok").answer().endswith(b"ok"))

    def test_an_answer_without_a_length_is_sent_in_chunks(self) -> None:
        """The client knows where it ends."""
        answer = self.client().get("/stream", "Connection: close").rest()
        self.assertIn(b"Transfer-Encoding: chunked", answer)
        self.assertTrue(answer.endswith(b"/stream http \r\n0\r\n\r\n"))

    def test_http_1_0_is_spoken(self) -> None:
        """Its connections end with the answer."""
        answer = self.client().send(b"GET /old HTTP/1.0\r\n\r\n").rest()
        self.assertTrue(answer.endswith(b"/old http "))

    def test_a_lost_client_is_no_error(self) -> None:
        """Clients that go away in the middle leave no trace in the log but at level DEBUG."""
        log = self.useFixture(FakeLogger(level=20))
        for data in (b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", b""):
            self.client().send(data).close()
        self.assert_serves()
        self.assertEqual("", log.output)


class TestSlowClients(ServerTestCase):
    config = dataclasses.replace(
        ServerTestCase.config, max_threads=2, request_timeout=0.4, header_timeout=0.4, slow_client_grace_period=0.4
    )

    def test_silent_clients_cost_no_thread(self) -> None:
        """With two threads, fifty clients that say nothing keep nobody waiting until their time is over."""
        server = self.configured(request_timeout=PATIENCE * 6)
        silent = [self.client(server) for _ in range(50)]
        self.assert_serves(server)
        self.assertEqual(50, len(silent))

    def test_the_time_of_silent_clients_ends(self) -> None:
        """A connection on which nothing comes is closed."""
        silent = [self.client() for _ in range(5)]
        self.assertEqual({b""}, {client.rest() for client in silent})

    def test_a_request_that_drips_is_ended(self) -> None:
        """The deadline is for the whole of the headers: a byte now and then does not put it off."""
        client = self.client()
        client.socket.settimeout(0.05)
        ended = Deadline.after(PATIENCE)
        dripped = 0
        for byte in b"GET /" + b"x" * 1000:
            client.send(bytes([byte]))
            dripped += 1
            try:
                answer = client.socket.recv(65536)
                break
            except TimeoutError:
                ended.check("a slow client to be ended")
        self.assertIn(b"408", answer)
        self.assertLess(dripped, 100)
        self.assert_serves()

    def test_a_body_that_does_not_come_is_ended(self) -> None:
        """The application is not asked to wait for ever, and the client learns why."""
        client = self.client().send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        self.assertIn(b"408 Request Timeout", client.rest())
        self.assert_serves()


class TestStrictness(ServerTestCase):
    def _refused(self, request: bytes, status: int) -> None:
        before = len(self.app.served)
        client = self.client().send(request)
        answer = client.rest()
        client.close()
        self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), (request[:80], answer[:200]))
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertIn(b"Connection: close", head)
        self.assertIn("faultstring", json.loads(json.loads(body)["error_message"]))
        self.assertEqual(before, len(self.app.served), "the application must not see it")

    def test_what_is_no_request_is_refused(self) -> None:
        """Each is answered once, in the clients' format, and ends its connection."""
        for request in (
            b"garbage\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
            b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / SPDY/1\r\nHost: x\r\n\r\n",
            b"GET x HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /#f HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
        ):  # fmt: skip
            self._refused(request, 400)
        self._refused(b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505)
        self.assert_serves()

    def test_framing_that_can_be_read_in_two_ways_is_refused(self) -> None:
        """Nothing is smuggled: not with two lengths, not with a length and chunks, not with odd spellings."""
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
            self._refused(b"POST / HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\nhello", status)

    def test_chunks_are_read_strictly(self) -> None:
        """A size that is not in hexadecimal digits ends the connection, whatever the application answered."""
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

    def test_headers_with_underscores_do_not_stand_in_for_others(self) -> None:
        """WSGI could not tell X_Real_Ip from X-Real-Ip: whoever sends the first is refused."""
        for name in (b"X_Real_Ip", b"Content_Length", b"_", b"Host_"):
            self._refused(b"GET / HTTP/1.1\r\nHost: x\r\n" + name + b": 5\r\n\r\n", 400)

    def test_too_much_is_refused(self) -> None:
        """Headers and bodies have limits, however the length is told."""
        self._refused(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 70000 + b"\r\n\r\n", 431)
        self._refused(b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n", 431)
        self._refused(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1025\r\n\r\n", 413)
        chunked = b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for chunks in (
            b"401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n",
            b"200\r\n" + b"x" * 512 + b"\r\n401\r\n",
            b"fffffffffffffff\r\n",
        ):
            self.assertTrue(self.client().send(chunked + chunks).rest().startswith(b"HTTP/1.1 413 "))
        self.assert_serves()

    def test_what_nobody_read_does_not_become_a_request(self) -> None:
        """A body that the application left is taken off the connection, or the connection ends."""
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
    def test_whatever_the_application_raises_is_one_500(self) -> None:
        """SystemExit included: the answer is in the clients' format, has the request's id, and the server goes on."""
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

    def test_a_failure_in_the_middle_of_an_answer_ends_the_connection(self) -> None:
        """The client sees that the answer is not whole, and the server goes on."""
        self.useFixture(FakeLogger())
        answer = self.client().get("/break").rest()
        self.assertTrue(answer.endswith(b"half"), answer)
        for _ in range(10):
            self.client().get("/break").rest()
        self.assert_serves()


class TestStopping(ServerTestCase):
    def test_a_running_request_ends_and_is_answered(self) -> None:
        """Stopping waits for it, and for nothing else."""
        busy, idle = self.client().get("/hang"), self.client()
        self.assertTrue(idle.get("/idle").answer())
        self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        self.app.release.set()
        self.assertTrue(self.server.stop(Deadline.after(PATIENCE)))
        answer = busy.rest()
        self.assertIn(b"200 OK", answer)
        self.assertEqual(b"", idle.rest())

    def test_a_stopped_server_refuses_connections(self) -> None:
        """The port is free again."""
        port = self.server.port
        self.server.stop(Deadline.after(PATIENCE))
        self.assertRaises(ConnectionRefusedError, Client, port)
        again = self.configured(port=port)
        self.assert_serves(again)

    def test_stopping_ends_in_time_whatever_requests_do(self) -> None:
        """A request that never ends does not keep the process."""
        self.useFixture(FakeLogger())
        stuck = [self.client().get("/hang") for _ in range(6)]
        for _ in range(4):
            self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
        started = time.monotonic()
        self.assertFalse(self.server.stop(Deadline.after(0.3)))
        self.assertLess(time.monotonic() - started, PATIENCE / 2)
        self.assertEqual({b""}, {client.rest() for client in stuck})

    def test_stopping_twice_and_starting_again_works(self) -> None:
        """A server that has stopped can be started again, on a new port."""
        self.assertTrue(self.server.stop(Deadline.after(PATIENCE)))
        self.assertTrue(self.server.stop(Deadline.after(PATIENCE)))
        self.server.start()
        self.assert_serves()
        self.assertRaises(RuntimeError, self.server.start)

    def test_what_has_not_started_has_no_port(self) -> None:
        """It says so."""
        self.assertRaises(RuntimeError, lambda: HTTPServer(self.app, self.config).port)


class OurService(APIServerMixin):
    """A host application's own class."""

    def api_application(self) -> SmallApplication:
        return SmallApplication()

    def api_config(self) -> APIConfig:
        return APIConfig(port=0)


class TestMixin(ServerTestCase):
    def test_a_class_of_a_host_application_serves_what_it_says(self) -> None:
        """The mixin starts and stops a server around the application that the class names."""
        service = OurService()
        self.assertRaises(RuntimeError, lambda: service.api_url)
        service.start_api()
        self.addCleanup(service.stop_api)
        self.assertTrue(service.api_url.startswith("http://127.0.0.1:"))
        self.assertRaises(RuntimeError, service.start_api)
        service.stop_api()
        service.stop_api()

    def test_a_class_that_does_not_say_what_to_serve_is_told(self) -> None:
        """The message names the method to define."""
        self.assertIn("api_application", str(self.assertRaises(NotImplementedError, APIServerMixin().start_api)))
