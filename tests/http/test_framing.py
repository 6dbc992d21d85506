"""Requests that two servers could understand differently: each is answered once, and what follows it is never a request."""

from __future__ import annotations

import re

from fixtures import FakeLogger

from tests.fixtures.sockets import ServerTestCase

POST = b"POST /p HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

REFUSED = {
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, the other way round": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "lengths that differ": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a length twice": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": POST + b"Content-Length: -1\r\n\r\nhello",
    "a length with an underscore": POST + b"Content-Length: 1_0\r\n\r\nhellohello",
    "a length in hexadecimal": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "a length with a fraction": POST + b"Content-Length: 5.0\r\n\r\nhello",
    "a length in other digits": POST + "Content-Length: \u0665\r\n\r\nhello".encode(),
    "an empty length": POST + b"Content-Length:\r\n\r\nhello",
    "a space before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "a tab before the colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two headers": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, and not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an encoding that is like chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a control character": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /p HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": POST + b"X: y\r\n Content-Length: 5\r\n\r\nhello",
    "a header before it that is folded": POST + b" X: y\r\n\r\n",
    "a bare CR in a value": POST + b"X: y\rContent-Length: 5\r\n\r\nhello",
    "a bare LF between headers": POST + b"X: y\nContent-Length: 5\r\n\r\nhello",
    "a bare LF at the end": b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    "a NUL in a value": POST + b"X: y\x00z\r\n\r\n",
    "a NUL in a name": POST + b"Content\x00-Length: 5\r\n\r\nhello",
    "a NUL in the path": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "an empty Host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "a Host with a path": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a Host with a user": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "an underscore in a name": b"GET / HTTP/1.1\r\nHost: x\r\nX_Real_Ip: 1\r\n\r\n",
    "a name that is none": b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "a line without a colon": b"GET / HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n",
    "a second space in the request line": b"GET /  HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab in the request line": b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "another version": b"GET / HTTP/1.10\r\nHost: x\r\n\r\n",
    "a version in small letters": b"GET / http/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a chunk size with a sign": POST + b"Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "a chunk size with 0x": POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk size with an underscore": POST + b"Transfer-Encoding: chunked\r\n\r\n1_0\r\nhello\r\n0\r\n\r\n",
    "a chunk size with a space before it": POST + b"Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n",
    "an empty chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n",
    "a negative chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "a huge chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than its size": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
    "a chunk that ends in LF": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
    "a chunk size that ends in LF": POST + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "a chunk extension with a bare CR": POST + b"Transfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n",
    "a chunk extension without end": POST + b"Transfer-Encoding: chunked\r\n\r\n5;" + b"a" * 5000,
    "a trailer without end": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: t\r\n" * 100,
    "a trailer that is no header": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
    "a trailer with a space before the colon": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n",
    "a folded trailer": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n",
    "a chunk size with a space behind it": POST + b"Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
    "extensions without end": POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1;" + b"a" * 4000 + b"\r\nx\r\n") * 20,
    "a trailer that ends in LF": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\n",
}


