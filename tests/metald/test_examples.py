"""The two examples of the README: a host application, and a plugin with its BMC."""

from __future__ import annotations

import contextlib
import io
import runpy
import shutil
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from fixtures import Fixture, TempDir
from testtools import TestCase

from baremetal_interfaces.conformance import HardwareTypeConformance
from baremetal_sdk.testing import running_conductor
from metald.client import BareMetalClient
from metald.processes import Child
from tests.fixtures.metald_service import READY_SECONDS, Service
from tests.sources import ROOT

EXAMPLES = ROOT / "doc" / "source" / "examples"
sys.path.append(str(EXAMPLES / "acme"))

import baremetal_acme  # noqa: E402


class AcmeBMC(Fixture):
    """A machine whose BMC speaks Acme's line protocol on a free loopback port."""

    password = "secret"

    def __init__(self) -> None:
        super().__init__()
        self.on = False
        self.logins = 0
        self.port = 0

    def _setUp(self) -> None:
        bmc = self

        class Session(socketserver.StreamRequestHandler):
            """One connection with its login."""

            def handle(self) -> None:
                is_logged_in = False
                for line in self.rfile:
                    command = line.decode("utf-8").strip()
                    is_logged_in = is_logged_in or command == f"login {bmc.password}"
                    self.wfile.write((bmc.answer(command) if is_logged_in else "no login").encode("utf-8") + b"\n")
                    if command == "bye" or not is_logged_in:
                        return

        class Server(socketserver.ThreadingTCPServer):
            """The server of the BMC."""

            daemon_threads = True
            block_on_close = False

        server = Server(("127.0.0.1", 0), Session)
        self.port = int(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)

    def answer(self, command: str) -> str:
        """Return the BMC's response to one line."""
        if command.startswith("login "):
            self.logins += 1
        elif command in ("chassis on", "chassis off"):
            self.on = command == "chassis on"
        elif command == "chassis status":
            return "ok on" if self.on else "ok off"
        elif command != "bye":
            return "no such command"
        return "ok"

    @property
    def info(self) -> dict[str, Any]:
        """The ``driver_info`` of a node with this BMC."""
        return {"acme_address": "127.0.0.1", "acme_port": self.port, "acme_password": self.password}


class TestAcmePage(HardwareTypeConformance):
    """The example plugin passes the conformance kit."""

    hardware_type = baremetal_acme.AcmeHardware
    interfaces = {"power": baremetal_acme.AcmePower}

    def setUp(self) -> None:
        super().setUp()
        self.driver_info = self.useFixture(AcmeBMC()).info


class InstalledPluginTest(TestCase):
    """The example plugin as an installed distribution."""

    def test_metald_drives_a_machine_with_an_installed_plugin(self) -> None:
        """Installing the plugin is enough: the API lists its driver, and switches the machine on."""
        bmc = self.useFixture(AcmeBMC())
        service = self.useFixture(Service(extra={"PYTHONPATH": _with_path(self.install())}))
        drivers = [driver["name"] for driver in service.client.request("GET", "/v1/drivers")["drivers"]]
        self.assertIn("acme", drivers)
        node = service.client.create_node({"name": "anvil", "driver": "acme", "driver_info": bmc.info})
        self.assertEqual("******", node["driver_info"]["acme_password"])
        service.client.set_power_state("anvil", "power on")
        self.assertEqual("power on", _wait_until_settled(service.client, "anvil")["power_state"])
        self.assertTrue(bmc.on)

    def install(self) -> Path:
        """Install the distribution and return the directory for ``PYTHONPATH``."""
        directory = Path(self.useFixture(TempDir()).path)
        ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
        shutil.copytree(EXAMPLES / "acme", directory / "source", ignore=ignored)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        subprocess.run([*install, "--target", directory / "site", directory / "source"], check=True, capture_output=True)
        return directory / "site"


class HostPageTest(TestCase):
    """The example host application."""

    def test_it_serves_until_sigterm(self) -> None:
        """The API shows the configured host name, and SIGTERM ends the process with exit code 0."""
        directory = Path(self.useFixture(TempDir()).path)
        config = directory / "ours.conf"
        config.write_text("[DEFAULT]\nhost = ours\n[api]\nport = 0\n", encoding="utf-8")
        child = Child("host", [sys.executable, str(EXAMPLES / "host.py"), str(config)], directory)
        self.addCleanup(child.stop)
        client = BareMetalClient(child.wait_for_line("ready: ", READY_SECONDS))
        conductors = client.request("GET", "/v1/conductors")["conductors"]
        self.assertEqual([("ours", True)], [(conductor["hostname"], conductor["alive"]) for conductor in conductors])
        self.assertEqual(0, child.stop())

    def test_its_report_has_every_machine(self) -> None:
        """A periodic job of the example runs with the conductor that it was added to."""
        page = runpy.run_path(str(EXAMPLES / "host.py"))
        output = io.StringIO()
        with running_conductor() as conductor, contextlib.redirect_stdout(output):
            conductor.rpc.call("create_node", values={"driver": "fake-hardware", "name": "anvil"})
            page["Audit"]().report(conductor)
        self.assertEqual("anvil None None\n", output.getvalue())


def _with_path(directory: Path) -> str:
    return ":".join([str(directory), *filter(None, sys.path)])


def _wait_until_settled(client: BareMetalClient, name: str) -> dict[str, Any]:
    """Wait for the end of a power change and return the node."""
    pause = threading.Event()
    for _ in range(300):
        node = client.get_node(name)
        if not node["target_power_state"] and not node["reservation"]:
            return node
        pause.wait(0.1)
    raise AssertionError(f"the power change of {name} did not end: {node}")
