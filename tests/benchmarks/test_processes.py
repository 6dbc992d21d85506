"""Exceptions in the log of a measured process."""

from __future__ import annotations

import logging

from testtools import TestCase

from baremetal_sdk.logs import get_logger
from benchmarks.processes import find_exceptions


class TestExceptions(TestCase):
    def test_an_exception_in_the_log_is_named(self) -> None:
        """The last line of a traceback is found in the format of the service's log."""
        with self.assertLogs(get_logger("tests.benchmark"), "ERROR") as logged:
            try:
                raise ZeroDivisionError("a fault of the program")
            except ZeroDivisionError:
                get_logger("tests.benchmark").exception("failed")
        log = logging.Formatter("%(message)s").format(logged.records[0])
        self.assertEqual({"ZeroDivisionError: a fault of the program": 1}, dict(find_exceptions(f"{log}\nnext line")))