class TestFraming(ServerTestCase):
    def _answered(self, data: bytes) -> bytes:
        client = self.client().send(data)
        answers = client.rest()
        client.close()
        return answers

    def test_what_can_be_read_in_two_ways_is_refused_once_and_ends_its_connection(self) -> None:
        """Whole or byte by byte, and whatever comes behind it."""
        for name, data in REFUSED.items():
            answers = self._answered(data + SMUGGLED)
            self.assertTrue(re.match(rb"HTTP/1\.1 (400|501|505|413) ", answers), (name, answers[:200]))
            self.assertEqual(1, len(re.findall(rb"HTTP/1\.1 \d\d\d ", answers)), name)
            self.assertIn(b"Connection: close", answers, name)
        self.assertEqual([], self.app.served)

    def test_nearly_all_of_it_is_a_bad_request(self) -> None:
        """Clients look at the status; only what is no mistake of the framing has another one."""
        others = {name for name, data in REFUSED.items() if not self._answered(data + SMUGGLED).startswith(b"HTTP/1.1 400 ")}
        self.assertEqual({"another version", "a huge chunk size"}, others | {"a huge chunk size"})

    def test_it_does_not_matter_how_a_request_is_cut(self) -> None:
        """A request that comes in pieces is the same request; so is one that comes with others."""
        chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: t\r\n\r\n"
        plain = POST + b"Content-Length: 5\r\n\r\nhello"
        for data, body in ((chunked, b"abcde"), (plain, b"hello")):
            for cut in range(1, len(data), 7):
                client = self.client().send(data[:cut])
                client.send(data[cut:] + data).get("/", "Connection: close")
                self.assertEqual(2, client.rest().count(b"/p http " + body), (data, cut))
                client.close()

    def test_a_body_that_nobody_read_is_no_request(self) -> None:
        """The next request begins behind it, and the application never sees what lies in it."""
        inner = SMUGGLED
        for request in (
            b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(inner), inner),
            b"POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner),
        ):
            client = self.client().send(request + b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertEqual(2, client.rest().count(b"HTTP/1.1 200 OK"))
        self.assertNotIn("GET /smuggled", self.app.served)

    def test_everything_has_a_limit(self) -> None:
        """Headers in bytes and in number, the path, and the body however its length is told."""
        for status, data in (
            (431, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000 + b"\r\n\r\n"),
            (431, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: y\r\n" % number for number in range(120)) + b"\r\n"),
            (431, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000),
            (414, b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
            (413, POST + b"Content-Length: 1025\r\n\r\n"),
            (413, POST + b"Transfer-Encoding: chunked\r\n\r\n401\r\n"),
            (413, POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"200\r\n" + b"x" * 512 + b"\r\n201\r\n"),
            (417, POST + b"Expect: the-unexpected\r\nContent-Length: 1\r\n\r\nx"),
            (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ):
            answers = self._answered(data)
            self.assertTrue(answers.startswith(b"HTTP/1.1 %d " % status), (data[:90], answers[:90]))
        self.assertEqual([], self.app.served)

    def test_chunks_have_a_limit_in_number(self) -> None:
        """Each costs work, however small it is."""
        self.server = self.configured(max_request_body_size=100_000)
        chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
        for chunk, count in ((b"1\r\nx\r\n", 66_000), (b"1;\r\nx\r\n", 5_000)):  # what nobody needs has less room
            self.assertTrue(self._answered(chunked + chunk * count).startswith(b"HTTP/1.1 400 "))
        last = b"0\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        served = self._answered(chunked + b"1\r\nx\r\n" * 60_000 + last)
        self.assertEqual(2, served.count(b"HTTP/1.1 200 "))

    def test_a_body_in_chunks_has_a_length_like_any_other(self) -> None:
        """The application need not know how it came."""
        self._answered(POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        self.assertEqual("3", self.app.environ["CONTENT_LENGTH"])
        self.assertNotIn("HTTP_TRANSFER_ENCODING", self.app.environ)


class TestAnswers(ServerTestCase):
    """What an application gives back becomes an answer that can be read in one way only."""

    def _app(self, status: str, headers: list[tuple[str, str]], pieces: list[bytes]) -> None:
        def app(environ: object, start_response: object) -> list[bytes]:
            start_response(status, headers)  # type: ignore[operator]
            return pieces

        self.app = app  # type: ignore[assignment]
        self.app.release = self.release  # type: ignore[attr-defined]
        self.server = self.serve(self.config)

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(FakeLogger())
        self.release = self.app.release

    def test_an_answer_without_a_body_has_none(self) -> None:
        """Neither to HEAD nor with a status that has none, whatever the application gave."""
        self._app("200 OK", [("Content-Length", "5")], [b"hello"])
        client = self.client().send(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertTrue(client.rest().endswith(b"\r\n\r\n"))
        self._app("204 No Content", [], [b"hello"])
        answers = self.client().get("/").get("/", "Connection: close").rest()
        self.assertEqual((2, True), (answers.count(b"HTTP/1.1 204 "), answers.endswith(b"\r\n\r\n")))

    def test_a_header_with_a_line_break_is_an_error_of_the_application(self) -> None:
        """It could split the answer in two."""
        for value in ("a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b"):
            self._app("200 OK", [("X", value)], [b"hello"])
            answer = self.client().get("/").rest()
            self.assertTrue(answer.startswith(b"HTTP/1.1 500 "), answer)
            self.assertNotIn(b"Set-Cookie", answer)

    def test_an_answer_that_is_shorter_or_longer_than_it_says_ends_its_connection(self) -> None:
        """The client does not take the next answer for the rest of this one."""
        self._app("200 OK", [("Content-Length", "9")], [b"hello"])
        self.assertTrue(self.client().get("/").get("/").rest().endswith(b"\r\n\r\nhello"))
        self._app("200 OK", [("Content-Length", "3")], [b"hello"])
        self.assertTrue(self.client().get("/").rest().startswith(b"HTTP/1.1 500 "))

    def test_headers_of_the_connection_are_the_servers_alone(self) -> None:
        """An application can have the connection ended, and says nothing of how its answer is framed."""
        said = [("Transfer-Encoding", "chunked"), ("Connection", "keep-alive"), ("Upgrade", "h2c"), ("Content-Length", "5")]
        self._app("200 OK", said, [b"hello"])
        answers = self.client().get("/").get("/", "Connection: close").rest()
        self.assertEqual((2, 1), (answers.count(b"\r\n\r\nhello"), answers.count(b"\r\nConnection: ")))
        for name in (b"Transfer-Encoding", b"Upgrade", b"keep-alive"):
            self.assertNotIn(name, answers)
        self._app("200 OK", [("Connection", "close")], [b"hello"])
        self.assertEqual(1, self.client().get("/").get("/").rest().count(b"HTTP/1.1 200 "))

    def test_a_length_that_is_none_is_an_error_of_the_application(self) -> None:
        """Python takes more for a number than HTTP does."""
        for length in ("+5", "1_0", "-1", "five", " 5"):
            self._app("200 OK", [("Content-Length", length)], [])
            self.assertTrue(self.client().get("/").rest().startswith(b"HTTP/1.1 500 "), length)

    def test_an_application_that_answers_nothing_is_a_500(self) -> None:
        """Without a status, or with one that is none."""
        for status in ("fine", "200", "20 OK"):
            self._app(status, [], [])
            self.assertTrue(self.client().get("/").rest().startswith(b"HTTP/1.1 500 "), status)
