"""Credentials that a BMC rejects: all callers together send them twice, however they are sent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from testtools import TestCase

from baremetal_fake.bmc_account import Account
from baremetal_fake.ipmi import AccessOptions, IPMIOptions, IPMIService
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_interfaces import BareMetalError, Deadline
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.config.sensor_data import SensorDataConfig
from baremetal_sdk.store.memory.store import MemoryStore
from baremetal_sdk.testing import ManualClock, quick_options, running_conductor, settle

ACCOUNT, CHANGED = Account("admin", "password"), Account("admin", "changed")
SENSORS = SensorDataConfig(send_sensor_data=True, interval=60.0, enable_for_undeployed_nodes=True)


class WrongCredentialsCase(TestCase):
    """The password of a node changes at its BMC during many calls, then another conductor takes over, then it is corrected."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)

    def start_conductor(self, host: str) -> Conductor:
        config = ConductorConfig(host=host, conductor=quick_options(sync_power_state_interval=60.0), sensor_data=SENSORS)
        context = running_conductor(config, store=self.store, clock=self.clock)
        conductor = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return conductor

    def run_everything(self, conductor: Conductor, calls: list[Callable[[], Any]]) -> None:
        """Run *calls* twice in many threads at once, with power sync and sensor collection."""

        def run_quietly(call: Callable[[], Any]) -> None:
            with contextlib.suppress(BareMetalError):
                call()

        for _ in range(2):
            self.clock.turn(130.0)
            conductor.components.power_sync.tick()
            conductor.components.sensors.tick()
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(run_quietly, calls * 2))
            settle(conductor)

    def build_calls(self, conductor: Conductor, node: str) -> list[Callable[[], Any]]:
        look, rpc = conductor.components.tasks.read_only, conductor.rpc.call
        return [
            lambda: look(node).call("power", "get_power_state"),
            lambda: look(node).call("management", "get_sensors_data"),
            lambda: conductor.components.power_sync.observe(node),
            lambda: rpc("get_boot_device", node=node),
            lambda: rpc("change_power_state", node=node, target="power on", timeout=None),
            lambda: rpc("set_console", node=node, enabled=True),
        ]

    def check(self, driver: str, info: dict[str, Any], change: Callable[[Conductor], Any], refused: Callable[[], int]) -> None:
        first = self.start_conductor("first")
        node: str = first.rpc.call("create_node", values={"driver": driver, "driver_info": info}).uuid
        self.store.update_node(node, {"provision_state": "manageable"}, fence=None)
        self.run_everything(first, self.build_calls(first, node))
        before = refused()
        change(first)
        self.run_everything(first, self.build_calls(first, node))
        self.assertLessEqual(refused() - before, 2)
        (breaker,) = first.rpc.call("explain_node", node=node)["breakers"]
        self.assertEqual(2, breaker["refused_logins"])
        first.stop(5.0)
        second = self.start_conductor("second")
        self.run_everything(second, self.build_calls(second, node))
        self.assertLessEqual(refused() - before, 2)
        driver_info = {**self.store.node(node).driver_info, f"{driver}_password": CHANGED.password}
        second.rpc.call("update_node", node=node, changes={"driver_info": driver_info})
        self.assertIsNone(second.components.power_sync.observe(node))
        self.assertLessEqual(refused() - before, 2)


class TestRedfish(WrongCredentialsCase):
    def check_redfish(self, auth_type: str) -> None:
        service = RedfishService(1, options=BMCOptions(account=ACCOUNT))
        service.start()
        self.addCleanup(service.stop)
        target = {"redfish_address": service.url, "redfish_system_id": service.system_path(0), "redfish_auth_type": auth_type}
        info = {**target, "redfish_username": ACCOUNT.username, "redfish_password": ACCOUNT.password}
        self.check("redfish", info, lambda _: service.set_account(CHANGED), lambda: service.totals()["refused_logins"])

    def test_sessions(self) -> None:
        """The BMC rejects logins."""
        self.check_redfish("session")

    def test_basic_authentication(self) -> None:
        """Each request carries the password; no caller sends it a third time."""
        self.check_redfish("basic")


class TestIPMI(WrongCredentialsCase):
    def test_sessions(self) -> None:
        """The BMC rejects logins."""
        service = IPMIService(1, options=IPMIOptions(AccessOptions(account=ACCOUNT)))
        service.start()
        self.addCleanup(service.stop)

        def change(conductor: Conductor) -> None:
            service.bmc().logins.options = AccessOptions(account=CHANGED)
            conductor.components.bmc.close(Deadline.after(5.0))

        def refused() -> int:
            return service.bmc().logins.attempts - service.bmc().counters.logins

        self.check("ipmi", service.driver_info(), change, refused)
