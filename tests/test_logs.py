"""Records of the runtime's loggers: no foreign text forges a line, fills the log, or shows a secret, in any format."""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import subprocess
import sys
from typing import Any

from testtools import TestCase

from baremetal_sdk.context import RequestContext, RequestIdFilter, current_request
from baremetal_sdk.logs import MAX_RECORD_BYTES, Fields, RecordCleaner, get_logger
from baremetal_sdk.observability.json_log import JSONFormatter
from baremetal_sdk.observability.node_log import NodeLog
from baremetal_sdk.observability.redaction import redact
from tests import sources

FORGED = "2026-11-30 16:00:00,000 INFO baremetal_sdk.audit [req-1] forged"
HOSTILE = (
    "\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1b[2K\x1b[1G", "\x7f", "\x85", "\x9b1A", "\u2028", "\u2029", "\u202e", "\u2066",
    "\ud800", "\0",
)  # fmt: skip
"""Texts that end a line, move the cursor or change the direction of writing in some program, or cannot be encoded."""
PLAIN = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"


class HostileError(Exception):
    """An error of a library whose text contains a forged record."""


class UnprintableError(Exception):
    """An error whose text cannot be computed."""

    def __str__(self) -> str:
        raise ValueError("no text")


class LogsCase(TestCase):
    """Base of tests with a plain and a JSON handler of a host application, without filters of the runtime."""

    def setUp(self) -> None:
        super().setUp()
        self.plain, self.json = io.StringIO(), io.StringIO()
        self.log = get_logger(f"test.{self.id()}")
        self.log.propagate = False
        self.log.setLevel(logging.DEBUG)
        for stream, formatter in ((self.plain, logging.Formatter(PLAIN)), (self.json, JSONFormatter())):
            handler = logging.StreamHandler(stream)
            handler.setFormatter(formatter)
            handler.addFilter(RequestIdFilter())
            self.log.addHandler(handler)
            self.addCleanup(self.log.removeHandler, handler)

    def assert_safe(self, records: int) -> None:
        """Check that the log has this number of records and no hostile character."""
        plain, lines = self.plain.getvalue(), self.json.getvalue()
        for text in (plain, lines):
            self.assertEqual([], [f"U+{ord(char):04X}" for char in text if not char.isprintable() and char != "\n"])
            text.encode()
        starts = [line for line in plain.splitlines() if line[:1].isdigit()]
        self.assertEqual(records, len(starts), plain)
        self.assertEqual([], [line for line in plain.splitlines() if line.startswith(FORGED[:20])])
        self.assertEqual(records, len(lines.splitlines()))
        for line in lines.splitlines():
            json.loads(line)


