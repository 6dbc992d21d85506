from __future__ import annotations

import json
import time
from typing import Any

from testtools import TestCase

from baremetal_interfaces import (
    AuthenticationFailed,
    BareMetalError,
    BMCUnreachable,
    Deadline,
    DeadlineExceeded,
    InvalidInput,
    NotSupported,
    PowerState,
    UnexpectedAnswer,
)
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.power import RedfishPower
from tests.fixtures.raw_server import RawServer, answer, documents
from tests.fixtures.redfish_emulator import ACCOUNT, EmulatorTestCase, build_task
from tests.fixtures.scripted_redfish import SYSTEM, Answer, ScriptedRedfish, Write, build_documents, error
from tests.fixtures.sushy_emulator import SushyEmulator


class TestPower(EmulatorTestCase):
    def test_all_changes(self) -> None:
        """Every declared state is reached, and the read that follows confirms it."""
        task = self.task()
        for state in (
            PowerState.ON,
            PowerState.REBOOT,
            PowerState.SOFT_REBOOT,
            PowerState.SOFT_OFF,
            PowerState.REBOOT,
            PowerState.OFF,
        ):
            task.power.set(state, timeout=30)
            self.assertEqual(state.outcome, task.power.get(), state)

    def test_already_there(self) -> None:
        """Powering off a machine that is off succeeds without a request."""
        task = self.task(1)
        sent = self.emulator.output.count("POST")
        for state in (PowerState.OFF, PowerState.SOFT_OFF):
            task.call("power", "set_power_state", state)
        self.assertEqual(sent, self.emulator.output.count("POST"))

    def test_sample_of_an_unknown_system_path(self) -> None:
        """A sample without the system's path returns None, because one request cannot find the system."""
        task = self.task(redfish_system_id=None)
        connector = RedfishConnector()
        session = connector.open(task.info("power"), None, Deadline.after(30))
        self.addCleanup(connector.close, session, Deadline.after(30))
        self.assertIsNone(RedfishPower().sample_power(session, None, Deadline.after(10.0)))


class TestWrongOptions(EmulatorTestCase):
    def fails(self, error: type[Exception], **info: Any) -> str:
        return str(self.assertRaises(error, self.task(**info).call, "power", "get_power_state"))

    def test_wrong_password(self) -> None:
        """The error for a wrong password names the options and hides the password."""
        message = self.fails(AuthenticationFailed, redfish_password="wr0ng")
        self.assertIn("redfish_username and redfish_password", message)
        self.assertNotIn("wr0ng", message)

    def test_no_account(self) -> None:
        """The error of a BMC that requires an account names the options to set."""
        message = self.fails(AuthenticationFailed, redfish_username=None, redfish_password=None)
        self.assertIn("it needs an account; set redfish_username", message)

    def test_unknown_system(self) -> None:
        """The error for a missing system lists the existing ones."""
        message = self.fails(InvalidInput, redfish_system_id="/redfish/v1/Systems/nope")
        self.assertIn("driver_info/redfish_system_id: system /redfish/v1/Systems/nope does not exist at this BMC", message)
        for index in range(self.systems):
            self.assertIn(self.emulator.system_path(index), message)

    def test_system_is_required_among_several(self) -> None:
        """At a BMC with several systems the option redfish_system_id is required."""
        message = self.fails(InvalidInput, redfish_system_id=None)
        self.assertIn("driver_info/redfish_system_id: is needed", message)
        self.assertIn(self.emulator.system_path(1), message)

    def test_system_is_found_by_name(self) -> None:
        """A redirect within the service is followed (the emulator redirects names to UUIDs)."""
        self.assertEqual(PowerState.OFF, self.task(redfish_system_id="system-1").call("power", "get_power_state"))

    def test_nothing_listens(self) -> None:
        """A closed port is unreachable."""
        self.assertIn("Connection refused", self.fails(BMCUnreachable, redfish_address="http://127.0.0.1:1"))

    def test_tls_at_a_plain_service(self) -> None:
        """A service without TLS is not reported as unreachable."""
        address = self.emulator.url.replace("http://", "https://")
        self.assertIn("does it speak TLS", self.fails(UnexpectedAnswer, redfish_address=address))

    def test_no_sessions(self) -> None:
        """The error for a service without sessions names the other kinds of login."""
        account: dict[str, Any] = {"redfish_username": None, "redfish_password": None}
        with SushyEmulator() as emulator:
            message = self.fails(UnexpectedAnswer, redfish_address=emulator.url, redfish_auth_type="session")
            self.assertIn("redfish_auth_type to auto or basic", message)
            task = self.task(redfish_address=emulator.url, redfish_system_id=None, **account)
            self.assertEqual(PowerState.OFF, task.call("power", "get_power_state"))
            message = self.fails(UnexpectedAnswer, redfish_address=emulator.url, redfish_root_prefix="/nope")
            self.assertIn("redfish_root_prefix", message)

    def test_deadline_of_the_task_limits_requests(self) -> None:
        """A task past its deadline sends nothing."""
        task = self.task(timeout=0.0)
        self.assertRaises(DeadlineExceeded, task.call, "power", "get_power_state")


