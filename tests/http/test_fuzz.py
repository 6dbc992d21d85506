"""The parser, fed with what nobody would send: no traceback, no hang, and never a second answer for one request."""

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


def requests_in(pieces: list[bytes]) -> list[object]:
    """What a connection makes of what comes in these pieces: requests with their bodies, and how it ended."""
    found: list[object] = []
    buffer, seen = bytearray(), 0
    head: RequestHead | None = None
    body: RequestBody | None = None
    try:
        for piece in pieces:
            buffer += piece
            while True:
                if head is None or body is None:
                    head = take_head(buffer, seen, LIMITS)
                    if head is None:
                        seen = len(buffer)
                        break
                    seen, body = 0, RequestBody(head, LIMITS, BodyBudget(LIMITS.max_spooled_bytes))
                if not body.feed(buffer):
                    break
                found.append((head.method, head.target, tuple(head.headers.items()), body.content.read()))
                head = body = None
    except HTTPError as exc:
        found.append(exc.status)
    return found


def statuses_in(answers: bytes) -> list[int]:
    """The statuses of what a server answered, which has to be answers with a length each, and nothing else."""
    found: list[int] = []
    while answers:
        head, end, rest = answers.partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        found.append(int(head.removeprefix(b"HTTP/1.1 ")[:3]))
        size = int(length[1]) if length else 0
        if not end or len(rest) < size:
            raise AssertionError(f"half an answer: {answers!r}")
        answers = rest[size:]
    return [status for status in found if status >= 200]


class TestServer(ServerTestCase):
    config = dataclasses.replace(ServerTestCase.config, max_request_body_size=LIMITS.max_body_bytes)

    def test_any_bytes_are_answered_once_each(self) -> None:
        """By a server, over its socket: an answer for each request that is there, one for what is refused, and then the end."""
        log = self.useFixture(FakeLogger())

        @settings(BOUNDED, max_examples=200)
        @given(STREAMS)
        def check(stream: bytes) -> None:
            client = Client(self.server.port).send(stream)
            with suppress(OSError):
                client.socket.shutdown(socket.SHUT_WR)
            statuses = statuses_in(client.rest())
            client.close()
            found = requests_in([stream])
            assert bool(found) == bool(statuses) and len(statuses) <= len(found), (stream, statuses)

        check()
        self.assert_serves()
        self.assertNotIn("Traceback", log.output)


class TestParser(TestCase):
    def test_any_bytes_are_requests_or_refused(self) -> None:
        """Nothing else is raised, and what is refused is an answer of its own."""

        @BOUNDED
        @given(STREAMS)
        def check(stream: bytes) -> None:
            for outcome in requests_in([stream]):
                if isinstance(outcome, int):
                    assert 400 <= outcome < 600

        check()

    def test_how_bytes_are_cut_makes_no_other_requests(self) -> None:
        """What arrives at once and what arrives bit by bit is understood alike, up to where it is refused."""

        @BOUNDED
        @given(STREAMS, CUTS)
        def check(stream: bytes, cuts: list[int]) -> None:
            pieces, at, number = [], 0, 0
            while at < len(stream):
                pieces.append(stream[at : at + cuts[number % len(cuts)]])
                at, number = at + len(pieces[-1]), number + 1
            whole = [one for one in requests_in([stream]) if not isinstance(one, int)]
            cut = [one for one in requests_in(pieces) if not isinstance(one, int)]
            assert whole == cut, (whole, cut)

        check()

    def test_a_request_in_front_of_anything_is_one_request(self) -> None:
        """Its body is its own, and what follows is judged by itself."""

        @BOUNDED
        @given(st.binary(max_size=200), STREAMS)
        def check(content: bytes, rest: bytes) -> None:
            request = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)
            first, *others = requests_in([request + rest])
            assert isinstance(first, tuple) and first[3] == content
            assert others == requests_in([rest])

        check()

    def test_chunks_of_any_size_are_put_together(self) -> None:
        """However they are cut, and the next request begins behind them."""

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
            first, second = requests_in(pieces)
            assert isinstance(first, tuple) and first[3] == b"".join(chunks)
            assert isinstance(second, tuple) and second[1] == b"/next"

        check()
