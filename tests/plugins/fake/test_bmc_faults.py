"""Faults of a simulated BMC as a driver sees them, and the sessions at that BMC."""

from __future__ import annotations

import threading

from baremetal_fake import Account, Power
from baremetal_fake.connector import FakeConnector
from baremetal_fake.errors import SessionExpired
from baremetal_fake.info import FakeBMCInfo
from baremetal_interfaces import (
    AuthenticationFailed,
    BMCBusy,
    BMCUnreachable,
    Deadline,
    DriverError,
    Fault,
    InvalidInput,
    PowerState,
    PowerStateFailure,
    UnexpectedAnswer,
)
from tests.plugins.fake.driver_case import DriverTestCase, session_interfaces


class TestFaults(DriverTestCase):
    """Each effect of a fault plan reaches the driver as the matching error or state."""

    def test_a_fault_raises_an_error_of_the_contract(self) -> None:
        """A faulty BMC raises the error of the contract that belongs to the effect, with the message of the plan."""
        meanings = {
            "auth": AuthenticationFailed,
            "expire": AuthenticationFailed,
            "drop": BMCUnreachable,
            "busy": BMCBusy,
            "refuse": UnexpectedAnswer,
        }
        for effect, error in meanings.items():
            task = self.task({"get_power": {"effect": effect, "message": "as planned"}})
            self.assertIn("as planned", str(self.assertRaises(error, task.call, "power", "get_power_state")))

    def test_an_invalid_answer_is_an_unknown_power_state(self) -> None:
        """An invalid answer gives an unknown power state, and an UnexpectedAnswer error for other reads."""
        task = self.task({"get_power": {"effect": "wrong"}})
        self.assertIs(PowerState.UNKNOWN, task.call("power", "get_power_state"))
        task = self.task({"get_boot_mode": {"effect": "wrong"}})
        self.assertRaises(UnexpectedAnswer, task.call, "management", "get_boot_mode")

    def test_a_failed_command_has_no_effect(self) -> None:
        """A command that fails leaves the machine unchanged."""
        for effect in ("refuse", "drop", "busy", "hang", "auth"):
            task = self.task({"set_power": {"effect": effect}})
            self.assertRaises(DriverError, task.call, "power", "set_power_state", PowerState.ON)
        self.clock.turn(100.0)
        self.assertIs(Power.OFF, self.machine.power)

    def test_a_read_reveals_a_lost_command(self) -> None:
        """The BMC accepts a lost command without an error; only the confirming read reports the failure."""
        task = self.task({"set_power": {"effect": "lose", "times": 1}})
        self.assertRaises(PowerStateFailure, task.power.set, PowerState.ON, 30.0)
        task.power.set(PowerState.ON)
        self.assertIs(Power.ON, self.machine.power)

    def test_a_late_command_takes_effect_after_its_delay(self) -> None:
        """An accepted command may take effect later."""
        self.task({"set_power": {"effect": "late", "seconds": 60}}).call("power", "set_power_state", PowerState.ON)
        self.clock.turn(60.0)
        self.assertIs(Power.POWERING_ON, self.machine.power)

    def test_bounced_power_returns(self) -> None:
        """A machine that was switched off returns to power on by itself."""
        self.task().power.set(PowerState.ON)
        self.task({"set_power": {"effect": "bounce", "seconds": 10}}).power.set(PowerState.OFF)
        self.assertIs(Power.OFF, self.machine.power)
        self.clock.turn(10.0)
        self.assertIs(Power.ON, self.machine.power)

    def test_a_slow_answer_is_delayed(self) -> None:
        """A slow answer arrives after the seconds of its fault."""
        before = self.clock()
        self.task({"get_power": {"effect": "slow", "seconds": 7}}).call("power", "get_power_state")
        self.assertEqual(7.0, self.clock() - before)

    def test_no_call_exceeds_the_deadline_of_the_task(self) -> None:
        """A call to a BMC that hangs or is too slow ends at the task's deadline."""
        for fault in ({"effect": "hang"}, {"effect": "slow", "seconds": 600}):
            before = self.clock()
            task = self.task({"get_power": fault}, timeout=25.0)
            self.assertRaises(BMCUnreachable, task.call, "power", "get_power_state")
            self.assertEqual(25.0, self.clock() - before)


