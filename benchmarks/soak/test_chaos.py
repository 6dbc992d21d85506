"""Three conductors and two APIs during failures of all parts: one conductor per machine at a time, and no lost request."""

from __future__ import annotations

import itertools
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
LEASE_S, CALL_TIMEOUT_S, HEARTBEAT_INTERVAL_S = 6.0, 6.0, 1.0
REST_TIMEOUT_S = 240.0
"""Time limit in seconds until no work runs: a lease, the longest call and a sweep for each disturbance, and the work."""
READY_TIMEOUT_S = 90.0
USERNAME, PASSWORD = "operator", "pa55-of-BMCs"
MISSING = etcd.missing() or postgresql.missing() or rabbitmq.missing()


class ChangeRequest(NamedTuple):
    """A request that changes a machine, as its BMC received it."""

    at: float
    machine: str
    session: str
    what: str


@skipIf(MISSING, MISSING or "")
class ChaosTest(TestCase):
    """PostgreSQL, RabbitMQ and etcd are real. The machines survive the conductors and log all changes."""

    def setUp(self) -> None:
        super().setUp()
        self.requests: list[ChangeRequest] = []
        self.useFixture(MonkeyPatch("baremetal_fake.redfish.bmc.RedfishBMC.prepare", self.log_changes(RedfishBMC.prepare)))
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

    def log_changes(self, prepare: Any) -> Any:
        """Return the request method of a BMC with a log of the requests that change a machine."""

        def prepare_and_log(bmc: RedfishBMC, request: Any) -> Any:
            result = prepare(bmc, request)
            parts = request.path.split("/")
            if request.method != "GET" and "SessionService" not in request.path:
                session = request.headers.get("x-auth-token", "none")
                action = f"{request.method} {'/'.join(parts[5:])}"
                self.requests.append(ChangeRequest(time.monotonic(), parts[4], session, action))
            return result

        return prepare_and_log

    def write_config(self, name: str) -> Path:
        file = self.directory / f"{name}.conf"
        file.write_text(
            f"[DEFAULT]\nhost = {name}\nrpc_transport = oslo\ntransport_url = {self.broker.url}\n"
            "enabled_hardware_types = redfish\nrpc_response_timeout = 20\n[api]\nport = 0\n"
            f"[conductor]\nlease_duration = {LEASE_S}\nbmc_call_timeout = {CALL_TIMEOUT_S}\n"
            f"heartbeat_interval = {HEARTBEAT_INTERVAL_S}\n"
            "workers_pool_size = 60\nautomated_clean = false\nsync_power_state_interval = 20\n[metrics]\nendpoint = none\n"
            f"[coordination]\nbackend_url = {self.etcd.url}\n"
            f"[database]\nconnection = {self.database.url}\nsecret_key_file = {self.directory}/key\n",
            encoding="ascii",
        )
        return file

    def start(self, part: str, name: str) -> tuple[Child, str]:
        command = [sys.executable, "-m", "metald", part, "--config-file", str(self.write_config(name))]
        child = Child(name, command, self.directory)
        self.addCleanup(child.stop, 5.0)
        return child, child.wait_for_line("metald ready: ", READY_TIMEOUT_S)

    def test_every_accepted_request_has_an_outcome_and_no_node_two_masters(self) -> None:
        """The result holds although a conductor is killed, another one stops past its lease, and broker and database restart."""
        conductors = {name: self.start("conductor", name)[0] for name in ("one", "two", "three")}
        clients = [BareMetalClient(self.start("api", name)[1]) for name in ("api-1", "api-2")]
        nodes = self.enroll_all(clients)
        self.requests.clear()
        begin = time.monotonic()
        disturbances = threading.Thread(target=self.disturb, args=(conductors,))
        disturbances.start()
        with ThreadPoolExecutor(25) as threads:
            accepted = list(threads.map(lambda node: self.deploy(clients, node), nodes))
        disturbances.join()
        records = {node: self.wait_until_idle(clients, node, begin + REST_TIMEOUT_S) for node in nodes}
        seconds = time.monotonic() - begin
        lines = (line for log in self.directory.glob("*.log") for line in log.read_text().splitlines())
        reports = [line for line in lines if "expired while a request was sent" in line]
        print(json.dumps({
            "nodes": MACHINES, "accepted": sum(accepted), "seconds": round(seconds, 1), "told": len(reports),
            "states": Counter(record["provision_state"] for record in records.values()),
            "requests": len(self.requests), "taken_over": count_takeovers(self.requests),
        }), flush=True)  # fmt: skip
        for index, node in enumerate(nodes):
            self.assert_correct(index, records[node], accepted[index])
        self.assertEqual([], find_two_masters(self.requests), reports)

    def enroll_all(self, clients: list[BareMetalClient]) -> list[str]:
        """Create all nodes and make them available."""

        def enroll(index: int) -> str:
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
            return list(threads.map(enroll, range(MACHINES)))

    def disturb(self, conductors: dict[str, Child]) -> None:
        """Disturb the service for half a minute with failures that could occur in practice."""
        pause = threading.Event()
        pause.wait(2.0)
        conductors["two"].send(signal.SIGSTOP)
        pause.wait(1.0)
        conductors["one"].send(signal.SIGKILL)
        pause.wait(1.0)
        self.broker.restart()
        self.database.restart()
        # Longer than the lease and than the takeover by other conductors.
        pause.wait(LEASE_S + CALL_TIMEOUT_S + 8.0)
        conductors["two"].send(signal.SIGCONT)

    def deploy(self, clients: list[BareMetalClient], node: str) -> bool:
        """Request a deployment until it is accepted, or the state shows that it was. Return whether it was accepted."""
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

    def wait_until_idle(self, clients: list[BareMetalClient], node: str, end: float) -> dict[str, Any]:
        """Wait until no work runs on the node, and return it."""
        while True:
            try:
                record: dict[str, Any] = clients[0].get_node(node)
            except APIError:
                record = {"reservation": "unknown"}
            if record["reservation"] is None and record["provision_state"] not in ("deploying", "wait call-back"):
                return record
            self.assertLess(time.monotonic(), end, record)
            threading.Event().wait(0.2)

    def assert_correct(self, index: int, record: dict[str, Any], accepted: bool) -> None:
        """Check that the API shows the real state of the machine, and that the accepted request has an outcome."""
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
    """The check for two masters itself."""

    def test_alternating_sessions_of_a_machine_are_found(self) -> None:
        """A second session is a takeover. If the first session returns after it, the machine has two masters."""
        sessions = {
            "taken over": ["a", "a", "b", "b"],
            "twice": ["a", "b", "c"],
            "two masters": ["a", "b", "a"],
            "one": ["c", "c"],
        }
        log = [
            ChangeRequest(at, machine, session, "POST")
            for machine, machine_sessions in sessions.items()
            for at, session in enumerate(machine_sessions)
        ]
        self.assertEqual(3, count_takeovers(log))
        self.assertEqual([["a", "b", "a"]], [[request.session for request in found] for found in find_two_masters(log)])


def group_by_machine(requests: list[ChangeRequest]) -> dict[str, list[ChangeRequest]]:
    """Return the requests of each machine."""
    groups: dict[str, list[ChangeRequest]] = defaultdict(list)
    for request in requests:
        groups[request.machine].append(request)
    return groups


def count_takeovers(requests: list[ChangeRequest]) -> int:
    """Return the number of machines that more than one session has changed."""
    return sum(len({request.session for request in log}) > 1 for log in group_by_machine(requests).values())


def find_two_masters(requests: list[ChangeRequest]) -> list[list[ChangeRequest]]:
    """Return the logs of machines that one session changed, then another one, then the first one again."""
    wrong = []
    for log in group_by_machine(requests).values():
        sessions = [session for session, _ in itertools.groupby(request.session for request in log)]
        if len(sessions) != len(set(sessions)):
            wrong.append(log)
    return wrong
