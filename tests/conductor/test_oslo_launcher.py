"""The launcher checks the application before it starts anything."""

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


def run_program(program: str) -> str:
    """Return the output of a program in a new process, because oslo.service's backend can be selected only once."""
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


class TestLaunch(TestCase):
    def test_a_missing_backend_is_refused_with_the_remedy(self) -> None:
        """Without a selected backend, oslo.service would use Eventlet; the launcher refuses before it does."""
        answer = run_program(CALL)
        self.assertThat(answer, StartsWith("RuntimeError oslo.service has no backend selected"))
        self.assertIn(REMEDY, answer)

    def test_the_eventlet_backend_is_refused_with_the_remedy(self) -> None:
        """An import of oslo_service.service before the selection selects Eventlet; the error explains it."""
        if PathFinder.find_spec("eventlet") is None:
            self.skipTest("Eventlet is not installed, so no wrong backend can be selected")
        answer = run_program("import oslo_service.service\n" + CALL)
        self.assertThat(answer, StartsWith("RuntimeError oslo.service uses the backend 'eventlet'"))
        self.assertIn(REMEDY, answer)

    def test_importing_the_launcher_selects_no_backend(self) -> None:
        """The application, not the launcher, selects the backend."""
        self.assertEqual(
            "None\n",
            run_program(
                "import baremetal_sdk.conductor.oslo_launcher, oslo_service.backend\n"
                "print(oslo_service.backend.get_backend_type())"
            ),
        )

    def test_a_wrong_configuration_is_raised_before_the_fork(self) -> None:
        """The caller gets the ``ConfigurationError`` itself, with the name of the file."""
        program = CALL.replace("ConductorConfig, None", "lambda: ConductorConfig.load('/nonexistent/ours.conf'), None")
        output = run_program(THREADING + program)
        self.assertThat(output, MatchesRegex("ConfigurationError the configuration cannot be read.*ours.conf"))

    def test_an_address_in_use_is_refused(self) -> None:
        """The parent listens, so a port in use is a ``ConfigurationError`` before the fork."""
        program = "import socket\ntaken = socket.create_server(('127.0.0.1', 0))\n" + CALL.replace(
            "ConductorConfig, None",
            "lambda: ConductorConfig.load(overrides={'api': {'port': taken.getsockname()[1]}}), None",
        )
        output = run_program(THREADING + program)
        self.assertThat(output, MatchesRegex(r"ConfigurationError \[api\] host_ip, port: cannot listen on"))

    def test_other_threads_than_the_main_one_are_refused(self) -> None:
        """The error suggests starting the conductor without oslo.service, which works in any thread."""
        program = "import threading\ndef run():\n" + "".join(f"    {line}\n" for line in CALL.splitlines())
        answer = run_program(THREADING + program + "thread = threading.Thread(target=run)\nthread.start()\nthread.join()\n")
        self.assertThat(answer, StartsWith("RuntimeError oslo.service handles signals"))
        self.assertIn("start and stop the conductor yourself", answer)
