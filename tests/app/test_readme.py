"""The README keeps its promises: its commands are whole, and its pages are the files that are tested."""

from __future__ import annotations

import re
import shlex
import subprocess

from testtools import TestCase

from tests.sources import ROOT, ROOTS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(mark: str) -> str:
    """The code block after a mark."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w+\n(.*?)^```$", README, re.S | re.M)
    if found is None:
        raise AssertionError(f"README.md has no block {mark!r}")
    return found[1]


class ReadmeTest(TestCase):
    """What a newcomer copies."""

    def test_one_line_runs_the_demonstration(self) -> None:
        """It installs every distribution that metald can use, the emulator included, and runs the demonstration."""
        words = shlex.split(block("demo"))
        self.assertEqual(1, block("demo").count("\n"))
        self.assertEqual(["metald", "demo"], [words[-2].rpartition("/")[2], words[-1]])
        directories = {word.removeprefix("./").partition("[")[0] for word in words if word == "." or word.startswith("./")}
        self.assertEqual(set(ROOTS.values()) - {ROOTS["baremetal-ironic-bridge"]}, directories)
        self.assertIn("./reference_app[demo]", words)

    def test_one_line_runs_the_tests(self) -> None:
        """It needs nothing but Python, and runs the environment that CI runs."""
        self.assertEqual(1, block("tests").count("\n"))
        self.assertTrue(block("tests").strip().endswith("tox -e py3"))

    def test_the_lines_are_shell(self) -> None:
        """They parse, without being run."""
        for mark in ("demo", "tests"):
            subprocess.run(["sh", "-n", "-c", block(mark)], check=True)

    def test_its_pages_are_the_files(self) -> None:
        """What it shows is what is tested, to the letter."""
        marks = re.findall(r"<!-- (include \S+) -->", README)
        self.assertEqual(2, len(marks))
        for mark in marks:
            self.assertEqual((ROOT / mark.split()[1]).read_text(encoding="utf-8"), block(mark), mark)

    def test_the_paths_that_it_names_exist(self) -> None:
        """Whoever follows a pointer finds something."""
        for path in re.findall(r"`((?:doc|plugins|tests|reference_app|interfaces)/[^`]*|[A-Z]+\.(?:md|rst)|LICENSE)`", README):
            if not path.startswith("doc/build/"):
                self.assertTrue((ROOT / path).exists(), path)

    def test_ci_takes_its_commands_from_here(self) -> None:
        """``.ci/run`` finds a command between each of the two marks."""
        program = "source <(sed -n '/^readme_command()/,/^}/p' .ci/run); readme_command demo; readme_command tests"
        ended = subprocess.run(["bash", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertEqual(block("demo") + block("tests"), ended.stdout)
