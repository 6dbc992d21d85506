"""``metald doctor`` with text and JSON output."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase
from testtools.matchers import MatchesRegex

from tests.fixtures.metald_service import Service, metald

SERVICE_FINDINGS = ("configuration", "monkey-patching", "eventlet", "plugins", "database", "interfaces")


class DoctorTest(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.state = self.directory / "state"

    def examine(self, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
        """Run the command with JSON output and return its findings by name."""
        done = metald("doctor", "--json", "--state-dir", str(self.state), *arguments)
        self.assertEqual(code, done.returncode, done.stdout)
        self.assertEqual("", done.stderr)
        return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}

    def test_it_creates_nothing_before_the_first_start(self) -> None:
        """A missing database is a warning. The command creates neither files nor directories."""
        findings = self.examine()
        self.assertEqual("warn", findings["database"]["outcome"])
        self.assertEqual([], os.listdir(self.directory))

    def test_it_examines_a_running_service(self) -> None:
        """The command takes no lock, so the service continues. It examines the interfaces of the nodes."""
        service = self.useFixture(Service(state=self.state))
        service.client.create_node({"name": "m1", "driver": "fake-hardware"})
        findings = self.examine()
        # The limits of the machine that runs the test do not matter here.
        outcomes = {name: finding["outcome"] for name, finding in findings.items() if name in SERVICE_FINDINGS}
        self.assertEqual(dict.fromkeys(SERVICE_FINDINGS, "ok"), outcomes, findings)
        self.assertIn("all 1 nodes", findings["interfaces"]["what"])
        self.assertEqual("m1", service.client.get_node("m1")["name"])

    def test_an_invalid_configuration_is_a_finding(self) -> None:
        """The output is JSON even then, and the exit code reports the failure."""
        config = self.directory / "ours.conf"
        config.write_text("[api]\nport = none\n", encoding="utf-8")
        findings = self.examine("--config-file", str(config), code=1)
        self.assertIn("[api] port", findings["configuration"]["what"])

    def test_text_has_each_finding_with_its_remedy(self) -> None:
        """A finding has a line with the problem and a line with the remedy."""
        config = self.directory / "ours.conf"
        config.write_text("[DEFAULT]\nenabled_hardware_types = nonsense\nsync = yes\n", encoding="utf-8")
        done = metald("doctor", "--state-dir", str(self.state), "--config-file", str(config))
        self.assertEqual(1, done.returncode)
        lines = done.stdout.splitlines()
        self.assertIn("warn  configuration: unknown options: [DEFAULT] sync", lines)
        failing = next(number for number, line in enumerate(lines) if line.startswith("fail  plugins: "))
        self.assertThat(lines[failing], MatchesRegex(".*nonsense not installed; installed: .*"))
        self.assertThat(lines[failing + 1], MatchesRegex("      -> install the missing plugin.*"))
