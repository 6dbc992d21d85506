"""Options that make a test service misbehave, and plugins at a service with broken answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from baremetal_fake import Account, FaultPlan
from baremetal_fake.ipmi import AccessOptions, IPMIOptions, IPMIService
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_interfaces import BareMetalError, Deadline, DriverError, PowerState
from baremetal_interfaces.local import LocalTask
from baremetal_ipmi import IPMIConnector, IPMIInfo, chassis
from baremetal_ipmi.errors import CommandRefused
from baremetal_redfish.bios import RedfishBIOS
from baremetal_redfish.firmware import RedfishFirmware
from baremetal_redfish.raid import RedfishRAID
from tests.fixtures.redfish_emulator import build_interfaces
from tests.plugins.fake.redfish_client import RedfishClient
from tests.plugins.redfish.test_connector import PASSWORD, ServiceTestCase

SESSIONS = "/redfish/v1/SessionService/Sessions"


class TestAccounts(ServiceTestCase):
    def test_consecutive_wrong_passwords_lock_the_account(self) -> None:
        """After consecutive wrong passwords, the account refuses the right password until the account is unlocked."""
        service = self.serve(bmc={"lockout_after": 2})
        client = RedfishClient(service.url)
        self.addCleanup(client.close)
        right, wrong = ({"UserName": "root", "Password": word} for word in (PASSWORD, "wrong"))
        self.assertEqual(
            [401, 201, 401, 401, 401],
            [client.post(SESSIONS, login).status for login in (wrong, right, wrong, wrong, right)],
        )
        self.assertTrue(service.bmc().locked)
        service.bmc().unlock()
        self.assertEqual(201, client.post(SESSIONS, right).status)
        self.assertEqual(4, service.totals()["refused_logins"])


class TestLoad(ServiceTestCase):
    def test_a_request_above_the_limit_fails(self) -> None:
        """A Redfish BMC answers 500 to a request above its limit of requests in flight, and counts it."""
        service = RedfishService(1, latency=0.2, options=BMCOptions(parallel_limit=1))
        service.start()
        self.addCleanup(service.stop)
        clients = [RedfishClient(service.url) for _ in range(2)]
        for client in clients:
            self.addCleanup(client.close)
        with ThreadPoolExecutor(2) as pool:
            answers = [reply.status for reply in pool.map(lambda client: client.get("/redfish/v1/Systems"), clients)]
        self.assertEqual([200, 500], sorted(answers))
        self.assertEqual(1, service.totals()["overruns"])
        self.assertEqual(200, clients[0].get("/redfish/v1/Systems").status)

    def test_an_ipmi_command_above_the_limit_is_refused(self) -> None:
        """An IPMI BMC refuses a command above its limit of commands in flight, and counts it."""
        service = IPMIService(1, latency=0.2, options=IPMIOptions(AccessOptions(), parallel_limit=1))
        service.start()
        self.addCleanup(service.stop)
        info, connector = IPMIInfo(**service.driver_info()), IPMIConnector()
        sessions = [connector.open(info, None, Deadline.after(10.0)) for _ in range(2)]
        for session in sessions:
            self.addCleanup(connector.close, session, Deadline.after(1.0))

        def ask(session: Any) -> Any:
            try:
                return chassis.get_power_state(session, Deadline.after(10.0))
            except CommandRefused as exc:
                return exc.code

        with ThreadPoolExecutor(2) as pool:
            self.assertEqual({PowerState.OFF, 0xC4}, set(pool.map(ask, sessions)))
        self.assertEqual(1, service.totals()["overruns"])


class TestAnswers(ServiceTestCase):
    """The Redfish plugin at a service whose answers are truncated or have values of wrong types."""

    CALLS: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("power", "get_power_state", ()),
        ("power", "set_power_state", (PowerState.ON,)),
        ("management", "get_boot_device", ()),
        ("management", "get_boot_mode", ()),
        ("management", "get_secure_boot", ()),
        ("management", "get_sensors_data", ()),
        ("management", "get_node_health", ()),
        ("management", "get_virtual_media", ()),
        ("inspect", "inspect", ()),
        ("bios", "get_settings", ()),
        ("firmware", "get_components", ()),
        ("raid", "delete_configuration", ()),
    )

    def outcome(self, account: Account, effect: str, call: tuple[str, str, tuple[Any, ...]]) -> Any:
        """Return the result of one call, or the error of the contract that it raises. Any other error propagates."""
        service = RedfishService(1, options=BMCOptions(account))
        service.start()
        self.addCleanup(service.stop)
        service.inject(FaultPlan.from_json({"get_*": {"effect": effect}}))
        found: dict[str, Any] = {
            **build_interfaces(0.1),
            "bios": RedfishBIOS(),
            "firmware": RedfishFirmware(),
            "raid": RedfishRAID(),
        }
        task = LocalTask(found, self.raw(service), timeout=5.0, poll_interval=0.02)
        kind, method, arguments = call
        try:
            return task.call(kind, method, *arguments)
        except BareMetalError as exc:
            return exc

    def test_a_truncated_answer_is_a_driver_error(self) -> None:
        """A truncated answer raises DriverError, and is never taken for a complete one."""
        for call in self.CALLS:
            self.assertIsInstance(self.outcome(Account("root", PASSWORD), "truncate", call), DriverError, str(call))

    def test_wrong_types_never_raise_a_python_error(self) -> None:
        """An answer with wrong types gives a result or an error of the contract, whose text names no Python error."""
        for call in self.CALLS:
            outcome = self.outcome(Account("root", PASSWORD), "mistype", call)
            for word in ("AttributeError", "TypeError", "KeyError", "object has no"):
                self.assertNotIn(word, str(outcome), str(call))
