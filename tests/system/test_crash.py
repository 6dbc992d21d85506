"""SIGKILL in the middle of the work, and what the next start makes of it."""

from __future__ import annotations

import os
import signal
from collections import Counter

from baremetal_fake.machine import Power, Timings
from tests.app.service import Service
from tests.system.redfish_fleet import FleetCase


class TestKilled(FleetCase):
    machines = 6
    # Slow enough to be caught in the middle, by a wide margin.
    timings = Timings(power_on=2.0, power_off=0.0)

    def kill(self, service: Service) -> None:
        os.kill(service.child.pid, signal.SIGKILL)
        service.child.stop()

    def test_every_node_is_truthful_and_usable_after_the_next_start(self) -> None:
        """Killed while it deploys, and started again on the same state, metald shows what is so, and goes on working."""
        first = self.serve()
        nodes = [self.enrol(first, index) for index in range(self.machines)]
        for node in nodes:
            self.walk(first, node, "manage", "provide")
        for node in nodes[:4]:
            first.client.provision(node, "active")
        first.client.power(nodes[4], "power on")
        self.kill(first)

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
        states = Counter(second.client.node(node)["provision_state"] for node in nodes)
        self.assertEqual({"active": 4, "available": 2}, dict(states))
        for index in range(4):
            self.assertEqual(self.image_url, getattr(self.redfish.machine(index).last_boot, "image", None))
        record = self.walk(second, nodes[0], "deleted")
        seen = (record["provision_state"], record["power_state"], record["last_error"])
        self.assertEqual(("available", "power off", None), seen)
