"""SIGKILL during work, and the recovery at the next start."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from baremetal_fake.machine import Power, Timings
from tests.fixtures.metald_service import Service
from tests.system.redfish_fleet import FleetCase

FAKE_NODES = 92
LEASE_S = 10.0
"""Duration of a lease in seconds.

Recovery runs at most eleven times during one lease. With its usual eight nodes per run it would not finish in time.
"""
NEVER_ENDS = {"write_image": {"effect": "slow", "seconds": 600.0}}


def kill(service: Service) -> None:
    """Kill a service with SIGKILL."""
    os.kill(service.child.pid, signal.SIGKILL)
    service.child.stop()


class TestKilled(FleetCase):
    machines = 6
    # Slow enough that the kill hits running deployments with a wide margin.
    timings = Timings(power_on=2.0, power_off=0.0)

    def test_nodes_are_correct_and_usable_after_a_crash(self) -> None:
        """After a kill during deployments, a service on the same state shows the real states and continues to work."""
        first = self.serve()
        nodes = [self.enroll(first, index) for index in range(self.machines)]
        for node in nodes:
            self.provision(first, node, "manage", "provide")
        for node in nodes[:4]:
            first.client.set_provision_state(node, "active")
        first.client.set_power_state(nodes[4], "power on")
        kill(first)

        second = self.serve()
        for index, node in enumerate(nodes):
            record = self.wait_for_node(
                second, node, lambda seen: seen["provision_state"] != "deploying" and seen["target_power_state"] is None
            )
            real = self.redfish.machine(index).power
            if record["power_state"] is not None and real in (Power.ON, Power.OFF):
                self.wait_for_node(second, node, lambda seen, real=real: seen["power_state"] == f"power {real}")
        # The deploy step of the ramdisk interface is repeatable, so recovery runs it again to its end.
        for node in nodes[:4]:
            self.wait_for_node(second, node, lambda seen: seen["provision_state"] == "active")
        states = Counter(second.client.get_node(node)["provision_state"] for node in nodes)
        self.assertEqual({"active": 4, "available": 2}, dict(states))
        for index in range(4):
            self.assertEqual(self.image_url, getattr(self.redfish.machine(index).last_boot, "image", None))
        record = self.provision(second, nodes[0], "deleted")
        self.assertEqual("available", record["provision_state"])
        self.assertEqual("power off", record["power_state"])
        self.assertIsNone(record["last_error"])


class TestFleetKilled(FleetCase):
    machines = 8
    timings = Timings(power_on=2.0, power_off=0.0)

    def setUp(self) -> None:
        super().setUp()
        self.config = self.state.with_name("metald.conf")
        self.config.write_text(f"[conductor]\nlease_duration = {LEASE_S}\nsync_power_state_interval = 0\n")

    def enroll_all(self, service: Service) -> tuple[set[str], list[str]]:
        """Make nodes available: fake nodes, whose machines end with the process, and Redfish nodes, whose machines do not."""
        fake = [
            service.client.create_node(
                {"driver": "fake-hardware", "name": f"n{number}", "driver_info": {"fake_faults": NEVER_ENDS}}
            )["uuid"]
            for number in range(FAKE_NODES)
        ]
        redfish = [self.enroll(service, index) for index in range(self.machines)]
        for verb, state in (("manage", "manageable"), ("provide", "available")):
            for node in fake + redfish:
                service.client.set_provision_state(node, verb)
            self.wait_for_nodes(service, lambda nodes, state=state: {node["provision_state"] for node in nodes} == {state}, 30.0)
        return set(fake), redfish

    def wait_for_nodes(
        self, service: Service, condition: Callable[[list[dict[str, Any]]], bool], timeout: float
    ) -> list[dict[str, Any]]:
        """List the nodes until *condition* is true. Fail after *timeout* seconds."""
        pause = threading.Event()
        end = time.monotonic() + timeout
        while True:
            nodes: list[dict[str, Any]] = service.client.request("GET", "/v1/nodes/detail?limit=1000")["nodes"]
            if condition(nodes):
                return nodes
            if time.monotonic() > end:
                self.fail(f"no such state: {Counter(node['provision_state'] for node in nodes)}\n{service.log[-3000:]}")
            pause.wait(0.05)

    def test_a_large_fleet_recovers_within_one_lease(self) -> None:
        """A kill hits metald while 100 machines are deployed. One lease after the next start no node has a reservation.

        Repeatable steps have run again, other steps have failed with a reason, the power states are observed ones, and every
        node can be deployed again.
        """
        first = self.serve("--config-file", str(self.config))
        fake, redfish = self.enroll_all(first)
        for node in [*fake, *redfish]:
            first.client.set_provision_state(node, "active")
        self.wait_for_nodes(
            first,
            lambda nodes: all(node["deploy_step"] and node["reservation"] for node in nodes if node["uuid"] in fake),
            30.0,
        )
        kill(first)

        second = self.serve("--config-file", str(self.config))
        nodes = self.wait_for_nodes(second, lambda nodes: not any(map(is_busy, nodes)), LEASE_S)
        self.assertEqual(FAKE_NODES + self.machines, len(nodes))
        for node in nodes:
            if node["uuid"] in fake:
                # The restarted process simulates a new machine, which is off.
                self.assertEqual("deploy failed", node["provision_state"])
                self.assertEqual("power off", node["power_state"])
                self.assertIsNone(node["target_power_state"])
                self.assertIn("the conductor stopped while it worked on the node", node["last_error"])
            else:
                machine = self.redfish.machine(redfish.index(node["uuid"]))
                self.assertEqual(("active", f"power {machine.power}"), (node["provision_state"], node["power_state"]))
                self.assertEqual(self.image_url, getattr(machine.last_boot, "image", None))

        for uuid in fake:
            second.client.set_field(uuid, "driver_info", {})
            second.client.set_provision_state(uuid, "active")
        for uuid in redfish:
            second.client.set_provision_state(uuid, "rebuild")
        nodes = self.wait_for_nodes(second, lambda nodes: not any(map(is_busy, nodes)), 30.0)
        self.assertEqual({("active", "power on", None)}, {summarize(node) for node in nodes})


def is_busy(node: dict[str, Any]) -> bool:
    """Return whether a task holds a node, or its state implies work."""
    return node["reservation"] is not None or node["provision_state"] in ("deploying", "wait call-back")


def summarize(node: dict[str, Any]) -> tuple[str, str, str | None]:
    """Return provision state, power state and last error of a node."""
    return node["provision_state"], node["power_state"], node["last_error"]
