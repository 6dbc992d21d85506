"""``baremetal-sdk new-plugin``: the created plugin installs and passes its tests without changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from baremetal_interfaces import InvalidInput
from baremetal_sdk.cli.command import main
from baremetal_sdk.cli.new_plugin import write_plugin


class NewPluginTest(TestCase):
    """Test plugins in a temporary directory."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)

    def test_a_new_plugin_installs_and_passes_its_tests(self) -> None:
        """The created tests are all conformance tests, and ruff finds no problem."""
        source = write_plugin("zinc", self.directory / "baremetal-zinc")
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        subprocess.run([*install, "--target", self.directory / "site", source], check=True, capture_output=True)
        path = os.pathsep.join([str(self.directory / "site"), *filter(None, sys.path)])
        done = subprocess.run(
            [sys.executable, "-m", "unittest", "discover", "-s", "tests"],
            cwd=source,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"Ran [5-9]\d tests")
        lint = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,I,UP,B", "--line-length", "130", source]
        checked = subprocess.run(lint, capture_output=True, text=True, check=False)
        self.assertEqual(0, checked.returncode, checked.stdout)

    def test_no_placeholder_is_left(self) -> None:
        """Neither file contents nor file names contain a placeholder."""
        source = write_plugin("zinc", self.directory / "new")
        files = [path for path in source.rglob("*") if path.is_file()]
        self.assertIn(source / "baremetal_zinc" / "driver.py", files)
        self.assertEqual([], [path for path in files if "@" in str(path) or "@NAME@" in path.read_text()])
        self.assertEqual([], [path for path in files if "@CLASS@" in path.read_text() or "@CONTRACT@" in path.read_text()])

    def test_nothing_is_overwritten(self) -> None:
        """A directory that is not empty is rejected, and so is an invalid name."""
        write_plugin("zinc", self.directory / "new")
        self.assertIn("directory", str(self.assertRaises(InvalidInput, write_plugin, "zinc", self.directory / "new")))
        self.assertIn("lower-case", str(self.assertRaises(InvalidInput, write_plugin, "Zinc-2", self.directory / "other")))
        self.assertFalse((self.directory / "other").exists())

    def test_exit_code_of_the_command(self) -> None:
        """The exit code is 0 after the creation, and 1 if the directory is not empty."""
        arguments = ["new-plugin", "zinc", "--directory", str(self.directory / "new")]
        self.assertEqual([0, 1], [main(arguments), main(arguments)])
