"""The guide for hosts that leave Eventlet: what it shows is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from tests.examples.host import EXAMPLES
from tests.sources import ROOT

GUIDE = ROOT / "doc" / "source" / "embedder" / "leaving-eventlet.rst"
RULES = EXAMPLES / "no-eventlet.toml"
RUN = """
import doctest, sys
result = doctest.testfile(sys.argv[1], module_relative=False)
print(result.attempted)
sys.exit(result.failed)
"""
REFUSED = """\
import eventlet
import eventlet.wsgi
from eventlet import greenpool
from eventlet.green import socket
import greenlet
from futurist import GreenThreadPoolExecutor
from oslo_service import loopingcall
from oslo_service.threadgroup import ThreadGroup
from oslo_utils import eventletutils
"""
TAKEN = """\
import threading
from concurrent.futures import Future
from futurist import periodics
from oslo_service import backend
from baremetal_sdk.concurrency.pool import ElasticPool
"""


class TestGuide(TestCase):
    def test_every_example_does_what_it_says(self) -> None:
        """The page is run from its top to its end, in a process of its own: it changes what can be imported."""
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", RUN, str(GUIDE)], capture_output=True, text=True, timeout=120
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr), done.stdout)
        self.assertGreater(int(done.stdout), 50)

    def test_no_example_is_left_out(self) -> None:
        """Code stands there as something that is run, or comes from a file that is tested."""
        text = GUIDE.read_text(encoding="utf-8")
        self.assertNotIn("code-block", text)
        self.assertEqual([], re.findall(r"::\n\n   ", re.sub(r"\.\. [a-z-]+::.*\n(   :.*\n)*", "", text)))
        self.assertEqual(["../examples/no-eventlet.toml"], re.findall(r"literalinclude:: (\S+)", text))


class TestLint(TestCase):
    def refused_lines(self, path: str, text: str) -> list[int]:
        """The lines that ruff refuses with the rules of the guide."""
        directory = Path(self.useFixture(TempDir()).path)
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")
        (directory / "ruff.toml").write_text(RULES.read_text(encoding="utf-8"), encoding="utf-8")
        command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251", "--output-format", "json", path]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        self.assertEqual({"TID251"} if found else set(), {one["code"] for one in found}, done.stderr)
        return sorted({one["location"]["row"] for one in found})

    def test_each_way_to_import_it_is_refused(self) -> None:
        """Also parts of it, and what stands on it in other libraries."""
        self.assertEqual(list(range(1, REFUSED.count("\n") + 1)), self.refused_lines("ours/new.py", REFUSED))

    def test_what_takes_its_place_is_let_through(self) -> None:
        """The rules refuse nothing that the guide recommends."""
        self.assertEqual([], self.refused_lines("ours/new.py", TAKEN))

    def test_a_module_that_is_listed_may_wait_for_its_turn(self) -> None:
        """Only files on the list keep what they have."""
        self.assertEqual([], self.refused_lines("ours/not_moved_yet.py", REFUSED))
