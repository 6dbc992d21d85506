"""Every step of the tutorial, with the files that the page shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from baremetal_interfaces import (
    AuthenticationFailed,
    BMCUnreachable,
    InvalidInput,
    LocalTask,
    NotSupported,
    PowerState,
    PowerStateFailure,
)
from tests.sources import ROOT

PDU_DIRECTORY = ROOT / "doc" / "source" / "examples" / "pdu"
PAGE = ROOT / "doc" / "source" / "plugin" / "tutorial.rst"
sys.path.append(str(PDU_DIRECTORY))

import baremetal_pdu  # noqa: E402
from pdu import PDU  # noqa: E402

TOKEN = "s3same"


class TutorialTest(TestCase):
    """A PDU with four outlets."""

    def setUp(self) -> None:
        super().setUp()
        self.pdu = PDU(TOKEN)
        self.pdu.__enter__()
        self.addCleanup(self.pdu.__exit__)

    def task(self, **changes: Any) -> LocalTask:
        info = {"pdu_address": self.pdu.url, "pdu_outlet": 1, "pdu_token": TOKEN, **changes}
        return LocalTask({"power": baremetal_pdu.PDUPower()}, info, timeout=5.0, poll_interval=0.05)

    def test_step_1_all_options_are_validated_together(self) -> None:
        """One validation names every problem, and no message contains the token."""
        problems = baremetal_pdu.PDUInfo.problems({"pdu_outlet": 0, "pdu_token": ["s3same"]})
        self.assertEqual({"pdu_address", "pdu_outlet", "pdu_token"}, {problem.field.partition("/")[2] for problem in problems})
        self.assertNotIn(TOKEN, str(problems))
        error = self.assertRaises(InvalidInput, self.task(pdu_address="10.0.0.9").validate, "power")
        self.assertIn("http://10.0.0.9", str(error))

    def test_step_2_errors_are_classified(self) -> None:
        """A wrong token, an unreachable PDU and a missing outlet raise different errors of the contract."""
        self.assertRaises(AuthenticationFailed, self.task(pdu_token="wrong").power.get)
        self.assertRaises(BMCUnreachable, self.task(pdu_address="http://127.0.0.1:9").power.get)
        self.assertIn("pdu_outlet", str(self.assertRaises(InvalidInput, self.task(pdu_outlet=9).power.get)))

    def test_step_3_power_changes_are_confirmed(self) -> None:
        """The outlet switches on and reboots, and a stuck outlet raises PowerStateFailure."""
        self.task().power.set(PowerState.ON)
        self.assertTrue(self.pdu.on[1])
        self.task().power.set(PowerState.REBOOT)
        self.assertIs(PowerState.ON, self.task().power.get())
        self.assertRaises(NotSupported, self.task().power.set, PowerState.SOFT_OFF)
        self.pdu.stuck.add(1)
        self.assertRaises(PowerStateFailure, self.task().power.set, PowerState.OFF, timeout=0.2)

    def test_step_4_the_conformance_kit_passes(self) -> None:
        """The test file of the page passes under unittest, and the most important rules are not skipped."""
        result = subprocess.run(
            [sys.executable, "-m", "unittest", "-v", "test_pdu"],
            cwd=PDU_DIRECTORY,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        for rule in ("silent_bmc_is_given_up_in_time", "ignored_command_is_found_out", "wrong_options_are_named_together"):
            self.assertRegex(result.stderr, rf"(?s){rule}[^\n]*\n[^\n]*\.\.\. ok")

    def test_step_5_the_installed_plugin_passes_the_command(self) -> None:
        """The conformance command finds the installed plugin by its entry points and writes the support matrix."""
        directory = Path(self.useFixture(TempDir()).path)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        for name in ("pyproject.toml", "baremetal_pdu.py"):
            (directory / "source").mkdir(exist_ok=True)
            (directory / "source" / name).write_text((PDU_DIRECTORY / name).read_text())
        subprocess.run([*install, "--target", directory / "site", directory / "source"], check=True, capture_output=True)
        info = directory / "machine.toml"
        info.write_text(f'pdu_address = "{self.pdu.url}"\npdu_outlet = 1\npdu_token = "{TOKEN}"\n')
        path = os.pathsep.join([str(directory / "site"), *filter(None, sys.path)])
        command = [sys.executable, "-m", "baremetal_interfaces.conformance", "pdu", "--driver-info", str(info)]
        result = subprocess.run(
            [*command, "--require", "power on,power off", "--matrix", str(directory / "support.json")],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        self.assertEqual(0, json.loads((directory / "support.json").read_text())["summary"]["failed"])

    def test_the_page_shows_the_tested_files(self) -> None:
        """The page shows every part of the plugin in the order of the file."""
        parts = re.findall(r"# \[(\w+)\]", (PDU_DIRECTORY / "baremetal_pdu.py").read_text())
        shown = re.findall(r":start-after: # \[(\w+)\]", PAGE.read_text())
        self.assertEqual(parts, shown)