class TestSessions(DriverTestCase):
    """The interfaces named fake-bmc log in at the BMC."""

    def setUp(self) -> None:
        super().setUp()
        self.interfaces = session_interfaces()

    def counters(self) -> dict[str, int]:
        return self.rack.counters("m").as_dict()

    def test_a_borrowed_session_logs_in_once_and_is_closed(self) -> None:
        """A borrow that opens a session logs in once and closes the session."""
        task = self.task()
        with task.session(FakeConnector):
            task.call("power", "set_power_state", PowerState.ON)
            task.call("management", "get_boot_device")
            self.assertEqual(1, self.counters()["open_sessions"])
        self.assertEqual(1, self.counters()["logins"])
        self.assertEqual(0, self.counters()["open_sessions"])

    def test_the_machine_name_is_required(self) -> None:
        """The option fake_machine is required, because the connector does not know the node's UUID."""
        error = self.assertRaises(InvalidInput, self.task(fake_machine=None).validate, "power")
        self.assertIn("driver_info/fake_machine", str(error))

    def test_a_wrong_password_is_refused_without_showing_it(self) -> None:
        """A login with a wrong password is refused and counted, and the error does not contain the password."""
        self.rack.set_account("m", Account("admin", "right"))
        task = self.task(fake_password="wr0ng-pass")
        error = self.assertRaises(AuthenticationFailed, task.call, "power", "get_power_state")
        self.assertNotIn("wr0ng-pass", str(error))
        self.assertEqual(0, self.counters()["logins"])
        self.assertEqual(1, self.counters()["refused_logins"])
        self.task(fake_password="right").call("power", "get_power_state")

    def test_the_endpoint_is_the_machine_name(self) -> None:
        """The endpoint of a BMC consists of the machine's name and the account."""
        info = FakeBMCInfo.parse({"fake_machine": "m", "fake_username": "admin"})
        self.assertEqual("m", info.endpoint().host)
        self.assertEqual("admin", info.endpoint().account)
        self.assertNotIn("password", repr(info).replace("fake_password", ""))

    def test_a_power_sample_sends_one_request(self) -> None:
        """A power sample sends exactly one request."""
        info = FakeBMCInfo.parse({"fake_machine": "m", "fake_rack": self.rack.name})
        session = FakeConnector().open(info, None, Deadline.after(10.0, self.clock))
        power = self.interfaces["power"]
        before = self.counters()["requests"]
        self.assertIs(PowerState.OFF, power.sample_power(session, power.sample_target(info), Deadline.after(10.0)))  # type: ignore[attr-defined]
        self.assertEqual(1, self.counters()["requests"] - before)

    def test_a_closed_session_is_expired(self) -> None:
        """A closed session raises an error that is classified as expired, and may be closed twice."""
        connector = FakeConnector()
        info = FakeBMCInfo.parse({"fake_machine": "m", "fake_rack": self.rack.name})
        session = connector.open(info, None, Deadline.after(10.0, self.clock))
        for _ in range(2):
            connector.close(session, Deadline.after(10.0, self.clock))
        self.assertEqual(0, self.counters()["open_sessions"])
        error = self.assertRaises(SessionExpired, session.bmc)
        self.assertIs(Fault.EXPIRED, connector.classify(error))

    def test_the_maximum_of_requests_in_flight_is_kept(self) -> None:
        """The counters keep the maximum number of requests in flight."""
        inside, go_on = threading.Barrier(4), threading.Event()
        counters = self.rack.counters("m")

        def ask() -> None:
            with counters.request():
                inside.wait(timeout=10.0)
                go_on.wait(timeout=10.0)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        inside.wait(timeout=10.0)
        go_on.set()
        for thread in threads:
            thread.join(timeout=10.0)
        self.assertEqual(3, counters.in_flight_max)
        self.assertEqual(0, counters.in_flight)
