"""What the launcher asks of an application before it starts anything."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import PathFinder

from testtools import TestCase
from testtools.matchers import MatchesRegex, StartsWith

CALL = """
from oslo_config import cfg
from baremetal_sdk import ConductorConfig
from baremetal_sdk.conductor.oslo_launcher import launch
try:
    launch(cfg.ConfigOpts(), ConductorConfig, None)
except Exception as exc:
    print(type(exc).__name__, exc)
"""
THREADING = "from oslo_service.backend import BackendType, init_backend\ninit_backend(BackendType.THREADING)\n"
REMEDY = "call init_backend(BackendType.THREADING) of oslo_service.backend as the first thing of the program"


def said(program: str) -> str:
    """What a program prints: a process of its own, because oslo.service's choice cannot be taken back."""
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


class TestLaunch(TestCase):
    def test_an_application_that_chose_no_backend_is_told_what_to_do(self) -> None:
        """Without a choice oslo.service would take Eventlet: that is said before it does."""
        answer = said(CALL)
        self.assertThat(answer, StartsWith("RuntimeError oslo.service has no backend yet"))
        self.assertIn(REMEDY, answer)

    def test_an_application_on_the_eventlet_backend_is_told_what_to_do(self) -> None:
        """Who imported oslo_service.service before the choice has the other backend, and learns why."""
        if PathFinder.find_spec("eventlet") is None:
            self.skipTest("Eventlet is not installed, so there is no backend to choose wrongly")
        answer = said("import oslo_service.service\n" + CALL)
        self.assertThat(answer, StartsWith("RuntimeError oslo.service is on its backend 'eventlet'"))
        self.assertIn(REMEDY, answer)

    def test_importing_the_launcher_chooses_no_backend(self) -> None:
        """The library only looks: the choice stays the application's."""
        self.assertEqual(
            "None\n",
            said(
                "import baremetal_sdk.conductor.oslo_launcher, oslo_service.backend\n"
                "print(oslo_service.backend.get_backend_type())"
            ),
        )

    def test_a_configuration_that_is_wrong_at_the_start_is_raised_as_such(self) -> None:
        """Before anything is forked, the error is the caller's, with the option in it."""
        program = CALL.replace("ConductorConfig, None", "lambda: ConductorConfig.load('/nonexistent/ours.conf'), None")
        self.assertThat(said(THREADING + program), MatchesRegex("ConfigurationError the configuration cannot be read.*ours.conf"))

    def test_an_address_that_is_taken_is_named(self) -> None:
        """The parent listens itself, so a port that somebody has ends the start at once."""
        program = "import socket\ntaken = socket.create_server(('127.0.0.1', 0))\n" + CALL.replace(
            "ConductorConfig, None",
            "lambda: ConductorConfig.load(overrides={'api': {'port': taken.getsockname()[1]}}), None",
        )
        self.assertThat(said(THREADING + program), MatchesRegex(r"ConfigurationError \[api\] host_ip, port: cannot listen on"))

    def test_another_thread_than_the_main_one_is_told_what_to_do(self) -> None:
        """oslo.service would fail half-way; a conductor that is started without it needs no certain thread."""
        program = "import threading\ndef run():\n" + "".join(f"    {line}\n" for line in CALL.splitlines())
        answer = said(THREADING + program + "thread = threading.Thread(target=run)\nthread.start()\nthread.join()\n")
        self.assertThat(answer, StartsWith("RuntimeError oslo.service takes the signals of the process"))
        self.assertIn("start and stop the conductor yourself", answer)
