"""JSON log format."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from testtools import TestCase

import baremetal_sdk.observability.tracing  # noqa: F401 - a process that makes spans has imported it
from baremetal_sdk.context import RequestContext, current_request
from baremetal_sdk.observability.json_log import JSONFormatter
from baremetal_sdk.observability.node_log import NodeLog
from baremetal_sdk.observability.redaction import RedactingFilter, redact


class TestJSONFormatter(TestCase):
    """Test a handler with the formatter, and with the filter that metald uses."""

    def setUp(self) -> None:
        super().setUp()
        self.written = io.StringIO()
        handler = logging.StreamHandler(self.written)
        handler.setFormatter(JSONFormatter())
        handler.addFilter(RedactingFilter())
        self.log = logging.Logger("test")
        self.log.addHandler(handler)

    def lines(self) -> list[dict[str, Any]]:
        """Return the logged objects, one for each line."""
        return [json.loads(line) for line in self.written.getvalue().splitlines()]

    def test_a_line_names_its_request_and_its_node(self) -> None:
        """Level, logger, node and request are separate members of the object."""
        token = current_request.set(RequestContext("req-1", "alice", "p"))
        self.addCleanup(current_request.reset, token)
        NodeLog(self.log, {"node": "n-1"}).warning("power is '%s'\nand stays", "off")
        (line,) = self.lines()
        self.assertEqual(("WARNING", "test", "n-1"), (line["level"], line["logger"], line["node"]))
        self.assertEqual(("req-1", "alice", "p"), (line["request_id"], line["user"], line["project"]))
        self.assertEqual("node n-1: power is 'off'\\nand stays", line["message"])
        self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$")

    def test_text_that_is_not_utf_8_is_logged(self) -> None:
        """Bytes of a file name that are not UTF-8 are escaped, and the line is not lost."""
        self.log.warning("%s cannot be read", b"/etc/caf\xe9".decode(errors="surrogateescape"))
        (line,) = self.lines()
        self.assertEqual("/etc/caf\\udce9 cannot be read", line["message"])

    def test_a_line_names_the_current_span(self) -> None:
        """A line within a span has its trace_id and span_id. A line without a span has neither."""
        self.log.warning("before")
        with TracerProvider().get_tracer("test").start_as_current_span("x") as span:
            self.log.warning("within")
        before, within = self.lines()
        self.assertNotIn("trace_id", before)
        expected = span.get_span_context()
        self.assertEqual(f"{expected.trace_id:032x}", within["trace_id"])
        self.assertEqual(f"{expected.span_id:016x}", within["span_id"])

    def test_an_error_has_its_traceback_on_the_same_line(self) -> None:
        """The traceback is a member of the object, and secrets in it are masked."""
        with redact(["hunter2"]):
            try:
                raise ValueError("login with hunter2")
            except ValueError:
                self.log.exception("it failed with %s", "hunter2")
        (line,) = self.lines()
        self.assertEqual("ValueError", line["error"]["type"])
        self.assertIn("Traceback", line["error"]["traceback"])
        self.assertNotIn("hunter2", self.written.getvalue())
