"""The example hosts that start themselves: a script, an agent, and an application beside the Bare Metal API."""

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
from tests.examples.host import EXAMPLES, SOON, until


def example(name: str) -> Any:
    """One of the pages, imported as a host application's module is."""
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    return importlib.import_module(name)


class TestScript(TestCase):
    def run_script(self, machines: list[dict[str, Any]]) -> tuple[int, dict[str, str]]:
        """The exit code, and what it said of each machine."""
        file = Path(self.useFixture(TempDir()).path) / "machines.json"
        file.write_text(json.dumps(machines), encoding="utf-8")
        self.useFixture(FakeLogger())
        with contextlib.redirect_stdout(io.StringIO()) as said:
            code = example("script").main(str(file))
        return code, dict(line.split(": ", 1) for line in said.getvalue().splitlines())

    def test_it_switches_all_machines_on(self) -> None:
        """Each machine is on when it says so, and the script ends."""
        machines = [{"name": f"m{number}", "driver": "fake-hardware"} for number in range(20)]
        self.assertEqual((0, {machine["name"]: "on" for machine in machines}), self.run_script(machines))

    def test_a_machine_that_fails_leaves_the_others_alone(self) -> None:
        """The reason is told, and the exit code is 1."""
        broken = {"set_power": {"effect": "refuse", "message": "no current"}}
        code, said = self.run_script(
            [
                {"name": "good", "driver": "fake-hardware"},
                {"name": "bad", "driver": "fake-hardware", "driver_info": {"fake_faults": broken}},
            ]
        )
        self.assertEqual((1, "on"), (code, said["good"]))
        self.assertIn("no current", said["bad"])


class Manager(Fixture):
    """Takes heartbeats, on a free port of loopback."""

    def _setUp(self) -> None:
        self.heard: list[str] = []
        manager = self

        class Heartbeat(BaseHTTPRequestHandler):
            """One heartbeat."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                manager.heard.append(body["callback_url"])
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Heartbeat)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)


class TestAgent(TestCase):
    def agent(self, manager: str, interval: float = 0.05) -> Any:
        agent = example("agent").Agent(manager, interval)
        agent.start()
        self.addCleanup(agent.stop)
        return agent

    def post(self, url: str) -> tuple[int, dict[str, Any]]:
        host = url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=SOON)
        self.addCleanup(connection.close)
        connection.request("POST", "/wipe")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def test_it_tells_its_manager_where_it_is(self) -> None:
        """Heartbeats come again and again, with the URL that it serves."""
        manager = self.useFixture(Manager())
        agent = self.agent(manager.url)
        until(lambda: len(manager.heard) >= 3)
        self.assertEqual({agent.api_url}, set(manager.heard))

    def test_a_second_command_is_refused_and_heartbeats_go_on(self) -> None:
        """The lane of commands is full at once and says when to come back; the heartbeat has a lane of its own."""
        manager = self.useFixture(Manager())
        agent = self.agent(manager.url)
        gate = threading.Event()
        self.addCleanup(gate.set)
        agent.wipe = gate.wait
        self.assertEqual(202, self.post(agent.api_url)[0])
        status, body = self.post(agent.api_url)
        self.assertEqual(503, status)
        self.assertIn("lane 'commands' of pool 'agent' is full: 1 busy", body["error"])
        before = len(manager.heard)
        until(lambda: len(manager.heard) > before)

    def test_it_runs_without_a_conductor_and_without_a_store(self) -> None:
        """As a process it imports no database toolkit and no device library, and ends on SIGTERM, a command or not."""
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
        heavy = child.wait_for_line("heavy: ", SOON)
        self.assertEqual(202, self.post(child.wait_for_line("ready: ", SOON))[0])
        child.send(signal.SIGTERM)
        self.assertEqual(0, child.wait(SOON))
        self.assertEqual("['stevedore']", heavy)


class TestBeside(TestCase):
    def test_both_applications_answer_on_one_server(self) -> None:
        """Ours has the same nodes as the Bare Metal API, whose links begin where it is mounted; started off the main thread."""
        service = example("beside").Inventory(ConductorConfig(host="ours", conductor=quick_options(), api=APIConfig(port=0)))
        self.addCleanup(service.stop)
        self.in_a_thread(service.start)
        self.check(service.api_url)
        self.in_a_thread(service.stop)
        self.assertRaises(RuntimeError, lambda: service.api_url)

    def in_a_thread(self, function: Any) -> None:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join(SOON)
        self.assertFalse(thread.is_alive())

    def check(self, url: str) -> None:
        client = BareMetalClient(url)
        made = client.request("POST", "/baremetal/v1/nodes", {"name": "m1", "driver": "fake-hardware"})
        self.assertIn(f"{url}/baremetal/v1/nodes/{made['uuid']}", [link["href"] for link in made["links"]])
        with urllib.request.urlopen(f"{url}/inventory", timeout=SOON) as answer:
            self.assertEqual({"m1": None}, json.load(answer))
        with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=SOON)) as connection:
            connection.request("GET", "/elsewhere")
            self.assertEqual(404, connection.getresponse().status)
