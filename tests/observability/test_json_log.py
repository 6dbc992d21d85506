"""The log as JSON."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from testtools import TestCase

import baremetal_sdk.observability.tracing  # noqa: F401 - whoever makes spans has imported it
from baremetal_sdk.context import RequestContext, current_request
from baremetal_sdk.observability.json_log import JSONFormatter
from baremetal_sdk.observability.node_log import NodeLog
from baremetal_sdk.observability.redaction import RedactingFilter, redact


class TestJSONFormatter(TestCase):
    """A handler with the formatter, and the filter that metald uses."""

    def setUp(self) -> None:
        super().setUp()
        self.written = io.StringIO()
        handler = logging.StreamHandler(self.written)
        handler.setFormatter(JSONFormatter())
        handler.addFilter(RedactingFilter())
        self.log = logging.Logger("test")
        self.log.addHandler(handler)

    def lines(self) -> list[dict[str, Any]]:
        """The objects, one a line."""
        return [json.loads(line) for line in self.written.getvalue().splitlines()]

    def test_a_line_names_its_request_and_its_node(self) -> None:
        """What a reader searches by is in members of their own."""
        token = current_request.set(RequestContext("req-1", "alice", "p"))
        self.addCleanup(current_request.reset, token)
        NodeLog(self.log, {"node": "n-1"}).warning("power is '%s'\nand stays", "off")
        (line,) = self.lines()
        self.assertEqual(("WARNING", "test", "n-1"), (line["level"], line["logger"], line["node"]))
        self.assertEqual(("req-1", "alice", "p"), (line["request_id"], line["user"], line["project"]))
        self.assertEqual("node n-1: power is 'off'\nand stays", line["message"])
        self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$")

    def test_text_that_is_no_utf_8_is_a_line_all_the_same(self) -> None:
        """What the name of a file holds that is not UTF-8 is escaped, and loses no line."""
        self.log.warning("%s cannot be read", b"/etc/caf\xe9".decode(errors="surrogateescape"))
        (line,) = self.lines()
        self.assertEqual("/etc/caf\udce9 cannot be read", line["message"])

    def test_a_line_names_the_span_that_goes_on(self) -> None:
        """A collector of logs finds the trace that a line belongs to; where none is made, a line has none."""
        self.log.warning("before")
        with TracerProvider().get_tracer("test").start_as_current_span("x") as span:
            self.log.warning("within")
        before, within = self.lines()
        self.assertNotIn("trace_id", before)
        found = span.get_span_context()
        self.assertEqual((f"{found.trace_id:032x}", f"{found.span_id:016x}"), (within["trace_id"], within["span_id"]))

    def test_an_error_comes_with_its_traceback_on_one_line(self) -> None:
        """A traceback is a member of the object, with secrets masked."""
        with redact(["hunter2"]):
            try:
                raise ValueError("login with hunter2")
            except ValueError:
                self.log.exception("it failed with %s", "hunter2")
        (line,) = self.lines()
        self.assertEqual("ValueError", line["error"]["type"])
        self.assertIn("Traceback", line["error"]["traceback"])
        self.assertNotIn("hunter2", self.written.getvalue())
