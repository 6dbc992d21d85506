"""Three conductors and two APIs while everything around them fails: no machine has two masters, and no request is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from unittest import skipIf

from fixtures import MonkeyPatch, TempDir
from testtools import TestCase

from baremetal_fake.bmc_account import Account
from baremetal_fake.machine import Power, Timings
from baremetal_fake.rack import Rack
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_fake.redfish.bmc import RedfishBMC
from metald.boot_image import build_empty_iso, serve_image
from metald.client import APIError, BareMetalClient
from metald.processes import Child
from tests.fixtures import etcd, postgresql, rabbitmq

MACHINES = int(os.environ.get("CHAOS_MACHINES", "100"))
LEASE, CALL, HEARTBEAT = 6.0, 6.0, 1.0
BOUND = 240.0
"""Seconds within which every node is at rest: a lease, the longest call and a sweep for each disturbance, and the work."""
READY = 90.0
USERNAME, PASSWORD = "operator", "pa55-of-BMCs"
MISSING = etcd.missing() or postgresql.missing() or rabbitmq.missing()


class Sent(NamedTuple):
    """A request that changes something, as a BMC took it."""

    at: float
    machine: str
    session: str
    what: str


@skipIf(MISSING, MISSING or "")
class ChaosTest(TestCase):
    """PostgreSQL, RabbitMQ and etcd are real; the machines outlive whoever drives them, and keep a log of their own."""

    def setUp(self) -> None:
        super().setUp()
        self.sent: list[Sent] = []
        self.useFixture(MonkeyPatch("baremetal_fake.redfish.bmc.RedfishBMC.understand", self.logged(RedfishBMC.understand)))
        self.rack = Rack(timings=Timings(power_on=3.0, power_off=1.0))
        options = BMCOptions(account=Account(USERNAME, PASSWORD), session_limit=4096)
        self.redfish = RedfishService(MACHINES, rack=self.rack, options=options)
        self.redfish.start()
        self.addCleanup(self.redfish.stop)
        image = serve_image(build_empty_iso())
        self.image_url = image.__enter__().url
        self.addCleanup(image.__exit__, None, None, None)
        self.database = self.useFixture(postgresql.PostgreSQL())
        self.broker = self.useFixture(rabbitmq.RabbitMQ())
        self.etcd = self.useFixture(etcd.Etcd())
        self.directory = Path(self.useFixture(TempDir()).path)

    def logged(self, understand: Any) -> Any:
        """The method of a BMC that takes requests, with a log of those that change a machine."""

        def understood(bmc: RedfishBMC, request: Any) -> Any:
            result = understand(bmc, request)
            parts = request.path.split("/")
            if request.method != "GET" and "SessionService" not in request.path:
                session = request.headers.get("x-auth-token", "none")
                self.sent.append(Sent(time.monotonic(), parts[4], session, f"{request.method} {'/'.join(parts[5:])}"))
            return result

        return understood

    def config(self, name: str) -> Path:
        file = self.directory / f"{name}.conf"
        file.write_text(
            f"[DEFAULT]\nhost = {name}\nrpc_transport = oslo\ntransport_url = {self.broker.url}\n"
            "enabled_hardware_types = redfish\nrpc_response_timeout = 20\n[api]\nport = 0\n"
            f"[conductor]\nlease_duration = {LEASE}\nbmc_call_timeout = {CALL}\nheartbeat_interval = {HEARTBEAT}\n"
            "workers_pool_size = 60\nautomated_clean = false\nsync_power_state_interval = 20\n[metrics]\nendpoint = none\n"
            f"[coordination]\nbackend_url = {self.etcd.url}\n"
            f"[database]\nconnection = {self.database.url}\nsecret_key_file = {self.directory}/key\n",
            encoding="ascii",
        )
        return file

    def start(self, part: str, name: str) -> tuple[Child, str]:
        command = [sys.executable, "-m", "metald", part, "--config-file", str(self.config(name))]
        child = Child(name, command, self.directory)
        self.addCleanup(child.stop, 5.0)
        return child, child.wait_for_line("metald ready: ", READY)

    def test_every_accepted_request_has_an_outcome_and_no_node_two_masters(self) -> None:
        """One conductor is killed, one stands still past its lease, and broker and database are restarted meanwhile."""
        conductors = {name: self.start("conductor", name)[0] for name in ("one", "two", "three")}
        clients = [BareMetalClient(self.start("api", name)[1]) for name in ("api-1", "api-2")]
        nodes = self.enrolled(clients)
        self.sent.clear()
        begun = time.monotonic()
        events = threading.Thread(target=self.disturb, args=(conductors,))
        events.start()
        with ThreadPoolExecutor(25) as threads:
            accepted = list(threads.map(lambda node: self.deployed(clients, node), nodes))
        events.join()
        found = {node: self.at_rest(clients, node, begun + BOUND) for node in nodes}
        took = time.monotonic() - begun
        told = [line for log in self.directory.glob("*.log") for line in log.read_text().splitlines() if "was on its way" in line]
        print(json.dumps({
            "nodes": MACHINES, "accepted": sum(accepted), "seconds": round(took, 1), "told": len(told),
            "states": Counter(record["provision_state"] for record in found.values()),
            "requests": len(self.sent), "taken_over": taken_over(self.sent),
        }), flush=True)  # fmt: skip
        for index, node in enumerate(nodes):
            self.assert_truthful(index, found[node], accepted[index])
        self.assertEqual([], two_masters(self.sent), told)

    def enrolled(self, clients: list[BareMetalClient]) -> list[str]:
        """All nodes, available."""

        def enrol(index: int) -> str:
            info = {
                "redfish_address": self.redfish.url_of(index), "redfish_system_id": self.redfish.system_path(index),
                "redfish_username": USERNAME, "redfish_password": PASSWORD,
            }  # fmt: skip
            values = {
                "driver": "redfish", "name": f"m{index}", "boot_interface": "redfish-virtual-media",
                "deploy_interface": "ramdisk", "driver_info": info, "instance_info": {"boot_iso": self.image_url},
            }  # fmt: skip
            client = random.choice(clients)
            uuid: str = client.create_node(values)["uuid"]
            for verb, state in (("manage", "manageable"), ("provide", "available")):
                client.set_provision_state(uuid, verb)
                end = time.monotonic() + 120.0
                while client.get_node(uuid)["provision_state"] != state or client.get_node(uuid)["reservation"]:
                    self.assertLess(time.monotonic(), end, client.get_node(uuid)["last_error"])
                    threading.Event().wait(0.2)
            return uuid

        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(enrol, range(MACHINES)))

    def disturb(self, conductors: dict[str, Child]) -> None:
        """What happens to a service in a bad hour, in half a minute."""
        pause = threading.Event()
        pause.wait(2.0)
        conductors["two"].send(signal.SIGSTOP)
        pause.wait(1.0)
        conductors["one"].send(signal.SIGKILL)
        pause.wait(1.0)
        self.broker.restart()
        self.database.restart()
        # Longer than the lease, and than others take to take over.
        pause.wait(LEASE + CALL + 8.0)
        conductors["two"].send(signal.SIGCONT)

    def deployed(self, clients: list[BareMetalClient], node: str) -> bool:
        """Ask for a deployment until it was accepted, or can be seen to have been; whether it was."""
        end = time.monotonic() + 120.0
        while time.monotonic() < end:
            client = random.choice(clients)
            try:
                client.set_provision_state(node, "active")
                return True
            except APIError as exc:
                if exc.status == 400 or (exc.status in (409, 504) and client.get_node(node)["provision_state"] != "available"):
                    return True
            threading.Event().wait(1.0)
        return False

    def at_rest(self, clients: list[BareMetalClient], node: str, end: float) -> dict[str, Any]:
        """The node once nothing goes on there any more."""
        while True:
            try:
                record: dict[str, Any] = clients[0].get_node(node)
            except APIError:
                record = {"reservation": "unknown"}
            if record["reservation"] is None and record["provision_state"] not in ("deploying", "wait call-back"):
                return record
            self.assertLess(time.monotonic(), end, record)
            threading.Event().wait(0.2)

    def assert_truthful(self, index: int, record: dict[str, Any], accepted: bool) -> None:
        """What the API shows is what the machine is, and an accepted request was not forgotten."""
        machine = self.redfish.machine(index)
        self.assertTrue(accepted, record["provision_state"])
        self.assertIn(record["provision_state"], ("active", "deploy failed"), record)
        if record["provision_state"] == "active":
            self.assertEqual(self.image_url, getattr(machine.last_boot, "image", None))
        else:
            self.assertTrue(record["last_error"])
        if record["power_state"] is not None and machine.power in (Power.ON, Power.OFF):
            self.assertEqual(f"power {machine.power}", record["power_state"])


class TwoMastersTest(TestCase):
    """What the proof rests on."""

    def test_a_machine_that_is_driven_by_turns_is_found(self) -> None:
        """One session after another is a take-over; the first one again after that is a second master, of that machine alone."""
        turns = {"taken over": ["a", "a", "b", "b"], "twice": ["a", "b", "c"], "two masters": ["a", "b", "a"], "one": ["c", "c"]}
        log = [Sent(at, machine, session, "POST") for machine, found in turns.items() for at, session in enumerate(found)]
        self.assertEqual(3, taken_over(log))
        self.assertEqual([["a", "b", "a"]], [[one.session for one in found] for found in two_masters(log)])


def by_machine(sent: list[Sent]) -> dict[str, list[Sent]]:
    """The log of each machine."""
    found: dict[str, list[Sent]] = defaultdict(list)
    for one in sent:
        found[one.machine].append(one)
    return found


def taken_over(sent: list[Sent]) -> int:
    """Machines that more than one session has driven."""
    return sum(len({one.session for one in log}) > 1 for log in by_machine(sent).values())


def two_masters(sent: list[Sent]) -> list[list[Sent]]:
    """The logs of machines that somebody drove, then somebody else, then the first one again."""
    wrong = []
    for log in by_machine(sent).values():
        turns = [one.session for number, one in enumerate(log) if number == 0 or log[number - 1].session != one.session]
        if len(turns) != len(set(turns)):
            wrong.append(log)
    return wrong
