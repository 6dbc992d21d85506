"""``metald doctor``, as an operator and a program meet it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase
from testtools.matchers import MatchesRegex

from tests.app.service import Service, metald

OF_THE_SERVICE = ("configuration", "monkey-patching", "eventlet", "plugins", "database", "interfaces")


class DoctorTest(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.state = self.directory / "state"

    def examine(self, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
        """Finding by name, from what it prints for programs."""
        done = metald("doctor", "--json", "--state-dir", str(self.state), *arguments)
        self.assertEqual((code, ""), (done.returncode, done.stderr), done.stdout)
        return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}

    def test_before_the_first_start_it_makes_nothing(self) -> None:
        """That there is no database yet is a warning, and neither directory nor file is made."""
        findings = self.examine()
        self.assertEqual("warn", findings["database"]["outcome"])
        self.assertEqual([], os.listdir(self.directory))

    def test_it_examines_what_a_running_service_uses(self) -> None:
        """It takes no lock: the service goes on, and its nodes are looked at."""
        service = self.useFixture(Service(state=self.state))
        service.client.create_node({"name": "m1", "driver": "fake-hardware"})
        findings = self.examine()
        # What the limits of this machine are is not the test's.
        of_the_service = {name: finding["outcome"] for name, finding in findings.items() if name in OF_THE_SERVICE}
        self.assertEqual(dict.fromkeys(OF_THE_SERVICE, "ok"), of_the_service, findings)
        self.assertIn("all 1 nodes", findings["interfaces"]["what"])
        self.assertEqual("m1", service.client.node("m1")["name"])

    def test_a_mistake_in_the_configuration_is_a_finding(self) -> None:
        """Also then it prints JSON; the exit code says that something fails."""
        config = self.directory / "ours.conf"
        config.write_text("[api]\nport = none\n", encoding="utf-8")
        findings = self.examine("--config-file", str(config), code=1)
        self.assertIn("[api] port", findings["configuration"]["what"])

    def test_text_has_a_line_for_each_finding_and_one_for_its_remedy(self) -> None:
        """An operator reads what is wrong and what to do."""
        config = self.directory / "ours.conf"
        config.write_text("[DEFAULT]\nenabled_hardware_types = nonsense\nsync = yes\n", encoding="utf-8")
        done = metald("doctor", "--state-dir", str(self.state), "--config-file", str(config))
        self.assertEqual(1, done.returncode)
        lines = done.stdout.splitlines()
        self.assertIn("warn  configuration: without a meaning here: [DEFAULT] sync", lines)
        failing = next(number for number, line in enumerate(lines) if line.startswith("fail  plugins: "))
        self.assertThat(lines[failing], MatchesRegex(".*nonsense not installed; there are: .*"))
        self.assertThat(lines[failing + 1], MatchesRegex("      -> install what is missing.*"))
