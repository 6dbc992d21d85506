"""The kit's command line, on plugins that are installed: entry points are found without a runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

ROOT = Path(__file__).parents[2]
PLUGIN = "tests.contract.acme"


class CommandTestCase(TestCase):
    """A directory in which distributions are installed."""

    def setUp(self) -> None:
        super().setUp()
        self.site = Path(self.useFixture(TempDir()).path)

    def install(self, name: str, entry_points: str) -> None:
        """A distribution that consists of its entry points."""
        directory = self.site / f"{name}-1.0.dist-info"
        directory.mkdir()
        (directory / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (directory / "entry_points.txt").write_text(entry_points)

    def run_kit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.site), *sys.path, str(ROOT)])
        command = [sys.executable, "-m", "baremetal_interfaces.conformance", *arguments]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT, env=environment)

    def driver_info(self, content: str) -> str:
        path = self.site / "info.json"
        path.write_text(content)
        return str(path)


class TestCommand(CommandTestCase):
    """python -m baremetal_interfaces.conformance"""

    def test_installed_plugin_is_examined_with_its_best_interfaces(self) -> None:
        """The first installed name of each kind is taken; every rule has a line; nothing broken is 0."""
        self.install(
            "baremetal-tin",
            "[baremetal.hardware_types]\n"
            "tin = tests.contract.tin:TinHardware\n"
            "[baremetal.interfaces.power]\n"
            "tin = tests.contract.tin:TinPower\n"
            "[baremetal.interfaces.management]\n"
            "other = tests.contract.nowhere:Unused\n",
        )
        done = self.run_kit("tin", "--driver-info", self.driver_info("{}"))
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn("passed      declared_power_states_are_reached", done.stdout)
        self.assertIn("there is no management interface", done.stdout)
        self.assertIn("no rule is broken", done.stdout)

    def test_broken_plugin_is_named_by_its_rule(self) -> None:
        """A broken rule shows what is wrong, and the exit code is 1."""
        self.install(
            "baremetal-tin",
            "[baremetal.hardware_types]\ntin = tests.contract.tin:TinHardware\n"
            "[baremetal.interfaces.power]\ntin = tests.contract.tin:BentPower\n",
        )
        done = self.run_kit("tin", "--driver-info", self.driver_info("{}"), "--timeout", "0.1")
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        self.assertIn("failed      declared_power_states_are_reached", done.stdout)
        self.assertIn("last seen: power off", done.stdout)
        self.assertIn("of the rules are broken", done.stdout)

    def test_unknown_hardware_type_says_which_are_installed(self) -> None:
        """What cannot be examined is 2."""
        self.install("baremetal-tin", "[baremetal.hardware_types]\ntin = tests.contract.tin:TinHardware\n")
        done = self.run_kit("copper", "--driver-info", self.driver_info("{}"))
        self.assertEqual(2, done.returncode)
        self.assertIn("no installed distribution has the hardware type 'copper'", done.stderr)
        self.assertIn("tin", done.stderr)

    def test_name_that_two_distributions_claim_is_refused(self) -> None:
        """Neither of them wins by chance."""
        for name in ("baremetal-tin", "other-tin"):
            module = "tests.contract.tin" if name == "baremetal-tin" else "other.tin"
            self.install(name, f"[baremetal.hardware_types]\ntin = {module}:TinHardware\n")
        done = self.run_kit("tin", "--driver-info", self.driver_info("{}"))
        self.assertEqual(2, done.returncode)
        self.assertIn("claimed by baremetal-tin and other-tin", done.stderr)

    def test_driver_info_that_cannot_be_read_is_refused(self) -> None:
        """Whether it is missing, no JSON, or no object."""
        for path in (str(self.site / "missing"), self.driver_info("{"), self.driver_info(json.dumps([1]))):
            done = self.run_kit("tin", "--driver-info", path)
            self.assertEqual(2, done.returncode)
            self.assertIn("cannot be examined", done.stderr)
            self.assertNotIn("Traceback", done.stderr)
