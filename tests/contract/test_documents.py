"""Limits for the cost of JSON documents from foreign servers, and the readers that have to apply them."""

from __future__ import annotations

import ast
import json
import tracemalloc
from typing import Any

from testtools import TestCase
from testtools.matchers import LessThan

from baremetal_interfaces import Busy, Deadline
from baremetal_interfaces.http import BadAnswer, HTTPSession, TooLarge, decode_document, set_max_document_bytes
from baremetal_interfaces.http.documents import DEFAULT_MAX_DOCUMENT_BYTES, LARGE_FACTOR, MAX_DEPTH, decoding_slot
from tests.fixtures.raw_server import RawServer, answer, answering
from tests.sources import all_sources

_MANY_VALUES = b"[" + b'{"b":1},' * 120_000 + b"1]"
"""A document of less than one megabyte that would take 30 MB and many milliseconds."""
_LARGE_REGISTRY = json.dumps(
    [{"AttributeName": f"Attribute{number:05}", "Type": "Enumeration"} for number in range(20_000)]
).encode()


_READERS = (
    "baremetal_interfaces.http",
    "baremetal_redfish",
    "baremetal_ipmi",
    "baremetal_ironic_bridge",
    "baremetal_sdk.api.framework",
    "baremetal_sdk.rpc",
)


def _nest(levels: int) -> bytes:
    return b"[" * levels + b'"[[["' + b"]" * levels


class DecodeTest(TestCase):
    def test_number_of_values_is_limited(self) -> None:
        """A document with too many values is refused before it is decoded, so that it takes no memory."""
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        failure = self.assertRaises(BadAnswer, decode_document, _MANY_VALUES, max_values=65536)
        self.assertThat(tracemalloc.get_traced_memory()[1], LessThan(len(_MANY_VALUES)))
        self.assertIn("the maximum is 65536 values", str(failure))

    def test_depth_is_limited(self) -> None:
        """A document that is nested too deeply is refused by name; brackets in texts do not count as levels."""
        self.assertIsInstance(decode_document(_nest(MAX_DEPTH), max_values=4096), list)
        for levels in (MAX_DEPTH + 1, 900, 3000):
            failure = self.assertRaises(BadAnswer, decode_document, _nest(levels), max_values=4096)
            self.assertIn(f"more than {MAX_DEPTH} levels", str(failure))

    def test_what_is_not_json_is_refused(self) -> None:
        """A body that is no JSON document, or has an integer of excessive length, is refused."""
        for body in (b"", b"<html>", b'{"a":', b"\xff", b"9" * 5000):
            self.assertRaises(BadAnswer, decode_document, body, max_values=4096)

    def test_one_large_document_at_a_time(self) -> None:
        """While a large document is decoded, others wait until their deadline, and small ones do not wait."""
        with decoding_slot:
            refused = self.assertRaises(Busy, decode_document, _LARGE_REGISTRY, max_values=100_000, deadline=Deadline.after(0.01))
            self.assertEqual({"a": 1}, decode_document(b'{"a": 1}', max_values=100, deadline=Deadline.after(0.01)))
        self.assertIsNotNone(refused.retry_after)
        self.assertEqual(20_000, len(decode_document(_LARGE_REGISTRY, max_values=100_000, deadline=Deadline.after(10))))

    def test_slot_is_free_after_a_failure(self) -> None:
        """A large document that is not JSON does not keep others waiting."""
        for _ in range(2):
            self.assertRaises(BadAnswer, decode_document, _LARGE_REGISTRY[:-1], max_values=100_000, deadline=Deadline.after(10))


class SessionTest(TestCase):
    def request(self, body: bytes, *, chunk: int = 0, max_response: int | None = None, **options: Any) -> Any:
        if chunk:
            pieces = (body[start : start + chunk] for start in range(0, len(body), chunk))
            framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"
        else:
            reply = answer(body)
        with RawServer(answering(reply)) as server:
            session = HTTPSession("http", "127.0.0.1", server.port, max_response=max_response)
            self.addCleanup(session.close)
            return session.request("GET", "/", deadline=Deadline.after(30), **options).json()

    def test_documents_are_ordinary_unless_the_request_says_otherwise(self) -> None:
        """The body of a response is limited by its kind: a document, or a document that is known to be large."""
        text = b'"%s"' % (b"x" * DEFAULT_MAX_DOCUMENT_BYTES)
        self.assertRaises(TooLarge, self.request, text)
        self.assertEqual(text[1:-1].decode(), self.request(text, large=True))
        self.assertRaises(TooLarge, self.request, text * LARGE_FACTOR, large=True)

    def test_values_are_limited_with_the_size(self) -> None:
        """The number of values that a response may have follows from its maximum size, also without Content-Length."""
        self.assertRaises(BadAnswer, self.request, _MANY_VALUES)
        self.assertRaises(BadAnswer, self.request, _MANY_VALUES, chunk=4096)
        self.assertEqual(120_001, len(self.request(_MANY_VALUES, max_response=16 * 1024 * 1024)))

    def test_limit_of_the_process(self) -> None:
        """The operator's limit applies to each session without its own one, and has to be positive."""
        self.addCleanup(set_max_document_bytes, DEFAULT_MAX_DOCUMENT_BYTES)
        set_max_document_bytes(1000)
        self.assertRaises(TooLarge, self.request, b'"%s"' % (b"x" * 1000))
        self.assertRaises(ValueError, set_max_document_bytes, 0)

    def test_small_chunks(self) -> None:
        """A body in chunks of any size is the same."""
        body = json.dumps(list(range(2000))).encode()
        for chunk in (1, 2, 7, 5000, 100_000):
            self.assertEqual(list(range(2000)), self.request(body, chunk=chunk))


class ReadersTest(TestCase):
    def test_bodies_are_decoded_with_limits(self) -> None:
        """No code that talks to a BMC, a conductor or a client decodes JSON except through the functions with limits."""
        found = []
        for source in all_sources():
            if source.module.startswith(_READERS):
                calls = (ast.unparse(node.func) for node in ast.walk(source.tree) if isinstance(node, ast.Call))
                found += [f"{source.module}: {name}" for name in calls if name.endswith(("json.loads", "json.load"))]
        self.assertEqual(
            [
                "baremetal_interfaces.http.documents: json.loads",
                # Names the invalid value of a body, after the same checks as the next one.
                "baremetal_sdk.api.framework.json_body: json.loads",
                "baremetal_sdk.api.framework.json_body: orjson.loads",
                "baremetal_sdk.rpc.codec: orjson.loads",
                # The text of an error within a decoded response.
                "baremetal_sdk.rpc.json_rpc_client: json.loads",
            ],
            sorted(found),
        )
