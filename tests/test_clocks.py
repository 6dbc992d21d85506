"""The wall clock is read in few places: everything else must survive its jumps."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from testtools import TestCase

from tests import sources

ALLOWED = {
    "interfaces/baremetal_interfaces/steady_time.py": "the steady time itself",
    "baremetal_sdk/clock.py": "the wall clock for display and diagnosis",
    "baremetal_sdk/http/access_log.py": "the date in lines of the access log",
    "baremetal_sdk/http/cheroot_gateway.py": "the header Date",
    "plugins/fake/baremetal_fake/redfish/certificate.py": "the validity of a certificate of a simulated BMC",
}
"""Files that may read the wall clock, and what for. Nothing in them compares the dates with stored ones."""
WALL_CLOCK = {
    ("time", "time"), ("time", "time_ns"), ("time", "gmtime"), ("time", "localtime"), ("time", "ctime"), ("time", "strftime"),
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("func", "now"),
}  # fmt: skip
"""Functions that read the wall clock, as the last two names of the expression. ``clock.now()`` is the steady clock."""


def find_reads(tree: ast.AST) -> Iterator[str]:
    """Generate the uses of a function that reads the wall clock, and the imports that would hide one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
            if (owner, node.attr) in WALL_CLOCK or node.attr in ("CURRENT_TIMESTAMP", "CLOCK_REALTIME"):
                yield f"line {node.lineno}: {owner}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            for name in node.names:
                if ("time", name.name) in WALL_CLOCK:
                    yield f"line {node.lineno}: from time import {name.name}"


class WallClockTest(TestCase):
    """The rule for all shipped code."""

    def test_only_listed_files_read_the_wall_clock(self) -> None:
        """Code reads ``clock.now()`` or ``steady_time()``, which do not jump. Files in the list read the wall clock."""
        found: dict[str, list[str]] = {}
        for source in sources.all_sources():
            reads = list(find_reads(source.tree))
            if reads:
                found[source.shown] = reads
        self.assertEqual({}, {path: reads for path, reads in found.items() if path not in ALLOWED})
        self.assertEqual(set(), set(ALLOWED) - set(found), "files in the list that no longer read the wall clock")

    def test_the_rule_finds_reads(self) -> None:
        """Each way to read the wall clock is found, and reads of the steady clock are not."""
        for text in ("time.time()", "datetime.datetime.now(UTC)", "from time import time", "f = time.time", "func.now()"):
            self.assertNotEqual([], list(find_reads(ast.parse(text))), text)
        for text in ("clock.now()", "time.monotonic()", "self._clock.now()", "time.sleep(1)"):
            self.assertEqual([], list(find_reads(ast.parse(text))), text)
