"""``metald api`` and ``metald conductor`` as two processes with one database."""

from __future__ import annotations

import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from metald.client import APIError, BareMetalClient
from metald.processes import Child
from tests.fixtures.metald_service import READY_SECONDS, metald

TIMEOUT_S = 30.0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class TestSeparateProcesses(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.config = self.directory / "metald.conf"
        self.config.write_text(
            "[DEFAULT]\nrpc_transport = json-rpc\nhost = 127.0.0.1\nenabled_hardware_types = fake-hardware\n"
            f"[api]\nport = 0\n[json_rpc]\nport = {_free_port()}\n[conductor]\nsync_power_state_interval = 0\n"
            f"heartbeat_interval = 1\n"
            f"[database]\nconnection = sqlite:///{self.directory}/db.sqlite\nsecret_key_file = {self.directory}/key\n",
            encoding="ascii",
        )

    def start(self, command_name: str) -> Child:
        """Start a process that stops at the end of the test."""
        command = [sys.executable, "-m", "metald", command_name, "--config-file", str(self.config)]
        child = Child(f"{command_name}-{time.monotonic()}", command, self.directory)
        self.addCleanup(child.stop)
        return child

    def wait(self, client: BareMetalClient, **fields: Any) -> dict[str, Any]:
        """Wait until the node has these values and no reservation."""
        end = time.monotonic() + TIMEOUT_S
        while True:
            node: dict[str, Any] = client.get_node("n1")
            if node["reservation"] is None and all(node[name] == value for name, value in fields.items()):
                return node
            self.assertTrue(time.monotonic() < end, (fields, node["provision_state"], node["last_error"]))
            time.sleep(0.02)

    def test_a_node_is_provisioned_through_two_processes(self) -> None:
        """The API calls the conductor over RPC. Without a conductor such calls fail; they work again after its restart."""
        conductor = self.start("conductor")
        self.assertEqual("conductor 127.0.0.1", conductor.wait_for_line("metald ready: ", READY_SECONDS))
        api = self.start("api")
        client = BareMetalClient(api.wait_for_line("metald ready: ", READY_SECONDS))
        client.create_node({"name": "n1", "driver": "fake-hardware", "driver_info": {"fake_password": "tiger"}})
        for verb, state in (("manage", "manageable"), ("provide", "available"), ("active", "active")):
            client.set_provision_state("n1", verb)
            self.wait(client, provision_state=state)
        rejected = self.assertRaises(APIError, client.set_provision_state, "n1", "provide")
        self.assertIn("provide", str(rejected))
        conductor.send(signal.SIGKILL)
        conductor.wait(TIMEOUT_S)
        unreachable = self.assertRaises(APIError, client.set_power_state, "n1", "power off")
        self.assertIn("cannot reach conductor", str(unreachable))
        self.assertEqual("active", client.get_node("n1")["provision_state"])
        self.start("conductor").wait_for_line("metald ready: ", READY_SECONDS)
        client.set_power_state("n1", "power off")
        self.wait(client, power_state="power off")
        for log in self.directory.glob("*.log"):
            self.assertNotIn("tiger", log.read_text(encoding="utf-8"))
        self.assertEqual(0, api.stop())

    def test_a_killed_conductor_recovers_its_nodes_at_its_next_start(self) -> None:
        """The conductor knows that its former process is dead, so recovery does not wait for the lease to expire."""
        text = self.config.read_text(encoding="ascii")
        self.config.write_text(text.replace("[conductor]\n", "[conductor]\nlease_duration = 600\nautomated_clean = false\n"))
        conductor = self.start("conductor")
        conductor.wait_for_line("metald ready: ", READY_SECONDS)
        client = BareMetalClient(self.start("api").wait_for_line("metald ready: ", READY_SECONDS))
        endless = {"write_image": {"effect": "slow", "seconds": 600.0}}
        client.create_node({"name": "n1", "driver": "fake-hardware", "driver_info": {"fake_faults": endless}})
        for verb, state in (("manage", "manageable"), ("provide", "available")):
            client.set_provision_state("n1", verb)
            self.wait(client, provision_state=state)
        client.set_provision_state("n1", "active")
        end = time.monotonic() + TIMEOUT_S
        while not client.get_node("n1")["deploy_step"]:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        conductor.send(signal.SIGKILL)
        conductor.wait(TIMEOUT_S)
        self.start("conductor").wait_for_line("metald ready: ", READY_SECONDS)
        node = self.wait(client, provision_state="deploy failed")
        self.assertIn("the conductor stopped while it worked on the node", node["last_error"])

    def test_missing_options_are_reported(self) -> None:
        """A process that cannot reach the others does not start and names the missing option."""
        for text, option in (
            ("", "[DEFAULT] rpc_transport"),
            ("[DEFAULT]\nrpc_transport = json-rpc\n", "[database] connection"),
        ):
            self.config.write_text(text, encoding="ascii")
            for command_name in ("api", "conductor"):
                ended = metald(command_name, "--config-file", str(self.config))
                self.assertEqual(2, ended.returncode)
                self.assertIn(option, ended.stderr)
