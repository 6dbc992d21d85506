"""The command of the Redfish test service: ``python -m baremetal_fake.redfish``."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import testtools

from baremetal_fake.loopback import addresses_in
from baremetal_fake.redfish.command import processes_for
from baremetal_fake.redfish.plan import ServicePlan
from tests.plugins.fake.redfish_client import RedfishClient

SYSTEMS = "/redfish/v1/Systems"


class TestCommand(testtools.TestCase):
    """The command reports that it is ready, serves, and ends on SIGTERM."""

    def start(self, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        command = [sys.executable, "-m", "baremetal_fake.redfish", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.addCleanup(self.stop, process)
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        line = process.stdout.readline()
        return process, json.loads(line)

    def stop(self, process: subprocess.Popen[str]) -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=30.0)

    def client(self, url: str, **options: Any) -> RedfishClient:
        client = RedfishClient(url, **options)
        self.addCleanup(client.close)
        return client

    def test_the_first_line_names_url_and_systems(self) -> None:
        """The first line of output holds the URL and the systems, which answer at once."""
        process, ready = self.start("--count", "3")
        client = self.client(ready["url"])
        self.assertEqual(3, len(ready["systems"]))
        for system in ready["systems"]:
            self.assertEqual("Off", client.get(system).body["PowerState"])
        self.assertEqual(0, self.stop(process))

    def test_machines_can_be_named(self) -> None:
        """The option --names replaces the numbers of the machines."""
        _, ready = self.start("--names", "web,db")
        self.assertEqual([f"{SYSTEMS}/web", f"{SYSTEMS}/db"], ready["systems"])

    def test_limits_of_a_bmc_are_options(self) -> None:
        """The options for limits reach the BMCs."""
        arguments = ("--username", "root", "--password", "right", "--lockout-after", "1", "--parallel-limit", "3")
        _, ready = self.start(*arguments)
        client = self.client(ready["url"])
        sessions = "/redfish/v1/SessionService/Sessions"
        for password in ("wrong", "right"):
            self.assertEqual(401, client.post(sessions, {"UserName": "root", "Password": password}).status)

    def test_many_addresses_over_several_processes_with_tls_and_an_account(self) -> None:
        """Several processes serve one address for each machine with one certificate and one account."""
        spread = ("--count", "7", "--addresses", "127.77.200.0/24", "--processes", "3")
        _, ready = self.start(*spread, "--tls", "--username", "admin", "--password", "pw")
        self.assertEqual(3, ready["processes"])
        self.assertEqual(7, len(ready["urls"]))
        context = ssl.create_default_context(cafile=ready["certificate"])
        for url, system in zip(ready["urls"], ready["systems"], strict=True):
            self.assertEqual(204, self.client(url, context=context, basic=("admin", "pw")).reset(system, "On").status)
            self.assertEqual(401, self.client(url, context=context).get(system).status)

    def test_children_end_when_their_parent_is_killed(self) -> None:
        """If the parent is killed, its child processes end and close their connections."""
        process, ready = self.start("--count", "2", "--addresses", "127.77.201.0/24", "--processes", "2")
        clients = [self.client(url) for url in ready["urls"]]
        for client in clients:
            client.get("/redfish/v1")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=10.0)
        for client in clients:
            self.assertEqual(b"", client.connection.sock.recv(1), "the child closes its connections when it ends")

    def test_faults_come_from_a_file(self) -> None:
        """A fault file holds one plan for all machines, or a plan for each pattern of names."""
        plans = ([{"operation": "login", "effect": "busy"}], {"0": [{"operation": "login", "effect": "busy"}]})
        for plan in plans:
            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory) / "faults.json"
                path.write_text(json.dumps(plan), encoding="utf-8")
                _, ready = self.start("--faults", str(path))
                self.assertEqual(503, self.client(ready["url"]).log_in().status)

    def test_wrong_options_are_reported_without_a_traceback(self) -> None:
        """A wrong option ends the command with the reason and without a traceback."""
        cases = {
            ("--address", "192.0.2.1"): "not a loopback address",
            ("--addresses", "192.0.2.0/24"): "not a loopback network",
            ("--addresses", "127.77.0.0/30", "--count", "9"): "9 are needed",
            ("--faults", "/nonexistent"): "/nonexistent",
            ("--password", "x"): "--username",
            ("--names", "a,a"): "unique",
            ("--latency", "-1"): "0 or more",
        }
        for arguments, reason in cases.items():
            command = [sys.executable, "-m", "baremetal_fake.redfish", *arguments]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=30.0, check=False)
            self.assertNotEqual(0, ended.returncode)
            self.assertIn(reason, ended.stderr)
            self.assertNotIn("Traceback", ended.stderr)


class TestPlan(testtools.TestCase):
    """The distribution of machines to addresses and processes."""

    def test_addresses_avoid_the_ends_of_each_block(self) -> None:
        """Of each 256 addresses, the first 250 after .0 are used."""
        found = addresses_in("127.77.0.0/16", 501)
        expected = {0: "127.77.0.1", 249: "127.77.0.250", 250: "127.77.1.1", 500: "127.77.2.1"}
        self.assertEqual(expected, {index: found[index] for index in expected})
        self.assertEqual(501, len(set(found)))

    def test_shares_cover_every_machine_once(self) -> None:
        """Each machine is in exactly one share, even if the machines do not divide evenly."""
        names = tuple(str(number) for number in range(10))
        plan = ServicePlan(names, addresses_in("127.77.0.0/16", 10))
        for count in (1, 3, 7, 10, 20):
            shares = plan.shares(count)
            self.assertEqual(names, tuple(name for share in shares for name in share.names))
            self.assertTrue(all(len(share.names) == len(share.addresses) for share in shares))
            self.assertLessEqual(len(shares), count)

    def test_a_plan_survives_json(self) -> None:
        """A plan is the same after it was encoded and decoded, and its repr does not contain the password."""
        faults = (("*", [{"operation": "login", "effect": "auth"}]),)
        plan = ServicePlan(("a",), certificate=("c", "k"), username="u", password="hush-hush", latency=0.5, faults=faults)
        self.assertEqual(plan, ServicePlan.from_json(plan.to_json()))
        self.assertNotIn("hush-hush", repr(plan))

    def test_the_number_of_processes_follows_from_the_descriptors(self) -> None:
        """More processes are used only if one process cannot open enough files."""
        self.assertEqual([1, 1, 3, 25], [processes_for(n, 2064) for n in (1, 400, 1000, 10_000)])
