"""The guide for the migration from Eventlet: its examples and its lint rules work."""

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
REJECTED_IMPORTS = """\
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
ALLOWED_IMPORTS = """\
import threading
from concurrent.futures import Future
from futurist import periodics
from oslo_service import backend
from baremetal_sdk.concurrency.pool import ElasticPool
"""


class TestGuide(TestCase):
    """The page."""

    def test_every_example_has_the_result_that_the_page_shows(self) -> None:
        """All examples run in a separate process, because the page changes what can be imported."""
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", RUN, str(GUIDE)], capture_output=True, text=True, timeout=120
        )
        self.assertEqual((0, ""), (result.returncode, result.stderr), result.stdout)
        self.assertGreater(int(result.stdout), 50)

    def test_no_example_is_untested(self) -> None:
        """The page has no code but doctest examples and files that tests use."""
        text = GUIDE.read_text(encoding="utf-8")
        self.assertNotIn("code-block", text)
        self.assertEqual([], re.findall(r"::\n\n   ", re.sub(r"\.\. [a-z-]+::.*\n(   :.*\n)*", "", text)))
        self.assertEqual(["../examples/no-eventlet.toml"], re.findall(r"literalinclude:: (\S+)", text))


class TestLint(TestCase):
    """The ruff rules of the page."""

    def list_rejected_lines(self, path: str, text: str) -> list[int]:
        """Return the numbers of the lines that ruff rejects with the rules of the guide."""
        directory = Path(self.useFixture(TempDir()).path)
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")
        (directory / "ruff.toml").write_text(RULES.read_text(encoding="utf-8"), encoding="utf-8")
        command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251", "--output-format", "json", path]
        result = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)
        found: list[dict[str, Any]] = json.loads(result.stdout)
        self.assertEqual({"TID251"} if found else set(), {problem["code"] for problem in found}, result.stderr)
        return sorted({problem["location"]["row"] for problem in found})

    def test_each_import_of_eventlet_is_rejected(self) -> None:
        """The rules reject imports of Eventlet, of its submodules, and of parts of other libraries that use Eventlet."""
        self.assertEqual(
            list(range(1, REJECTED_IMPORTS.count("\n") + 1)), self.list_rejected_lines("ours/new.py", REJECTED_IMPORTS)
        )

    def test_recommended_imports_are_allowed(self) -> None:
        """The rules reject no import that the guide recommends."""
        self.assertEqual([], self.list_rejected_lines("ours/new.py", ALLOWED_IMPORTS))

    def test_a_listed_module_may_keep_its_imports(self) -> None:
        """The rules reject nothing in a file that per-file-ignores lists."""
        self.assertEqual([], self.list_rejected_lines("ours/not_moved_yet.py", REJECTED_IMPORTS))
