"""Ambiguous requests, which two servers could understand differently, and ambiguous responses of applications."""

from __future__ import annotations

import re

from fixtures import FakeLogger

from tests.fixtures.sockets import ServerTestCase

POST = b"POST /p HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

AMBIGUOUS = {
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
    "an absolute target with a user": b"GET http://u:p@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute target without a host": b"GET http:///p HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute target with a comma": b"GET http://x,y/p HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute target without Host": b"GET http://x/p HTTP/1.1\r\nX: y\r\n\r\n",
    "an absolute target and a wrong Host": b"GET http://x/p HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "an absolute target of another scheme": b"GET ftp://x/p HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute target without a scheme": b"GET ://x/p HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute target with a fragment": b"GET http://x/p#f HTTP/1.1\r\nHost: x\r\n\r\n",
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
    def _exchange(self, data: bytes) -> bytes:
        client = self.client().send(data)
        answers = client.rest()
        client.close()
        return answers

    def test_ambiguous_requests_are_rejected_once_and_close_the_connection(self) -> None:
        """The input behind them is never a request."""
        for name, data in AMBIGUOUS.items():
            answers = self._exchange(data + SMUGGLED)
            self.assertTrue(re.match(rb"HTTP/1\.1 (400|501|505|413) ", answers), (name, answers[:200]))
            self.assertEqual(1, len(re.findall(rb"HTTP/1\.1 \d\d\d ", answers)), name)
            self.assertIn(b"Connection: close", answers, name)
        self.assertEqual([], self.app.served)

    def test_nearly_all_ambiguous_requests_get_status_400(self) -> None:
        """Only requests without a framing error get another status."""
        others = {name for name, data in AMBIGUOUS.items() if not self._exchange(data + SMUGGLED).startswith(b"HTTP/1.1 400 ")}
        self.assertEqual({"another version", "a huge chunk size"}, others | {"a huge chunk size"})

    def test_splitting_a_request_does_not_change_it(self) -> None:
        """A request in pieces is the same request, and so is a request followed by others."""
        chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: t\r\n\r\n"
        plain = POST + b"Content-Length: 5\r\n\r\nhello"
        for data, body in ((chunked, b"abcde"), (plain, b"hello")):
            for cut in range(1, len(data), 7):
                client = self.client().send(data[:cut])
                client.send(data[cut:] + data).get("/", "Connection: close")
                self.assertEqual(2, client.rest().count(b"/p http " + body), (data, cut))
                client.close()

    def test_an_unread_body_is_not_a_request(self) -> None:
        """The next request starts behind the body, and the application never sees its content as a request."""
        inner = SMUGGLED
        for request in (
            b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(inner), inner),
            b"POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner),
        ):
            client = self.client().send(request + b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertEqual(2, client.rest().count(b"HTTP/1.1 200 OK"))
        self.assertNotIn("GET /smuggled", self.app.served)

    def test_all_parts_of_a_request_have_limits(self) -> None:
        """The limits apply to bytes and number of headers, to the path, and to bodies with a length or in chunks."""
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
            answers = self._exchange(data)
            self.assertTrue(answers.startswith(b"HTTP/1.1 %d " % status), (data[:90], answers[:90]))
        self.assertEqual([], self.app.served)

    def test_the_number_of_chunks_is_limited(self) -> None:
        """Each chunk costs work, however small it is."""
        self.server = self.configured(max_request_body_size=100_000)
        chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
        for chunk, count in ((b"1\r\nx\r\n", 66_000), (b"1;\r\nx\r\n", 5_000)):  # extensions have a lower limit
            self.assertTrue(self._exchange(chunked + chunk * count).startswith(b"HTTP/1.1 400 "))
        last = b"0\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        served = self._exchange(chunked + b"1\r\nx\r\n" * 60_000 + last)
        self.assertEqual(2, served.count(b"HTTP/1.1 200 "))

    def test_a_chunked_body_gets_a_content_length(self) -> None:
        """The application does not need to know the encoding."""
        self._exchange(POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        self.assertEqual("3", self.app.environ["CONTENT_LENGTH"])
        self.assertNotIn("HTTP_TRANSFER_ENCODING", self.app.environ)


class TestAbsoluteTargets(ServerTestCase):
    def test_the_target_in_absolute_form_is_served_and_its_host_counts(self) -> None:
        """RFC 9112, section 3.2.2. The path may be empty, and the scheme may be in capital letters."""
        for target, host, path, query in (
            ("http://a.example:81/p/q?x=/y", "a.example:81", "/p/q", "x=/y"),
            ("HTTPS://[::1]:8/p", "[::1]:8", "/p", ""),
            ("http://a.example", "a.example", "/", ""),
            ("http://a.example?x=1", "a.example", "/", "x=1"),
            ("http://a.example/http://b.example/", "a.example", "/http://b.example/", ""),
        ):
            client = self.client().send(f"GET {target} HTTP/1.1\r\nHost: other.example\r\n\r\n".encode())
            self.assertIn(b"200 OK", client.answer(), target)
            served = {name: self.app.environ[name] for name in ("HTTP_HOST", "PATH_INFO", "QUERY_STRING", "wsgi.url_scheme")}
            expected = {"HTTP_HOST": host, "PATH_INFO": path, "QUERY_STRING": query, "wsgi.url_scheme": "http"}
            self.assertEqual(expected, served, target)

    def test_old_clients_need_no_host_header(self) -> None:
        """HTTP/1.0 has no Host header. The absolute target then names the host."""
        self.assertIn(b"200 OK", self.client().send(b"GET http://a.example/p HTTP/1.0\r\n\r\n").rest())
        self.assertEqual("a.example", self.app.environ["HTTP_HOST"])


class TestResponses(ServerTestCase):
    """The response of an application is sent so that it can be read in one way only."""

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

    def test_responses_without_a_body_have_none(self) -> None:
        """A response to HEAD or with status 204 has no body, whatever the application returns."""
        self._app("200 OK", [("Content-Length", "5")], [b"hello"])
        client = self.client().send(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertTrue(client.rest().endswith(b"\r\n\r\n"))
        self._app("204 No Content", [], [b"hello"])
        answers = self.client().get("/").get("/", "Connection: close").rest()
        self.assertEqual(2, answers.count(b"HTTP/1.1 204 "))
        self.assertTrue(answers.endswith(b"\r\n\r\n"))

    def test_a_header_with_a_line_break_causes_status_500(self) -> None:
        """The line break could split the response in two."""
        for value in ("a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b"):
            self._app("200 OK", [("X", value)], [b"hello"])
            answer = self.client().get("/").rest()
            self.assertTrue(answer.startswith(b"HTTP/1.1 500 "), answer)
            self.assertNotIn(b"Set-Cookie", answer)

    def test_a_response_with_a_wrong_length_closes_the_connection(self) -> None:
        """The client does not take the next response for the rest of this one."""
        self._app("200 OK", [("Content-Length", "9")], [b"hello"])
        self.assertTrue(self.client().get("/").get("/").rest().endswith(b"\r\n\r\nhello"))
        self._app("200 OK", [("Content-Length", "3")], [b"hello"])
        self.assertTrue(self.client().get("/").rest().startswith(b"HTTP/1.1 500 "))

    def test_applications_cannot_set_hop_by_hop_headers(self) -> None:
        """An application can close the connection, but cannot change the framing of its response."""
        headers = [("Transfer-Encoding", "chunked"), ("Connection", "keep-alive"), ("Upgrade", "h2c"), ("Content-Length", "5")]
        self._app("200 OK", headers, [b"hello"])
        answers = self.client().get("/").get("/", "Connection: close").rest()
        self.assertEqual(2, answers.count(b"\r\n\r\nhello"))
        self.assertEqual(1, answers.count(b"\r\nConnection: "))
        for name in (b"Transfer-Encoding", b"Upgrade", b"keep-alive"):
            self.assertNotIn(name, answers)
        self._app("200 OK", [("Connection", "close")], [b"hello"])
        self.assertEqual(1, self.client().get("/").get("/").rest().count(b"HTTP/1.1 200 "))

    def test_an_invalid_length_causes_status_500(self) -> None:
        """Python accepts more spellings of numbers than HTTP does."""
        for length in ("+5", "1_0", "-1", "five", " 5"):
            self._app("200 OK", [("Content-Length", length)], [])
            self.assertTrue(self.client().get("/").rest().startswith(b"HTTP/1.1 500 "), length)

    def test_an_invalid_status_causes_status_500(self) -> None:
        """A status consists of three digits and a reason."""
        for status in ("fine", "200", "20 OK"):
            self._app(status, [], [])
            self.assertTrue(self.client().get("/").rest().startswith(b"HTTP/1.1 500 "), status)
