"""Credentials that BMCs refuse: tried twice in all, by whoever asks, however they are sent."""

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


class WrongCredentials(TestCase):
    """A node whose password is changed at the BMC while everybody asks, a conductor that takes it over, and the new password."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)

    def conductor(self, host: str) -> Conductor:
        config = ConductorConfig(host=host, conductor=quick_options(sync_power_state_interval=60.0), sensor_data=SENSORS)
        context = running_conductor(config, store=self.store, clock=self.clock)
        conductor = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return conductor

    def everybody(self, conductor: Conductor, node: str, works: list[Callable[[], Any]]) -> None:
        """Ask from many threads at once, several times, with power sync and the reading of sensors."""

        def quietly(work: Callable[[], Any]) -> None:
            with contextlib.suppress(BareMetalError):
                work()

        for _ in range(2):
            self.clock.turn(130.0)
            conductor.assembly.power_sync.tick()
            conductor.assembly.sensors.tick()
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(quietly, works * 2))
            settle(conductor)

    def works(self, conductor: Conductor, node: str) -> list[Callable[[], Any]]:
        look, rpc = conductor.assembly.tasks.look, conductor.rpc.call
        return [
            lambda: look(node).call("power", "get_power_state"),
            lambda: look(node).call("management", "get_sensors_data"),
            lambda: conductor.assembly.power_sync.observe(node),
            lambda: rpc("get_boot_device", node=node),
            lambda: rpc("change_power_state", node=node, target="power on", timeout=None),
            lambda: rpc("set_console", node=node, enabled=True),
        ]

    def check(self, driver: str, info: dict[str, Any], change: Callable[[Conductor], Any], refused: Callable[[], int]) -> None:
        first = self.conductor("first")
        node: str = first.rpc.call("create_node", values={"driver": driver, "driver_info": info}).uuid
        self.store.update_node(node, {"provision_state": "manageable"}, fence=None)
        self.everybody(first, node, self.works(first, node))
        before = refused()
        change(first)
        self.everybody(first, node, self.works(first, node))
        self.assertLessEqual(refused() - before, 2)
        (breaker,) = first.rpc.call("explain_node", node=node)["breakers"]
        self.assertEqual(2, breaker["refused_logins"])
        first.stop(5.0)
        second = self.conductor("second")
        self.everybody(second, node, self.works(second, node))
        self.assertLessEqual(refused() - before, 2)
        given = {**self.store.node(node).driver_info, f"{driver}_password": CHANGED.password}
        second.rpc.call("update_node", node=node, changes={"driver_info": given})
        self.assertIsNone(second.assembly.power_sync.observe(node))
        self.assertLessEqual(refused() - before, 2)


class TestRedfish(WrongCredentials):
    def check_redfish(self, how: str) -> None:
        service = RedfishService(1, options=BMCOptions(account=ACCOUNT))
        service.start()
        self.addCleanup(service.stop)
        where = {"redfish_address": service.url, "redfish_system_id": service.system_path(0), "redfish_auth_type": how}
        info = {**where, "redfish_username": ACCOUNT.username, "redfish_password": ACCOUNT.password}
        self.check("redfish", info, lambda _: service.set_account(CHANGED), lambda: service.totals()["refused_logins"])

    def test_sessions(self) -> None:
        """Logins are refused."""
        self.check_redfish("session")

    def test_basic_authentication(self) -> None:
        """Each request has the password: it is not sent a third time by any."""
        self.check_redfish("basic")


class TestIPMI(WrongCredentials):
    def test_sessions(self) -> None:
        """Logins are refused."""
        service = IPMIService(1, options=IPMIOptions(AccessOptions(account=ACCOUNT)))
        service.start()
        self.addCleanup(service.stop)

        def change(conductor: Conductor) -> None:
            service.bmc().logins.options = AccessOptions(account=CHANGED)
            conductor.assembly.bmc.close(Deadline.after(5.0))

        def refused() -> int:
            return service.bmc().logins.attempts - service.bmc().counters.logins

        self.check("ipmi", service.driver_info(), change, refused)
