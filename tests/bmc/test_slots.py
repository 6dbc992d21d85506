"""The limit on requests in flight at a BMC, for all callers and drivers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from testtools import ExpectedException, TestCase

from baremetal_fake.redfish import RedfishService
from baremetal_interfaces import (
    BMCBusy,
    Connector,
    Deadline,
    DriverInfo,
    Endpoint,
    Fault,
    InvalidInput,
    Kind,
    option,
    request_slot,
)
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.bmc import BMCAccess, SlotTaken, parse_slot_rules
from baremetal_sdk.bmc.slots import SCOPE_SYSTEM, RequestSemaphore
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.testing import ManualClock, quick_options, running_conductor

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Info(DriverInfo):
    toy_address: str = option("Address.", default="bmc")
    toy_username: str | None = option("User name.", default=None)
    toy_system: str | None = option("System behind the address.", default=None)


class Toy(Connector[str]):
    """A connector without a BMC, whose sessions have one borrower at a time."""

    def open(self, info: Any, tls: Any, deadline: Deadline) -> str:
        return "session"

    def close(self, session: str, deadline: Deadline) -> None:
        pass

    def classify(self, exc: Exception) -> Fault:
        return Fault.OTHER


class SlotPerRequest(Toy):
    """A connector whose sessions take a slot for each request."""

    shareable = takes_turns = True


class TestRequestSemaphore(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.semaphore = RequestSemaphore(Endpoint("", "bmc"))

    def test_the_limit_is_kept(self) -> None:
        """A request beyond the limit gets an error at its deadline, and the other requests continue."""
        for _ in range(2):
            self.semaphore.take(2, Deadline.after(TIMEOUT_S))
        with ExpectedException(SlotTaken, ".*serves other requests.*"):
            self.semaphore.take(2, Deadline.after(0.0))
        self.semaphore.give()
        self.semaphore.take(2, Deadline.after(0.0))
        self.assertEqual(2, self.semaphore.in_flight)

    def test_waiters_are_served_in_order(self) -> None:
        """Slots are given in the order of the requests, and later callers do not overtake."""
        self.semaphore.take(1, Deadline.after(TIMEOUT_S))
        order: list[int] = []
        threads = [self.waiter(number, order) for number in range(4)]
        with ExpectedException(SlotTaken):
            self.semaphore.take(2, Deadline.after(0.0))
        self.semaphore.give()
        for thread in threads:
            thread.join(TIMEOUT_S)
        self.assertEqual([0, 1, 2, 3], order)
        self.assertEqual(0, self.semaphore.in_flight)

    def waiter(self, number: int, order: list[int]) -> threading.Thread:
        def run() -> None:
            self.semaphore.take(1, Deadline.after(TIMEOUT_S))
            order.append(number)
            self.semaphore.give()

        thread = threading.Thread(target=run)
        thread.start()
        while len(self.semaphore.waiters) <= number:
            thread.join(0.001)
        return thread


class TestScope(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.access = BMCAccess(ManualClock())

    def borrow(self, connector: type[Toy] = Toy, *, wait: bool = False, owner: object = None, **how: Any) -> Any:
        options = {name: how.pop(name) for name in ("max_in_flight", "scope") if name in how}
        account = self.access.prepare_credential(connector, Info(**how), (), **options)
        return self.access.borrow_with(account, Deadline.after(0.01), wait=wait, owner=owner)

    def test_accounts_of_one_bmc_share_its_slots(self) -> None:
        """The limit applies to the BMC, not to each of its accounts."""
        with self.borrow(toy_username="a"), ExpectedException(SlotTaken), self.borrow(toy_username="b"):
            pass

    def test_systems_behind_one_address_can_have_their_own_slots(self) -> None:
        """With the scope ``system``, systems do not wait for each other, but one system still waits for itself."""
        first, other = ({"toy_system": name, "scope": SCOPE_SYSTEM} for name in ("1", "2"))
        with self.borrow(**first), self.borrow(**other), ExpectedException(SlotTaken), self.borrow(**first):
            pass

    def test_a_node_may_have_a_higher_limit(self) -> None:
        """The limit is that of the borrower, so borrowers with a limit of two may be two at a time."""
        with (
            self.borrow(max_in_flight=2, toy_username="a"),
            self.borrow(max_in_flight=2, toy_username="b"),
            ExpectedException(SlotTaken),
            self.borrow(max_in_flight=2, toy_username="c"),
        ):
            pass

    def test_nested_borrows_of_one_task_share_a_slot(self) -> None:
        """A driver that uses two libraries at one BMC does not wait for itself."""
        task = object()
        with self.borrow(wait=True, owner=task), self.borrow(type("Other", (Toy,), {}), wait=True, owner=task):
            pass

    def test_slots_are_taken_by_requests_and_not_by_borrows(self) -> None:
        """Between two requests of a task other requests get the slot; during one they wait."""
        with self.borrow(SlotPerRequest, wait=True):
            with self.borrow(SlotPerRequest):
                pass
            with request_slot(Deadline.after(TIMEOUT_S)), ExpectedException(SlotTaken), self.borrow(SlotPerRequest):
                pass

    def test_a_missing_slot_is_reported_as_a_busy_bmc(self) -> None:
        """A caller that waited in vain gets ``BMCBusy`` with a time to retry."""
        with self.borrow(SlotPerRequest):
            error = self.assertRaises(BMCBusy, self.send)
        self.assertEqual(5.0, error.retry_after)

    def send(self) -> None:
        with self.borrow(SlotPerRequest, wait=True), request_slot(Deadline.after(0.01)):
            pass


class TestRules(TestCase):
    def test_values_for_hardware_types_win(self) -> None:
        """The value for a hardware type wins over that for all types, and this over the driver's default."""
        rules = parse_slot_rules(("2", "redfish:4"), ("redfish:system",))
        self.assertEqual((4, "system"), rules.resolve("redfish", None, 1))
        self.assertEqual((2, "address"), rules.resolve("ipmi", None, 1))
        self.assertEqual((1, "address"), parse_slot_rules((), ()).resolve("ipmi", None, 1))

    def test_invalid_values_are_refused(self) -> None:
        """The error names the option, the value, and the allowed values."""
        with ExpectedException(ConfigurationError, r"\[conductor\] bmc_max_in_flight: '0' for 'redfish' is not .* from 1 on"):
            parse_slot_rules(("redfish:0",), ())
        with ExpectedException(
            ConfigurationError, r".*bmc_concurrency_scope: 'rack' is not allowed; it has to be address or system"
        ):
            parse_slot_rules((), ("rack",))