class TestOddSystems(TestCase):
    """Systems that allow unusual resets, or are between two power states."""

    def ask(self, system: dict[str, Any], method: str, *arguments: object) -> tuple[Any, list[str]]:
        requests: list[bytes] = []
        answers = {
            "/redfish/v1/Systems/1": answer(json.dumps({"Id": "1", **system}).encode()),
            "/reset": answer(b"", status="204 No Content"),
        }
        with RawServer(documents(answers, requests)) as server:
            task = build_task(f"http://127.0.0.1:{server.port}", redfish_system_id="1")
            found = task.call("power", method, *arguments)
        resets = [request.partition(b"\r\n\r\n")[2] for request in requests if request.startswith(b"POST")]
        return found, [json.loads(body)["ResetType"] for body in resets]

    def allowing(self, *resets: str, power: str = "On") -> dict[str, Any]:
        return {
            "PowerState": power,
            "Actions": {"#ComputerSystem.Reset": {"target": "/reset", "ResetType@Redfish.AllowableValues": list(resets)}},
        }

    def test_observed_states(self) -> None:
        """On and off are reported as such; every other state is unknown."""
        for reported, expected in (
            ("On", PowerState.ON),
            ("Off", PowerState.OFF),
            ("Paused", PowerState.ON),
            ("PoweringOn", PowerState.UNKNOWN),
            ("PoweringOff", PowerState.UNKNOWN),
            (None, PowerState.UNKNOWN),
            (["On"], PowerState.UNKNOWN),
        ):
            self.assertEqual((expected, []), self.ask({"PowerState": reported}, "get_power_state"))
        self.assertEqual((PowerState.UNKNOWN, []), self.ask({}, "get_power_state"))

    def test_fallbacks(self) -> None:
        """If the usual reset is not allowed, an equivalent one is sent."""
        for state, allowed, power, sent in (
            (PowerState.REBOOT, ("PowerCycle", "On"), "On", "PowerCycle"),
            (PowerState.ON, ("ForceOn",), "Off", "ForceOn"),
            (PowerState.SOFT_OFF, ("PushPowerButton",), "On", "PushPowerButton"),
            (PowerState.REBOOT, ("On", "ForceRestart"), "Off", "On"),
            (PowerState.OFF, ("ForceOff",), "PoweringOff", "ForceOff"),
        ):
            self.assertEqual((None, [sent]), self.ask(self.allowing(*allowed, power=power), "set_power_state", state))

    def test_no_suitable_reset(self) -> None:
        """The error for a state without a suitable reset lists the allowed resets."""
        failure = self.assertRaises(
            NotSupported, self.ask, self.allowing("On", "ForceOff"), "set_power_state", PowerState.SOFT_REBOOT
        )
        self.assertIn("does not allow GracefulRestart; it allows ForceOff, On", str(failure))

    def test_no_reset_at_all(self) -> None:
        """The error for a system without the action names the action."""
        failure = self.assertRaises(NotSupported, self.ask, {"PowerState": "On"}, "set_power_state", PowerState.OFF)
        self.assertIn("#ComputerSystem.Reset", str(failure))


class TestRealTiming(TestCase):
    def test_slow_power_change(self) -> None:
        """A change that takes effect after seconds is confirmed once it has."""
        with SushyEmulator() as emulator:
            task = build_task(emulator.url, timeout=90)
            begun = time.monotonic()
            task.power.set(PowerState.ON, timeout=60)
            self.assertEqual(PowerState.ON, task.power.get())
            self.assertLess(time.monotonic() - begun, 60)

    def test_options_are_shared(self) -> None:
        """The interfaces share one options class."""
        info = RedfishInfo.parse({"redfish_address": "x", "redfish_username": ACCOUNT[0], "redfish_password": ACCOUNT[1]})
        self.assertEqual(RedfishInfo, type(info))
        self.assertIs(RedfishInfo, RedfishPower.info_type)


class TestRefusedPowerOn(TestCase):
    def power_on(self, refusals: list[tuple[int, str]], *, takes_effect: bool = False, timeout: float = 60.0) -> list[Write]:
        """Power on a machine whose BMC answers with *refusals* first, and return the requests that were sent."""
        left = list(refusals)

        def answer(service: ScriptedRedfish, write: Write) -> Answer:
            if not left or takes_effect:
                service.documents[SYSTEM]["PowerState"] = "On"
            if not left:
                return 204, None
            status, message_id = left.pop(0)
            return status, error(message_id, "the host is turning off")

        with ScriptedRedfish(build_documents(PowerState="Off"), answer) as service:
            task = service.task(timeout=timeout)
            try:
                task.call("power", "set_power_state", PowerState.ON)
                self.assertEqual(PowerState.ON, task.call("power", "get_power_state"))
            finally:
                self.sent = service.writes
        return self.sent

    def test_refusals_after_a_power_off_pass(self) -> None:
        """A power-on that the BMC refuses is repeated until it is accepted."""
        for status in (400, 409, 500):
            self.assertEqual(4, len(self.power_on([(status, "Base.1.8.GeneralError")] * 3)), status)

    def test_refusal_with_effect(self) -> None:
        """A refused power-on is not repeated if the machine is on afterwards."""
        self.assertEqual(1, len(self.power_on([(400, "Base.1.8.GeneralError")], takes_effect=True)))

    def test_request_that_is_never_accepted(self) -> None:
        """A refusal whose reason does not pass is an error at once."""
        self.assertRaises(BareMetalError, self.power_on, [(400, "Base.1.8.ActionParameterNotSupported")] * 3)
        self.assertEqual(1, len(self.sent))

    def test_refusals_that_do_not_end(self) -> None:
        """A power-on that is refused for longer than the limit is an error with the BMC's words."""
        failure = self.assertRaises(BareMetalError, self.power_on, [(409, "Base.1.8.GeneralError")] * 10_000)
        self.assertIn("the host is turning off", str(failure))
        self.assertGreater(len(self.sent), 1)
