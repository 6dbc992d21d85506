"""Jumps of the wall clock during work: leases, waits and clients of a service survive them."""

from __future__ import annotations

import http.client
import json
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any
from unittest import skipIf
from urllib.parse import urlsplit

from fixtures import TempDir
from testtools import TestCase

from tests.fixtures import wall_clock
from tests.fixtures.metald_service import Service

HOUR_S = 3600
JUMPS_S = (2 * HOUR_S, -5 * HOUR_S, 90 * 24 * HOUR_S, 0)
"""Shifts of the wall clock, one after the other: forward, backward, by months, and back."""
STAY_S = 3.0
"""Seconds for which each shift lasts: more than two sweeps for lost work and one heartbeat."""
BOUND_S = 90.0
SLOW_S = 14.0
"""Duration of the steps in seconds: longer than all jumps together, and than a lease."""
OPTIONS = """\
[conductor]
lease_duration = 9
heartbeat_interval = 2
sync_power_state_interval = 2
"""


@skipIf(wall_clock.missing(), wall_clock.missing() or "")
class ClockJumpTest(TestCase):
    """A service whose wall clock is shifted while it works."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = self.useFixture(wall_clock.WallClock())
        service = Service(extra=self.clock.environment)
        config = self.useFixture(TempDir()).join("metald.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(OPTIONS)
        service.arguments = ("--config-file", config)
        self.service = self.useFixture(service)

    def enroll(self, name: str, **faults: Any) -> str:
        client = self.service.client
        values = {"driver": "fake-hardware", "name": name, "driver_info": {"fake_faults": faults}}
        node: str = client.create_node(values)["uuid"]
        client.set_provision_state(node, "manage")
        self.wait_for(node, "manageable")
        return node

    def wait_for(self, node: str, *states: str) -> dict[str, Any]:
        """Wait until the node is in one of *states*."""
        end = time.monotonic() + BOUND_S
        while (record := self.service.client.get_node(node))["provision_state"] not in states:
            self.assertLess(time.monotonic(), end, record)
            threading.Event().wait(0.1)
        return record

    def clean(self, node: str, step: str, **arguments: Any) -> None:
        steps = [{"interface": "deploy", "step": step, **({"args": arguments} if arguments else {})}]
        self.service.client.request("PUT", f"/v1/nodes/{node}/states/provision", {"target": "clean", "clean_steps": steps})

    def post(self, key: str) -> tuple[int, str, float]:
        """Create a node with an idempotency key. Return the status, the UUID, and the wall clock of the service."""
        connection = http.client.HTTPConnection(urlsplit(self.service.url).netloc, timeout=BOUND_S)
        try:
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
            connection.request("POST", "/v1/nodes", '{"driver": "fake-hardware"}', headers)
            response = connection.getresponse()
            date = parsedate_to_datetime(response.headers["Date"])
            return response.status, json.loads(response.read())["uuid"], date.timestamp()
        finally:
            connection.close()

    def test_jumps_end_nothing(self) -> None:
        """Running and waiting steps, leases, heartbeats and idempotency keys survive jumps by hours and months."""
        running = self.enroll("running", erase_devices={"effect": "slow", "seconds": SLOW_S})
        polled, waiting = self.enroll("polled"), self.enroll("waiting")
        self.clean(waiting, "wait_for_event")
        self.wait_for(waiting, "clean wait")
        self.clean(running, "erase_devices")
        self.clean(polled, "burnin", seconds=SLOW_S)
        self.wait_for(polled, "clean wait")
        _, created, _ = self.post("one")
        for shift in JUMPS_S:
            self.clock.shift(shift)
            status, repeated, wall = self.post("one")
            self.assertLess(abs(wall - time.time() - shift), HOUR_S, "the shift has no effect")
            self.assertEqual((201, created), (status, repeated))
            threading.Event().wait(STAY_S)
            conductors = self.service.client.request("GET", "/v1/conductors")["conductors"]
            self.assertEqual([True], [conductor["alive"] for conductor in conductors])
            self.assertEqual("clean wait", self.service.client.get_node(waiting)["provision_state"])
        for node in (running, polled):
            record = self.wait_for(node, "manageable", "clean failed")
            self.assertEqual(("manageable", None), (record["provision_state"], record["last_error"]))
        self.assertNotIn("was lost", self.service.log)
