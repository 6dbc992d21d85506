"""Property-based tests of the parser: random input causes no traceback, no hang and no second response to a request."""

from __future__ import annotations

import dataclasses
import io
import re
import socket
from contextlib import suppress

from fixtures import FakeLogger
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testtools import TestCase

from baremetal_sdk.http.body import RequestBody
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.request_head import HTTPError, RequestHead, take_head
from tests.fixtures.sockets import Client, ServerTestCase

LIMITS = HTTPLimits(max_head_bytes=2048, max_headers=20, max_target_bytes=512, max_body_bytes=4096)
BOUNDED = settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

PIECES = st.sampled_from(
    [
        b"GET", b"POST", b" ", b"/", b"/a?b", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"Host: x\r\n",
        b"Content-Length: 5\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding", b":", b"\x00",
        b"chunked", b",", b"5", b"0", b"\r\n5\r\nhello\r\n0\r\n\r\n", b"hello", b"\t", b"\xff", b"Expect: 100-continue\r\n", b"_",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
)  # fmt: skip
STREAMS = st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def parse_requests(pieces: list[bytes]) -> list[object]:
    """Return the requests, with their bodies, in input that arrives in *pieces*. The status of an error is the last item."""
    found: list[object] = []
    buffer, scanned = bytearray(), 0
    head: RequestHead | None = None
    body: RequestBody | None = None
    try:
        for piece in pieces:
            buffer += piece
            while True:
                if head is None or body is None:
                    head = take_head(buffer, scanned, LIMITS)
                    if head is None:
                        scanned = len(buffer)
                        break
                    scanned, body = 0, RequestBody(head, LIMITS, BodyBudget(LIMITS.max_spooled_bytes))
                if not body.feed(buffer):
                    break
                found.append((head.method, head.target, tuple(head.headers.items()), body.content.read()))
                head = body = None
    except HTTPError as exc:
        found.append(exc.status)
    return found


def parse_statuses(responses: bytes) -> list[int]:
    """Return the final statuses in *responses*. Raises ``AssertionError`` if a response has no length or is incomplete."""
    found: list[int] = []
    while responses:
        head, end, rest = responses.partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        found.append(int(head.removeprefix(b"HTTP/1.1 ")[:3]))
        size = int(length[1]) if length else 0
        if not end or len(rest) < size:
            raise AssertionError(f"incomplete response: {responses!r}")
        responses = rest[size:]
    return [status for status in found if status >= 200]


class TestServer(ServerTestCase):
    config = dataclasses.replace(ServerTestCase.config, max_request_body_size=LIMITS.max_body_bytes)

    def test_the_server_answers_any_bytes(self) -> None:
        """Over a socket, the server sends one response for each request, one for an error, and then closes the connection."""
        log = self.useFixture(FakeLogger())

        @settings(BOUNDED, max_examples=200)
        @given(STREAMS)
        def check(stream: bytes) -> None:
            client = Client(self.server.port).send(stream)
            with suppress(OSError):
                client.socket.shutdown(socket.SHUT_WR)
            statuses = parse_statuses(client.rest())
            client.close()
            found = parse_requests([stream])
            assert bool(found) == bool(statuses) and len(statuses) <= len(found), (stream, statuses)

        check()
        self.assert_serves()
        self.assertNotIn("Traceback", log.output)


class TestParser(TestCase):
    def test_any_bytes_are_requests_or_errors(self) -> None:
        """The parser raises nothing else than HTTPError with a status for the response."""

        @BOUNDED
        @given(STREAMS)
        def check(stream: bytes) -> None:
            for outcome in parse_requests([stream]):
                if isinstance(outcome, int):
                    assert 400 <= outcome < 600

        check()

    def test_splitting_the_input_does_not_change_the_requests(self) -> None:
        """Input in one piece and in many pieces yields the same requests up to an error."""

        @BOUNDED
        @given(STREAMS, CUTS)
        def check(stream: bytes, cuts: list[int]) -> None:
            pieces, position = [], 0
            while position < len(stream):
                pieces.append(stream[position : position + cuts[len(pieces) % len(cuts)]])
                position += len(pieces[-1])
            whole = [request for request in parse_requests([stream]) if not isinstance(request, int)]
            cut = [request for request in parse_requests(pieces) if not isinstance(request, int)]
            assert whole == cut, (whole, cut)

        check()

    def test_input_behind_a_request_does_not_change_it(self) -> None:
        """The body is that of the request, and the input behind it is parsed independently."""

        @BOUNDED
        @given(st.binary(max_size=200), STREAMS)
        def check(content: bytes, rest: bytes) -> None:
            request = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)
            first, *others = parse_requests([request + rest])
            assert isinstance(first, tuple) and first[3] == content
            assert others == parse_requests([rest])

        check()

    def test_chunks_of_any_size_are_joined(self) -> None:
        """The split of the input does not matter, and the next request starts behind the last chunk."""

        @BOUNDED
        @given(st.lists(st.binary(min_size=1, max_size=100), max_size=8), st.sampled_from([b"%X", b"%x;a", b"000%x"]), CUTS)
        def check(chunks: list[bytes], size: bytes, cuts: list[int]) -> None:
            stream = io.BytesIO()
            stream.write(b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for chunk in chunks:
                stream.write((size if len(chunk) % 2 else b"%x") % len(chunk) + b"\r\n%b\r\n" % chunk)
            stream.write(b"0\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n")
            stream.seek(0)
            pieces = []
            while piece := stream.read(cuts[len(pieces) % len(cuts)]):
                pieces.append(piece)
            first, second = parse_requests(pieces)
            assert isinstance(first, tuple) and first[3] == b"".join(chunks)
            assert isinstance(second, tuple) and second[1] == b"/next"

        check()
