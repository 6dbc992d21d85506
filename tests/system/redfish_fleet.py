"""metald as a process that drives simulated Redfish machines, which survive its crash."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from baremetal_fake.bmc_account import Account
from baremetal_fake.machine import Timings
from baremetal_fake.rack import Rack
from baremetal_fake.redfish import BMCOptions, RedfishService
from metald.boot_image import build_empty_iso, serve_image
from metald.client import APIError
from tests.fixtures.metald_service import Service

TIMEOUT_S = 60.0
USERNAME, PASSWORD = "operator", "canary-7d1f-Tr0ub4dor"


class FleetCase(TestCase):
    """A number of *machines*, an image for virtual media, and a service that tests can kill and restart."""

    machines = 1
    timings = Timings()

    def setUp(self) -> None:
        super().setUp()
        self.rack = Rack(timings=self.timings)
        self.redfish = RedfishService(self.machines, rack=self.rack, options=BMCOptions(account=Account(USERNAME, PASSWORD)))
        self.redfish.start()
        self.addCleanup(self.redfish.stop)
        image = serve_image(build_empty_iso())
        self.image_url = image.__enter__().url
        self.addCleanup(image.__exit__, None, None, None)
        self.state = Path(self.useFixture(TempDir()).path) / "state"

    def serve(self, *arguments: str) -> Service:
        """Start metald on the state directory of the test."""
        return self.useFixture(Service("--debug", *arguments, state=self.state))

    def enroll(self, service: Service, index: int = 0, boot_iso: str | None = None, **info: Any) -> str:
        """Create the node of a machine and return its UUID."""
        values = {
            "driver": "redfish",
            "name": f"machine-{index}",
            "boot_interface": "redfish-virtual-media",
            "deploy_interface": "ramdisk",
            "driver_info": {
                "redfish_address": self.redfish.url_of(index),
                "redfish_system_id": self.redfish.system_path(index),
                "redfish_username": USERNAME,
                "redfish_password": PASSWORD,
                **info,
            },
            "instance_info": {"boot_iso": boot_iso or self.image_url},
        }
        uuid: str = service.client.create_node(values)["uuid"]
        return uuid

    def provision(self, service: Service, node: str, *verbs: str) -> dict[str, Any]:
        """Take a node through *verbs*, and wait for the end of each. Return the node."""
        record: dict[str, Any] = {}
        for verb in verbs:
            service.client.set_provision_state(node, verb)
            record = self.wait_for_node(
                service, node, lambda seen: seen["target_provision_state"] is None or "fail" in seen["provision_state"]
            )
        return record

    def wait_for_node(self, service: Service, node: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Poll a node until *condition* is true and no task holds it. Fail at the timeout."""
        pause = threading.Event()
        end = time.monotonic() + TIMEOUT_S
        while True:
            record = service.client.get_node(node)
            if condition(record) and record["reservation"] is None:
                return record
            if time.monotonic() > end:
                state = f"{record['provision_state']}, {record['last_error']}"
                self.fail(f"no such state within {TIMEOUT_S:g} s: {state}\n{service.log[-3000:]}")
            pause.wait(0.05)

    def get_error(self, function: Callable[..., Any], *args: Any) -> APIError:
        """Return the API error of a call."""
        error: APIError = self.assertRaises(APIError, function, *args)
        return error

    def read_database(self) -> bytes:
        """Return all bytes of the database files, after a checkpoint of the write-ahead log."""
        for file in self.state.glob("*.sqlite"):
            with sqlite3.connect(file) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return b"".join(file.read_bytes() for file in self.state.iterdir() if file.is_file() and file.suffix != ".key")
