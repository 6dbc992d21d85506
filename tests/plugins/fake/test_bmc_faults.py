"""What goes wrong at a simulated BMC, as a driver sees it, and what sessions at it are like."""

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
from tests.plugins.fake.driven import DrivenCase, by_session


class TestFaults(DrivenCase):
    """Each effect of a plan reaches the driver as what it stands for."""

    def test_what_fails_is_an_error_of_the_contract(self) -> None:
        """A failing BMC raises what a runtime understands, whoever drives it."""
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

    def test_an_answer_that_makes_no_sense_is_an_unknown_state(self) -> None:
        """A word that nobody knows is not guessed at."""
        task = self.task({"get_power": {"effect": "wrong"}})
        self.assertIs(PowerState.UNKNOWN, task.call("power", "get_power_state"))
        task = self.task({"get_boot_mode": {"effect": "wrong"}})
        self.assertRaises(UnexpectedAnswer, task.call, "management", "get_boot_mode")

    def test_a_command_that_is_refused_has_no_effect(self) -> None:
        """What fails leaves the machine alone."""
        for effect in ("refuse", "drop", "busy", "hang", "auth"):
            task = self.task({"set_power": {"effect": effect}})
            self.assertRaises(DriverError, task.call, "power", "set_power_state", PowerState.ON)
        self.clock.turn(100.0)
        self.assertIs(Power.OFF, self.machine.power)

    def test_a_lost_command_is_only_found_by_reading(self) -> None:
        """The BMC says yes and does nothing: the one who confirms finds out."""
        task = self.task({"set_power": {"effect": "lose", "times": 1}})
        self.assertRaises(PowerStateFailure, task.power.set, PowerState.ON, 30.0)
        task.power.set(PowerState.ON)
        self.assertIs(Power.ON, self.machine.power)

    def test_a_late_command_takes_effect_after_its_time(self) -> None:
        """An accepted command may begin later."""
        self.task({"set_power": {"effect": "late", "seconds": 60}}).call("power", "set_power_state", PowerState.ON)
        self.clock.turn(60.0)
        self.assertIs(Power.POWERING_ON, self.machine.power)

    def test_power_that_bounces_comes_back(self) -> None:
        """A machine that was switched off can come back by itself."""
        self.task().power.set(PowerState.ON)
        self.task({"set_power": {"effect": "bounce", "seconds": 10}}).power.set(PowerState.OFF)
        self.assertIs(Power.OFF, self.machine.power)
        self.clock.turn(10.0)
        self.assertIs(Power.ON, self.machine.power)

    def test_a_slow_answer_takes_its_time(self) -> None:
        """The answer comes, later."""
        before = self.clock()
        self.task({"get_power": {"effect": "slow", "seconds": 7}}).call("power", "get_power_state")
        self.assertEqual(7.0, self.clock() - before)

    def test_nobody_waits_longer_than_the_task_has(self) -> None:
        """A BMC that hangs, or is too slow, costs no more than the deadline."""
        for fault in ({"effect": "hang"}, {"effect": "slow", "seconds": 600}):
            before = self.clock()
            task = self.task({"get_power": fault}, timeout=25.0)
            self.assertRaises(BMCUnreachable, task.call, "power", "get_power_state")
            self.assertEqual(25.0, self.clock() - before)


class TestSessions(DrivenCase):
    """The interfaces called fake-bmc log in."""

    def setUp(self) -> None:
        super().setUp()
        self.interfaces = by_session()

    def counters(self) -> dict[str, int]:
        return self.rack.counters("m").as_dict()

    def test_a_borrowed_session_is_one_login_and_is_closed(self) -> None:
        """Each borrow that opens a session closes it."""
        task = self.task()
        with task.session(FakeConnector):
            task.call("power", "set_power_state", PowerState.ON)
            task.call("management", "get_boot_device")
            self.assertEqual(1, self.counters()["open_sessions"])
        self.assertEqual((1, 0), (self.counters()["logins"], self.counters()["open_sessions"]))

    def test_the_machine_has_to_be_named(self) -> None:
        """A session is kept for a BMC, so a UUID that the connector does not know will not do."""
        error = self.assertRaises(InvalidInput, self.task(fake_machine=None).validate, "power")
        self.assertIn("driver_info/fake_machine", str(error))

    def test_a_wrong_password_is_refused_and_not_shown(self) -> None:
        """The refusal says who was refused, and no secret."""
        self.rack.set_account("m", Account("admin", "right"))
        task = self.task(fake_password="wr0ng-pass")
        error = self.assertRaises(AuthenticationFailed, task.call, "power", "get_power_state")
        self.assertNotIn("wr0ng-pass", str(error))
        self.assertEqual((0, 1), (self.counters()["logins"], self.counters()["refused_logins"]))
        self.task(fake_password="right").call("power", "get_power_state")

    def test_the_endpoint_is_the_machine(self) -> None:
        """Each machine has a BMC of its own, known by its name."""
        info = FakeBMCInfo.parse({"fake_machine": "m", "fake_username": "admin"})
        self.assertEqual(("m", "admin"), (info.endpoint().host, info.endpoint().account))
        self.assertNotIn("password", repr(info).replace("fake_password", ""))

    def test_a_sample_is_one_request(self) -> None:
        """The lean read asks once."""
        info = FakeBMCInfo.parse({"fake_machine": "m", "fake_rack": self.rack.name})
        session = FakeConnector().open(info, None, Deadline.after(10.0, self.clock))
        power = self.interfaces["power"]
        before = self.counters()["requests"]
        self.assertIs(PowerState.OFF, power.sample_power(session, power.sample_target(info), Deadline.after(10.0)))  # type: ignore[attr-defined]
        self.assertEqual(1, self.counters()["requests"] - before)

    def test_a_session_that_was_closed_has_expired(self) -> None:
        """Using a session after its end says that a new login may cure it; closing it twice is harmless."""
        connector = FakeConnector()
        info = FakeBMCInfo.parse({"fake_machine": "m", "fake_rack": self.rack.name})
        session = connector.open(info, None, Deadline.after(10.0, self.clock))
        for _ in range(2):
            connector.close(session, Deadline.after(10.0, self.clock))
        self.assertEqual(0, self.counters()["open_sessions"])
        error = self.assertRaises(SessionExpired, session.bmc)
        self.assertIs(Fault.EXPIRED, connector.classify(error))

    def test_requests_in_flight_are_counted_per_bmc(self) -> None:
        """The highest number at one time is kept."""
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
        self.assertEqual((3, 0), (counters.in_flight_max, counters.in_flight))
