"""SIGKILL in the middle of the work, and what the next start makes of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from baremetal_fake.machine import Power, Timings
from tests.metald.service import Service
from tests.system.redfish_fleet import FleetCase

SIMULATED = 92
LEASE = 10.0
"""Seconds. Recovery looks at most eleven times meanwhile: eight nodes a time, as elsewhere, would leave some of them."""
NEVER_ENDS = {"write_image": {"effect": "slow", "seconds": 600.0}}


def kill(service: Service) -> None:
    """End a service as a crash does."""
    os.kill(service.child.pid, signal.SIGKILL)
    service.child.stop()


class TestKilled(FleetCase):
    machines = 6
    # Slow enough to be caught in the middle, by a wide margin.
    timings = Timings(power_on=2.0, power_off=0.0)

    def test_every_node_is_truthful_and_usable_after_the_next_start(self) -> None:
        """Killed while it deploys, and started again on the same state, metald shows what is so, and goes on working."""
        first = self.serve()
        nodes = [self.enrol(first, index) for index in range(self.machines)]
        for node in nodes:
            self.walk(first, node, "manage", "provide")
        for node in nodes[:4]:
            first.client.set_provision_state(node, "active")
        first.client.set_power_state(nodes[4], "power on")
        kill(first)

        second = self.serve()
        for index, node in enumerate(nodes):
            record = self.until(
                second, node, lambda seen: seen["provision_state"] != "deploying" and seen["target_power_state"] is None
            )
            real = self.redfish.machine(index).power
            if record["power_state"] is not None and real in (Power.ON, Power.OFF):
                self.until(second, node, lambda seen, real=real: seen["power_state"] == f"power {real}")
        # The deploy step of ramdisk may be run again, and is: it ends what it had begun.
        for node in nodes[:4]:
            self.until(second, node, lambda seen: seen["provision_state"] == "active")
        states = Counter(second.client.get_node(node)["provision_state"] for node in nodes)
        self.assertEqual({"active": 4, "available": 2}, dict(states))
        for index in range(4):
            self.assertEqual(self.image_url, getattr(self.redfish.machine(index).last_boot, "image", None))
        record = self.walk(second, nodes[0], "deleted")
        seen = (record["provision_state"], record["power_state"], record["last_error"])
        self.assertEqual(("available", "power off", None), seen)


class TestFleetKilled(FleetCase):
    machines = 8
    timings = Timings(power_on=2.0, power_off=0.0)

    def setUp(self) -> None:
        super().setUp()
        self.config = self.state.with_name("metald.conf")
        self.config.write_text(f"[conductor]\nlease_duration = {LEASE}\nsync_power_state_interval = 0\n")

    def enrol_all(self, service: Service) -> tuple[set[str], list[str]]:
        """Make available simulated nodes, whose machines die with the process, and nodes whose machines outlive it."""
        simulated = [
            service.client.create_node(
                {"driver": "fake-hardware", "name": f"n{number}", "driver_info": {"fake_faults": NEVER_ENDS}}
            )["uuid"]
            for number in range(SIMULATED)
        ]
        real = [self.enrol(service, index) for index in range(self.machines)]
        for verb, reached in (("manage", "manageable"), ("provide", "available")):
            for node in simulated + real:
                service.client.set_provision_state(node, verb)
            self.until_all(service, lambda nodes, reached=reached: {one["provision_state"] for one in nodes} == {reached}, 30.0)
        return set(simulated), real

    def until_all(
        self, service: Service, reached: Callable[[list[dict[str, Any]]], bool], seconds: float
    ) -> list[dict[str, Any]]:
        """List the nodes until *reached*; fail after so many *seconds*."""
        pause = threading.Event()
        end = time.monotonic() + seconds
        while True:
            nodes: list[dict[str, Any]] = service.client.request("GET", "/v1/nodes/detail?limit=1000")["nodes"]
            if reached(nodes):
                return nodes
            if time.monotonic() > end:
                self.fail(f"not reached: {Counter(one['provision_state'] for one in nodes)}\n{service.log[-3000:]}")
            pause.wait(0.05)

    def test_a_large_fleet_is_truthful_within_a_lease_period(self) -> None:
        """A hundred machines are in the middle of a deployment when metald is killed. Within the time of one lease after the next
        start nothing is held any more; a step that may be run again has been, one that may not has failed with the reason;
        power is what was observed; and every node can be deployed again."""
        first = self.serve("--config-file", str(self.config))
        simulated, real = self.enrol_all(first)
        for node in [*simulated, *real]:
            first.client.set_provision_state(node, "active")
        self.until_all(
            first,
            lambda nodes: all(one["deploy_step"] and one["reservation"] for one in nodes if one["uuid"] in simulated),
            30.0,
        )
        kill(first)

        second = self.serve("--config-file", str(self.config))
        nodes = self.until_all(second, lambda nodes: not any(map(is_worked_on, nodes)), LEASE)
        self.assertEqual(SIMULATED + self.machines, len(nodes))
        for node in nodes:
            if node["uuid"] in simulated:
                # The machine is a new one, and off: what the first service knew of it is not so any more.
                seen = (node["provision_state"], node["power_state"], node["target_power_state"])
                self.assertEqual(("deploy failed", "power off", None), seen)
                self.assertIn("the conductor stopped in the middle of it", node["last_error"])
            else:
                machine = self.redfish.machine(real.index(node["uuid"]))
                self.assertEqual(("active", f"power {machine.power}"), (node["provision_state"], node["power_state"]))
                self.assertEqual(self.image_url, getattr(machine.last_boot, "image", None))

        for uuid in simulated:
            second.client.set_field(uuid, "driver_info", {})
            second.client.set_provision_state(uuid, "active")
        for uuid in real:
            second.client.set_provision_state(uuid, "rebuild")
        nodes = self.until_all(second, lambda nodes: not any(map(is_worked_on, nodes)), 30.0)
        self.assertEqual({("active", "power on", None)}, {outcome(node) for node in nodes})


def is_worked_on(node: dict[str, Any]) -> bool:
    """Whether somebody has a node, or its state says so."""
    return node["reservation"] is not None or node["provision_state"] in ("deploying", "wait call-back")


def outcome(node: dict[str, Any]) -> tuple[str, str, str | None]:
    """What became of a node."""
    return node["provision_state"], node["power_state"], node["last_error"]
