"""The command of the conformance kit, with installed plugins and without a runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

ROOT = Path(__file__).parents[2]
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "testtools":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""
"""Code that makes an interpreter behave as one without testtools."""


class CommandTestCase(TestCase):
    """Base of tests with a directory for installed distributions."""

    def setUp(self) -> None:
        super().setUp()
        self.site = Path(self.useFixture(TempDir()).path)

    def install(self, name: str, entry_points: str) -> None:
        """Install a distribution that consists of *entry_points*."""
        directory = self.site / f"{name}-1.0.dist-info"
        directory.mkdir()
        (directory / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (directory / "entry_points.txt").write_text(entry_points)

    def run_kit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.site), *sys.path, str(ROOT)])
        command = [sys.executable, "-m", "baremetal_interfaces.conformance", *arguments]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT, env=environment)

    def run_kit_without_testtools(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run *program* in a fresh interpreter in which testtools cannot be imported."""
        command = [sys.executable, "-c", BLOCKER + program]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)

    def driver_info(self, content: str) -> str:
        path = self.site / "info.json"
        path.write_text(content)
        return str(path)


class TestCommand(CommandTestCase):
    """python -m baremetal_interfaces.conformance"""

    def test_installed_plugin_is_checked_with_its_preferred_interfaces(self) -> None:
        """The kit uses the first installed name of each kind, prints a line for each rule, and exits with 0 if none is broken."""
        self.install(
            "baremetal-tin",
            "[baremetal.hardware_types]\n"
            "tin = tests.contract.tin:TinHardware\n"
            "[baremetal.interfaces.power]\n"
            "tin = tests.contract.tin:TinPower\n",
        )
        self.install("other", "[baremetal.interfaces.management]\nother = tests.contract.nowhere:Unused\n")
        done = self.run_kit("tin", "--driver-info", self.driver_info("{}"))
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn("passed      declared_power_states_are_reached", done.stdout)
        self.assertIn("the management interface has no", done.stdout)
        self.assertIn("no rule is broken", done.stdout)

    def test_matrix_is_written_as_json_and_markdown(self) -> None:
        """Both formats contain the offers and nothing of driver_info, which may be a TOML file."""
        self.install(
            "baremetal-fakes",
            "[baremetal.hardware_types]\nfakes = tests.contract.tin:TinHardware\n"
            "[baremetal.interfaces.power]\ntin = baremetal_fake.interfaces.power:FakeBMCPower\n",
        )
        info = self.site / "info.toml"
        info.write_text('fake_machine = "on-a-desk"\nfake_password = "s3same"\n')
        written = [str(self.site / name) for name in ("matrix.json", "matrix.md")]
        arguments = [argument for path in written for argument in ("--matrix", path)]
        nowhere = self.site / "nowhere.toml"
        nowhere.write_text('[fake_faults.login]\neffect = "drop"\n')
        arguments += ["--unreachable", str(nowhere)]
        done = self.run_kit("fakes", "--driver-info", str(info), *arguments, "--require", "power,PowerSampling,soft power off")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        document = json.loads(Path(written[0]).read_text())
        self.assertIn("PowerSampling", document["offers"]["power"])
        self.assertEqual("passed", {rule["name"]: rule["verdict"] for rule in document["rules"]}["power_state_is_read"])
        self.assertIn("| power | `FakeBMCPower`, PowerSampling", Path(written[1]).read_text())
        for path in written:
            self.assertNotIn("s3same", Path(path).read_text())

    def test_missing_requirement_is_an_error(self) -> None:
        """Required rules and devices that are not offered are named, and the exit status is 1."""
        self.install(
            "baremetal-tin",
            "[baremetal.hardware_types]\ntin = tests.contract.tin:TinHardware\n"
            "[baremetal.interfaces.power]\ntin = tests.contract.tin:TinPower\n",
        )
        required = ["--require", "power on,pxe", "--require", "sensors_are_read"]
        done = self.run_kit("tin", "--driver-info", self.driver_info("{}"), *required)
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        self.assertIn("pxe is not offered", done.stdout)
        self.assertIn("sensors_are_read is not offered", done.stdout)
        self.assertNotIn("power on is not offered", done.stdout)

    def test_broken_plugin_is_named_by_its_rule(self) -> None:
        """A broken rule is printed with its reason, and the exit status is 1."""
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

    def test_missing_testtools_names_the_extra_to_install(self) -> None:
        """Without testtools the command prints one line that names the extra, and ends with status 2."""
        program = "import runpy\nsys.argv = ['conformance', 'tin', '--driver-info', 'x']\n"
        program += "runpy.run_module('baremetal_interfaces.conformance', run_name='__main__')\n"
        done = self.run_kit_without_testtools(program)
        self.assertEqual(2, done.returncode, done.stderr)
        self.assertEqual("", done.stdout)
        self.assertEqual(1, len(done.stderr.splitlines()), done.stderr)
        self.assertIn("pip install 'baremetal-interfaces[conformance]'", done.stderr)

    def test_test_case_without_testtools_names_the_extra_to_install(self) -> None:
        """An import of the test case without testtools fails with the same advice; the rules can be imported."""
        done = self.run_kit_without_testtools("from baremetal_interfaces.conformance import RULES, HardwareTypeConformance")
        self.assertEqual(1, done.returncode, done.stderr)
        last_line = done.stderr.splitlines()[-1]
        self.assertIn("ModuleNotFoundError", last_line)
        self.assertIn("pip install 'baremetal-interfaces[conformance]'", last_line)

    def test_unknown_hardware_type_lists_installed_ones(self) -> None:
        """An unknown hardware type ends with status 2 and the list of installed ones."""
        self.install("baremetal-tin", "[baremetal.hardware_types]\ntin = tests.contract.tin:TinHardware\n")
        done = self.run_kit("copper", "--driver-info", self.driver_info("{}"))
        self.assertEqual(2, done.returncode)
        self.assertIn("no installed distribution has the hardware type 'copper'", done.stderr)
        self.assertIn("tin", done.stderr)

    def test_duplicate_name_is_refused(self) -> None:
        """A hardware type that two distributions claim is refused with the names of both."""
        for name in ("baremetal-tin", "other-tin"):
            module = "tests.contract.tin" if name == "baremetal-tin" else "other.tin"
            self.install(name, f"[baremetal.hardware_types]\ntin = {module}:TinHardware\n")
        done = self.run_kit("tin", "--driver-info", self.driver_info("{}"))
        self.assertEqual(2, done.returncode)
        self.assertIn("claimed by baremetal-tin and other-tin", done.stderr)

    def test_unreadable_driver_info_is_refused(self) -> None:
        """A driver_info file that is missing, not JSON, or not an object ends with status 2 and no traceback."""
        for path in (str(self.site / "missing"), self.driver_info("{"), self.driver_info(json.dumps([1]))):
            done = self.run_kit("tin", "--driver-info", path)
            self.assertEqual(2, done.returncode)
            self.assertIn("cannot be examined", done.stderr)
            self.assertNotIn("Traceback", done.stderr)
