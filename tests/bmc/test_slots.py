"""How many requests a BMC is sent at a time: whoever asks, through whatever driver."""

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

BOUND = 20.0


@dataclass(frozen=True)
class Info(DriverInfo):
    toy_address: str = option("Where it is.", default="bmc")
    toy_username: str | None = option("As whom it is spoken to.", default=None)
    toy_system: str | None = option("Which one behind the address.", default=None)


class Toy(Connector[str]):
    """A session without a BMC, that is borrowed by one at a time."""

    def open(self, info: Any, tls: Any, deadline: Deadline) -> str:
        return "session"

    def close(self, session: str, deadline: Deadline) -> None:
        pass

    def classify(self, exc: Exception) -> Fault:
        return Fault.OTHER


class Considerate(Toy):
    """One whose sessions take a turn for each request."""

    shareable = takes_turns = True


class TestGate(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.gate = RequestSemaphore(Endpoint("", "bmc"))

    def test_no_more_than_allowed_are_under_way(self) -> None:
        """Who comes too many is told so when its time is over, and the others go on."""
        for _ in range(2):
            self.gate.take(2, Deadline.after(BOUND))
        with ExpectedException(SlotTaken, ".*serves other requests.*"):
            self.gate.take(2, Deadline.after(0.0))
        self.gate.give()
        self.gate.take(2, Deadline.after(0.0))
        self.assertEqual(2, self.gate.in_flight)

    def test_who_waited_longest_is_next(self) -> None:
        """Turns come in the order in which they were asked for, and nobody who comes later gets in between."""
        self.gate.take(1, Deadline.after(BOUND))
        order: list[int] = []
        threads = [self.waiter(number, order) for number in range(4)]
        with ExpectedException(SlotTaken):
            self.gate.take(2, Deadline.after(0.0))
        self.gate.give()
        for thread in threads:
            thread.join(BOUND)
        self.assertEqual([0, 1, 2, 3], order)
        self.assertEqual(0, self.gate.in_flight)

    def waiter(self, number: int, order: list[int]) -> threading.Thread:
        def run() -> None:
            self.gate.take(1, Deadline.after(BOUND))
            order.append(number)
            self.gate.give()

        thread = threading.Thread(target=run)
        thread.start()
        while len(self.gate.waiters) <= number:
            thread.join(0.001)
        return thread


class TestWhoseTurn(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.access = BMCAccess(ManualClock())

    def lend(self, connector: type[Toy] = Toy, *, wait: bool = False, owner: object = None, **how: Any) -> Any:
        options = {name: how.pop(name) for name in ("max_in_flight", "scope") if name in how}
        account = self.access.prepare_credential(connector, Info(**how), (), **options)
        return self.access.borrow_with(account, Deadline.after(0.01), wait=wait, owner=owner)

    def test_accounts_of_one_bmc_share_its_turns(self) -> None:
        """It is the BMC that bears one request at a time, and not each of its accounts."""
        with self.lend(toy_username="a"), ExpectedException(SlotTaken), self.lend(toy_username="b"):
            pass

    def test_systems_behind_one_address_can_be_told_apart(self) -> None:
        """Where they are independent, they do not wait for each other; one of them still waits for itself."""
        one, other = ({"toy_system": name, "scope": SCOPE_SYSTEM} for name in ("1", "2"))
        with self.lend(**one), self.lend(**other), ExpectedException(SlotTaken), self.lend(**one):
            pass

    def test_a_node_may_be_asked_more_at_a_time(self) -> None:
        """The cap is the borrower's: who may send two waits for two, and who may send one for everybody."""
        with (
            self.lend(max_in_flight=2, toy_username="a"),
            self.lend(max_in_flight=2, toy_username="b"),
            ExpectedException(SlotTaken),
            self.lend(max_in_flight=2, toy_username="c"),
        ):
            pass

    def test_nested_borrows_of_one_task_share_the_turn(self) -> None:
        """A driver that borrows by two libraries at one BMC does not wait for itself."""
        task = object()
        with self.lend(wait=True, owner=task), self.lend(type("Other", (Toy,), {}), wait=True, owner=task):
            pass

    def test_turns_are_for_requests_and_not_for_borrows(self) -> None:
        """Between two requests of a task others have theirs; while one is under way they wait."""
        with self.lend(Considerate, wait=True):
            with self.lend(Considerate):
                pass
            with request_slot(Deadline.after(BOUND)), ExpectedException(SlotTaken), self.lend(Considerate):
                pass

    def test_a_turn_that_does_not_come_is_a_busy_bmc(self) -> None:
        """Who waited in vain hears that the BMC is busy, and when to come back."""
        with self.lend(Considerate):
            error = self.assertRaises(BMCBusy, self.send)
        self.assertEqual(5.0, error.retry_after)

    def send(self) -> None:
        with self.lend(Considerate, wait=True), request_slot(Deadline.after(0.01)):
            pass


class TestRules(TestCase):
    def test_hardware_types_have_values_of_their_own(self) -> None:
        """The type's value goes before that for all, and that before what the driver says."""
        rules = parse_slot_rules(("2", "redfish:4"), ("redfish:system",))
        self.assertEqual((4, "system"), rules.resolve("redfish", None, 1))
        self.assertEqual((2, "address"), rules.resolve("ipmi", None, 1))
        self.assertEqual((1, "address"), parse_slot_rules((), ()).resolve("ipmi", None, 1))

    def test_values_that_mean_nothing_are_refused(self) -> None:
        """The error names the option, the value and what is allowed."""
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

    def most_in_flight(self, conductor: Conductor, **info: Any) -> int:
        """The most requests at a time that the service sees while all nodes are read by everybody."""
        nodes = [self.enrol(conductor, index, **info) for index in range(4)]
        reads: list[Callable[[], Any]] = []
        for node in nodes:
            reads += [lambda node=node: conductor.components.tasks.read_only(node).call(Kind.POWER, "get_power_state")] * 2
            reads += [lambda node=node: conductor.components.power_sync.observe(node)] * 2
        with ThreadPoolExecutor(len(reads)) as pool:
            for one in [pool.submit(read) for read in reads]:
                one.result(BOUND)
        return self.service.bmc().counters.in_flight_max

    def enrol(self, conductor: Conductor, index: int, **info: Any) -> str:
        address = {"redfish_address": self.service.url, "redfish_system_id": self.service.system_path(index)}
        values = {"driver": "redfish", "driver_info": {**address, **info}}
        node: str = conductor.rpc.call("create_node", values=values).uuid
        conductor.store.update_node(node, {"provision_state": "manageable"}, fence=None)
        return node

    def test_one_request_at_a_time_unless_told_otherwise(self) -> None:
        """All nodes behind one address, by drivers and by power sync: one request at a time."""
        self.assertEqual(1, self.most_in_flight(self.conductor()))

    def test_a_bmc_that_bears_more_is_sent_more(self) -> None:
        """As many as the nodes say, and no more."""
        self.assertEqual(3, self.most_in_flight(self.conductor(), bmc_max_in_flight=3))

    def test_a_hardware_type_can_be_told_apart_by_system(self) -> None:
        """The systems of an emulator do not wait for each other."""
        most = self.most_in_flight(self.conductor(bmc_concurrency_scope=("redfish:system",)))
        self.assertTrue(1 < most <= 4, most)

    def test_what_a_node_says_is_checked(self) -> None:
        """A value that means nothing is named with what is allowed, and known options are no typing errors."""
        conductor = self.conductor()
        node = self.enrol(conductor, 0, bmc_max_in_flight=0, bmc_concurrency_scope="rack")
        result = conductor.rpc.call("validate_node", node=node)
        self.assertIn("driver_info/bmc_max_in_flight: 0 is not valid; it has to be at least 1", result["power"]["reason"])
        self.assertIn("it has to be one of address, system", result["power"]["reason"])
        with ExpectedException(InvalidInput, ".*bmc_max_in_flight.*"):
            conductor.components.tasks.read_only(node).call(Kind.POWER, "get_power_state")
