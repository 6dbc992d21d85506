"""Discovery of installed plugins: broken, duplicate and incompatible ones."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from baremetal_interfaces import CONTRACT_VERSION
from baremetal_sdk.drivers.loader import Plugins, discover


class InstalledCase(TestCase):
    """Base of tests that install distributions in a directory on the path, with metadata as from pip."""

    def setUp(self) -> None:
        super().setUp()
        self.site = Path(self.useFixture(TempDir()).path)
        sys.path.insert(0, str(self.site))
        self.addCleanup(sys.path.remove, str(self.site))

    def install(self, distribution: str, entry_points: str, code: str = "") -> str:
        """Install a distribution with one module, and return the name of the module."""
        module = f"{distribution.replace('-', '_')}_{abs(hash(self.id())) % 10**8}"
        (self.site / f"{module}.py").write_text(textwrap.dedent(code))
        metadata = self.site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(textwrap.dedent(entry_points).replace("MODULE", module))
        self.addCleanup(sys.modules.pop, module, None)
        return module

    def reasons(self, found: Plugins, name: str) -> list[str]:
        """Return the reasons why the plugin was not loaded."""
        return [failure.reason for failure in found.failures if failure.name == name]


HARDWARE = "[baremetal.hardware_types]\n{} = MODULE:Hardware\n"
GOOD = "from baremetal_interfaces import HardwareType\nclass Hardware(HardwareType):\n    power = ('fake',)\n"


class TestDiscovery(InstalledCase):
    def test_a_broken_plugin_does_not_affect_the_others(self) -> None:
        """A plugin that fails to import is reported with its name and the reason. The others load."""
        self.install("good", HARDWARE.format("good-one"), GOOD)
        self.install("broken", HARDWARE.format("broken-one"), "import there_is_no_such_module\n")
        found = discover()
        self.assertIn("good-one", found.hardware_types)
        self.assertEqual(["ModuleNotFoundError: No module named 'there_is_no_such_module'"], self.reasons(found, "broken-one"))

    def test_a_plugin_that_exits_is_a_failure_like_any_other(self) -> None:
        """SystemExit and AssertionError at import become failures of the plugin."""
        self.install("exits", HARDWARE.format("exits"), "raise SystemExit('no licence')\n")
        self.install("asserts", HARDWARE.format("asserts"), "assert False, 'never'\n")
        found = discover()
        self.assertEqual(["SystemExit: no licence"], self.reasons(found, "exits"))
        self.assertEqual(["AssertionError: never"], self.reasons(found, "asserts"))

    def test_duplicate_names_are_rejected_before_any_import(self) -> None:
        """If two distributions have one name, the reason names both, and no module is imported."""
        code = "from pathlib import Path\nPath(__file__).with_suffix('.imported').touch()\n" + GOOD
        modules = [self.install(name, HARDWARE.format("acme"), code) for name in ("acme-one", "acme-two")]
        found = discover()
        self.assertNotIn("acme", found.hardware_types)
        [reason] = self.reasons(found, "acme")
        self.assertIn("acme-one", reason)
        self.assertIn("acme-two", reason)
        self.assertEqual([], [name for name in modules if (self.site / f"{name}.imported").exists()])

    def test_an_incompatible_contract_version_is_rejected(self) -> None:
        """A plugin for a newer minor or another major version is rejected, with both versions and the remedy."""
        major, minor = CONTRACT_VERSION
        self.install("newer", HARDWARE.format("newer"), GOOD + f"    contract_version = ({major}, {minor + 1})\n")
        self.install("other", HARDWARE.format("other"), GOOD + f"    contract_version = ({major + 1}, 0)\n")
        self.install("older", HARDWARE.format("older"), GOOD + f"    contract_version = ({major}, 0)\n")
        found = discover()
        self.assertIn("older", found.hardware_types)
        self.assertIn(
            f"written for contract {major}.{minor + 1}, and contract {major}.{minor} is installed",
            self.reasons(found, "newer")[0],
        )
        self.assertIn("update baremetal-interfaces", self.reasons(found, "other")[0])

    def test_an_invalid_entry_point_is_rejected(self) -> None:
        """An entry point to another object, or to an interface of another kind, is rejected."""
        self.install("function", HARDWARE.format("function"), "def Hardware(): pass\n")
        self.install(
            "misplaced",
            "[baremetal.interfaces.boot]\nmisplaced = MODULE:Power\n",
            "from baremetal_interfaces import PowerInterface\nclass Power(PowerInterface):\n"
            "    def get_power_state(self, task): ...\n    def set_power_state(self, task, state): ...\n",
        )
        found = discover()
        self.assertIn("is not a subclass of HardwareType", self.reasons(found, "function")[0])
        self.assertIn("is not an interface of this kind", self.reasons(found, "misplaced")[0])

    def test_failures_name_their_group(self) -> None:
        """A failure has the entry point group and the name of the plugin, its distribution and its class."""
        module = self.install("broken", HARDWARE.format("broken-one"), "1/0\n")
        [failure] = [failure for failure in discover().failures if failure.name == "broken-one"]
        self.assertEqual(("baremetal.hardware_types", "broken-one"), failure[:2])
        self.assertEqual("ZeroDivisionError: division by zero", failure.reason)
        self.assertEqual(("broken", f"{module}:Hardware"), (failure.distribution, failure.value))


class TestWithoutCache(InstalledCase):
    def test_no_cache_is_written_and_a_read_only_home_works(self) -> None:
        """Discovery works with a read-only home directory and writes nothing below it."""
        home = Path(self.useFixture(TempDir()).path)
        self.install("good", HARDWARE.format("good-one"), GOOD)
        code = "from baremetal_sdk.drivers.loader import discover; print('good-one' in discover().hardware_types)"
        environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        home.chmod(0o500)
        self.addCleanup(home.chmod, 0o700)
        answer = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        self.assertEqual("True", answer.stdout.strip())
        self.assertEqual([], list(home.iterdir()))
