"""The commands, included files and paths in the README are correct."""

from __future__ import annotations

import re
import shlex
import subprocess

from testtools import TestCase

from tests.sources import ROOT, ROOTS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(mark: str) -> str:
    """Return the code block after a mark."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w+\n(.*?)^```$", README, re.S | re.M)
    if found is None:
        raise AssertionError(f"README.md has no block {mark!r}")
    return found[1]


class ReadmeTest(TestCase):
    """The parts of the README that a newcomer copies."""

    def test_one_line_runs_the_demonstration(self) -> None:
        """The line installs all distributions that metald can use, including the emulator, and runs the demonstration."""
        words = shlex.split(block("demo"))
        self.assertEqual(1, block("demo").count("\n"))
        self.assertEqual(["metald", "demo"], [words[-2].rpartition("/")[2], words[-1]])
        directories = {word.removeprefix("./").partition("[")[0] for word in words if word == "." or word.startswith("./")}
        self.assertEqual(set(ROOTS.values()) - {ROOTS["baremetal-ironic-bridge"]}, directories)
        self.assertIn("./reference_app[demo]", words)

    def test_one_line_runs_the_tests(self) -> None:
        """The line needs only Python, and runs the same tox environment as CI."""
        self.assertEqual(1, block("tests").count("\n"))
        self.assertTrue(block("tests").strip().endswith("tox -e py3"))

    def test_the_lines_are_valid_shell(self) -> None:
        """The shell can parse the lines."""
        for mark in ("demo", "tests"):
            subprocess.run(["sh", "-n", "-c", block(mark)], check=True)

    def test_included_files_are_identical(self) -> None:
        """Each included example is identical to its tested file."""
        marks = re.findall(r"<!-- (include \S+) -->", README)
        self.assertEqual(2, len(marks))
        for mark in marks:
            self.assertEqual((ROOT / mark.split()[1]).read_text(encoding="utf-8"), block(mark), mark)

    def test_paths_in_the_readme_exist(self) -> None:
        """All paths that the README names exist."""
        for path in re.findall(r"`((?:doc|plugins|tests|reference_app|interfaces)/[^`]*|[A-Z]+\.(?:md|rst)|LICENSE)`", README):
            if not path.startswith("doc/build/"):
                self.assertTrue((ROOT / path).exists(), path)

    def test_ci_reads_its_commands_from_the_readme(self) -> None:
        """``.ci/run`` extracts the command of each mark."""
        program = "source <(sed -n '/^readme_command()/,/^}/p' .ci/run); readme_command demo; readme_command tests"
        ended = subprocess.run(["bash", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertEqual(block("demo") + block("tests"), ended.stdout)
