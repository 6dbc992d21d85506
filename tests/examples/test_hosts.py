"""The example hosts that start themselves: a script, an agent, and an application that shares its server with the API."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import io
import json
import signal
import socketserver
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from fixtures import FakeLogger, Fixture, TempDir
from testtools import TestCase

from baremetal_sdk import ConductorConfig
from baremetal_sdk.config import APIConfig
from baremetal_sdk.testing import quick_options
from metald.client import BareMetalClient
from metald.processes import Child
from tests.examples.host import EXAMPLES, TIMEOUT_S, wait_until


def import_example(name: str) -> Any:
    """Import an example as the module of a host application."""
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    return importlib.import_module(name)


class TestScript(TestCase):
    """The example ``script.py``."""

    def run_script(self, machines: list[dict[str, Any]]) -> tuple[int, dict[str, str]]:
        """Run the script and return the exit code and the output for each machine."""
        file = Path(self.useFixture(TempDir()).path) / "machines.json"
        file.write_text(json.dumps(machines), encoding="utf-8")
        self.useFixture(FakeLogger())
        with contextlib.redirect_stdout(io.StringIO()) as output:
            code = import_example("script").main(str(file))
        return code, dict(line.split(": ", 1) for line in output.getvalue().splitlines())

    def test_it_switches_all_machines_on(self) -> None:
        """The script reports each machine as on and ends with exit code 0."""
        machines = [{"name": f"m{number}", "driver": "fake-hardware"} for number in range(20)]
        self.assertEqual((0, {machine["name"]: "on" for machine in machines}), self.run_script(machines))

    def test_a_failed_machine_does_not_affect_the_others(self) -> None:
        """The script reports the reason of the failure and ends with exit code 1."""
        broken = {"set_power": {"effect": "refuse", "message": "no current"}}
        code, output = self.run_script(
            [
                {"name": "good", "driver": "fake-hardware"},
                {"name": "bad", "driver": "fake-hardware", "driver_info": {"fake_faults": broken}},
            ]
        )
        self.assertEqual(1, code)
        self.assertEqual("on", output["good"])
        self.assertIn("no current", output["bad"])


class Manager(Fixture):
    """A server for heartbeats on a free port of loopback."""

    def _setUp(self) -> None:
        self.callback_urls: list[str] = []
        manager = self

        class Heartbeat(BaseHTTPRequestHandler):
            """One heartbeat."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                manager.callback_urls.append(body["callback_url"])
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Heartbeat)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)


class TestAgent(TestCase):
    """The example ``agent.py``."""

    def start_agent(self, manager: str, interval: float = 0.05) -> Any:
        agent = import_example("agent").Agent(manager, interval)
        agent.start()
        self.addCleanup(agent.stop)
        return agent

    def post(self, url: str) -> tuple[int, dict[str, Any]]:
        host = url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=TIMEOUT_S)
        self.addCleanup(connection.close)
        connection.request("POST", "/wipe")
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def test_heartbeats_contain_the_url_of_the_agent(self) -> None:
        """The agent repeats its heartbeat, which contains the URL that it serves."""
        manager = self.useFixture(Manager())
        agent = self.start_agent(manager.url)
        wait_until(lambda: len(manager.callback_urls) >= 3)
        self.assertEqual({agent.api_url}, set(manager.callback_urls))

    def test_a_second_command_is_rejected_and_heartbeats_continue(self) -> None:
        """The full lane of commands rejects a command with 503. Heartbeats use another lane and continue."""
        manager = self.useFixture(Manager())
        agent = self.start_agent(manager.url)
        gate = threading.Event()
        self.addCleanup(gate.set)
        agent.wipe = gate.wait
        self.assertEqual(202, self.post(agent.api_url)[0])
        status, body = self.post(agent.api_url)
        self.assertEqual(503, status)
        self.assertIn("lane 'commands' of pool 'agent' is full: 1 busy", body["error"])
        before = len(manager.callback_urls)
        wait_until(lambda: len(manager.callback_urls) > before)

    def test_it_runs_without_a_conductor_and_without_a_store(self) -> None:
        """The agent imports no database toolkit, plugin loader or device library, and ends on SIGTERM during a command."""
        manager = self.useFixture(Manager())
        program = (
            "import sys, agent\n"
            "heavy = {'sqlalchemy', 'alembic', 'stevedore', 'sushy', 'pyghmi', 'eventlet'}\n"
            "print('heavy:', sorted(heavy & sys.modules.keys()), flush=True)\n"
            f"agent.main({manager.url!r})"
        )
        directory = Path(self.useFixture(TempDir()).path)
        path = ":".join([str(EXAMPLES), *filter(None, sys.path)])
        child = Child("agent", [sys.executable, "-c", program], directory, {"PYTHONPATH": path})
        self.addCleanup(child.stop)
        heavy = child.wait_for_line("heavy: ", TIMEOUT_S)
        self.assertEqual(202, self.post(child.wait_for_line("ready: ", TIMEOUT_S))[0])
        child.send(signal.SIGTERM)
        self.assertEqual(0, child.wait(TIMEOUT_S))
        self.assertEqual("[]", heavy)


class TestSharedServer(TestCase):
    """The example ``shared_server.py``."""

    def test_both_applications_answer_on_one_server(self) -> None:
        """Both show the same nodes, and the links of the API have its prefix. The service starts outside the main thread."""
        service = import_example("shared_server").Inventory(
            ConductorConfig(host="ours", conductor=quick_options(), api=APIConfig(port=0))
        )
        self.addCleanup(service.stop)
        self.run_in_thread(service.start)
        self.check_both_applications(service.api_url)
        self.run_in_thread(service.stop)
        self.assertRaises(RuntimeError, lambda: service.api_url)

    def run_in_thread(self, function: Any) -> None:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join(TIMEOUT_S)
        self.assertFalse(thread.is_alive())

    def check_both_applications(self, url: str) -> None:
        client = BareMetalClient(url)
        node = client.request("POST", "/baremetal/v1/nodes", {"name": "m1", "driver": "fake-hardware"})
        self.assertIn(f"{url}/baremetal/v1/nodes/{node['uuid']}", [link["href"] for link in node["links"]])
        with urllib.request.urlopen(f"{url}/inventory", timeout=TIMEOUT_S) as response:
            self.assertEqual({"m1": None}, json.load(response))
        with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=TIMEOUT_S)) as connection:
            connection.request("GET", "/elsewhere")
            self.assertEqual(404, connection.getresponse().status)