class TestThroughRedfish(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = RedfishService(4, latency=0.02)
        self.service.start()
        self.addCleanup(self.service.stop)

    def conductor(self, **options: Any) -> Conductor:
        context = running_conductor(ConductorConfig(host="test", conductor=quick_options(**options)))
        conductor = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return conductor

    def count_max_in_flight(self, conductor: Conductor, **info: Any) -> int:
        """Return the maximum number of requests in flight at the service while all nodes are read by all callers."""
        nodes = [self.enroll(conductor, index, **info) for index in range(4)]
        reads: list[Callable[[], Any]] = []
        for node in nodes:
            reads += [lambda node=node: conductor.components.tasks.read_only(node).call(Kind.POWER, "get_power_state")] * 2
            reads += [lambda node=node: conductor.components.power_sync.observe(node)] * 2
        with ThreadPoolExecutor(len(reads)) as pool:
            for future in [pool.submit(read) for read in reads]:
                future.result(TIMEOUT_S)
        return self.service.bmc().counters.in_flight_max

    def enroll(self, conductor: Conductor, index: int, **info: Any) -> str:
        address = {"redfish_address": self.service.url, "redfish_system_id": self.service.system_path(index)}
        values = {"driver": "redfish", "driver_info": {**address, **info}}
        node: str = conductor.rpc.call("create_node", values=values).uuid
        conductor.store.update_node(node, {"provision_state": "manageable"}, fence=None)
        return node

    def test_one_request_at_a_time_by_default(self) -> None:
        """All nodes behind one address, read by drivers and by power sync, send one request at a time."""
        self.assertEqual(1, self.count_max_in_flight(self.conductor()))

    def test_a_higher_limit_in_driver_info_is_used(self) -> None:
        """The BMC gets as many requests at a time as its nodes allow."""
        self.assertEqual(3, self.count_max_in_flight(self.conductor(), bmc_max_in_flight=3))

    def test_a_hardware_type_can_have_slots_by_system(self) -> None:
        """The systems of an emulator do not wait for each other."""
        most = self.count_max_in_flight(self.conductor(bmc_concurrency_scope=("redfish:system",)))
        self.assertTrue(1 < most <= 4, most)

    def test_options_in_driver_info_are_validated(self) -> None:
        """Invalid values are named with the allowed ones, and the options are known."""
        conductor = self.conductor()
        node = self.enroll(conductor, 0, bmc_max_in_flight=0, bmc_concurrency_scope="rack")
        result = conductor.rpc.call("validate_node", node=node)
        self.assertIn("driver_info/bmc_max_in_flight: 0 is not valid; it has to be at least 1", result["power"]["reason"])
        self.assertIn("it has to be one of address, system", result["power"]["reason"])
        with ExpectedException(InvalidInput, ".*bmc_max_in_flight.*"):
            conductor.components.tasks.read_only(node).call(Kind.POWER, "get_power_state")