class TestForging(LogsCase):
    def test_no_argument_begins_a_line(self) -> None:
        """Line breaks, control characters and half surrogate pairs in the arguments of a record are escaped."""
        for hostile in HOSTILE:
            self.log.warning("the BMC said %s", f"x{hostile}{FORGED}")
        self.assert_safe(len(HOSTILE))

    def test_no_error_begins_a_line(self) -> None:
        """Tracebacks keep their lines, which are marked: neither the text, a note nor the cause looks like a record."""
        for hostile in HOSTILE:
            try:
                try:
                    raise KeyError(f"{hostile}{FORGED}")
                except KeyError as cause:
                    error = HostileError(f"x{hostile}{FORGED}")
                    error.add_note(f"{hostile}{FORGED}")
                    raise error from cause
            except HostileError:
                self.log.exception("it failed", stack_info=True)
        self.assert_safe(len(HOSTILE))
        self.assertIn('  |   File "', self.plain.getvalue())
        traceback = json.loads(self.json.getvalue().splitlines()[0])["error"]["traceback"]
        self.assertTrue(traceback.startswith("Traceback (most recent call last):\n  File"), traceback)

    def test_no_field_begins_a_line(self) -> None:
        """Names of nodes, of requests and of callers, and all other texts of a record, are cleaned as well."""
        text = f"x\r\n{FORGED}"
        self.addCleanup(current_request.reset, current_request.set(RequestContext(text, text, text)))
        NodeLog(self.log, {"node": text}).warning("%s", text, extra={"path": text})
        self.log.info("%s", text, extra={"fields": Fields("audit", text, {"who": text, "roles": [text], text: 1})})
        self.assert_safe(2)

    def test_a_record_that_cannot_be_formatted_is_logged(self) -> None:
        """A wrong format or an object without a text neither raises nor loses the record."""
        self.log.warning("%d", "x")
        self.log.warning("%s", UnprintableError())
        try:
            raise UnprintableError
        except UnprintableError:
            self.log.exception("failed")
        self.assert_safe(3)

    def test_records_of_other_loggers_are_cleaned_on_a_handler(self) -> None:
        """A handler with the filter, or with the JSON format, cleans the records of libraries."""
        library = logging.Logger("library")
        for handler in self.log.handlers:
            handler.addFilter(RecordCleaner())
            library.addHandler(handler)
        library.warning("x\n%s", FORGED)
        self.assert_safe(1)

    def test_a_user_of_oslo_log_is_protected(self) -> None:
        """The formatter of oslo.log writes one line for a record of the runtime."""
        if importlib.util.find_spec("oslo_log") is None:
            self.skipTest("oslo.log is not installed")
        script = (
            "import logging, sys\n"
            "from oslo_config import cfg\n"
            "from oslo_log import log\n"
            "from baremetal_sdk.logs import get_logger\n"
            "conf = cfg.ConfigOpts(); log.register_options(conf); conf([])\n"
            "conf.set_override('use_stderr', True); log.setup(conf, 'test')\n"
            f"get_logger('baremetal_sdk.x').warning('x\\n%s', {FORGED!r})\n"
        )
        written = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stderr
        self.assertEqual(1, len(written.splitlines()), written)

    def test_all_loggers_of_the_runtime_clean_their_records(self) -> None:
        """No module gets a logger from the standard library, whose records would not be cleaned."""
        calls = ("getLogger(__name__)", 'getLogger("')
        found = [source.shown for source in sources.sources("baremetal-sdk") if any(call in source.text for call in calls)]
        self.assertEqual([], found)


class TestLength(LogsCase):
    def test_no_record_exceeds_the_limit(self) -> None:
        """Neither a text of 4 MB, an error with one, nor many long fields make a record longer than 16 KiB."""
        for text in ("A" * 4_000_000, '"' * 4_000_000, "\0" * 1_000_000, "x\n" * 500_000):
            self.log.warning("%s", text)
            try:
                raise HostileError(text)
            except HostileError:
                self.log.exception("failed: %s", text)
            values: dict[str, Any] = {f"{name}{text[:1000]}": [text[:9000]] * 10 for name in range(10)}
            self.log.info("x", extra={"fields": Fields("audit", text, values)})
        for line in self.json.getvalue().splitlines():
            self.assertLessEqual(len(line.encode()), MAX_RECORD_BYTES)
        self.assertLess(len(self.plain.getvalue()), 12 * 2 * MAX_RECORD_BYTES)

    def test_a_secret_at_the_cut_is_masked(self) -> None:
        """Secrets are masked before a text is shortened, so that no part of one remains."""
        for before in range(8140, 8200, 5):
            with redact(["hunter2hunter2"]):
                self.log.warning("%s%s%s", "x" * before, "hunter2hunter2", "y" * 100)
        self.assertNotIn("hunter2", self.plain.getvalue() + self.json.getvalue())
        self.assertNotIn("hunte", self.plain.getvalue() + self.json.getvalue())


class TestStructure(LogsCase):
    def test_fields_stay_values_in_json(self) -> None:
        """Numbers and lists of structured records are no texts in the JSON log, and the message is a summary."""
        values = {"status": 200, "seconds": 0.5, "roles": ["admin"], "huge": 2**70, "ok": True}
        self.log.info("%s", json.dumps(values), extra={"fields": Fields("request", "GET /v1/nodes 200", values)})
        line = json.loads(self.json.getvalue())
        self.assertEqual("GET /v1/nodes 200", line["message"])
        self.assertEqual({**values, "huge": str(2**70)}, line["request"])
        self.assertIn('"status": 200', self.plain.getvalue())
