"""Logging in, keeping a session, and BMCs that do not answer."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from pyghmi.ipmi.private.simplesession import Session
from testtools import TestCase

from baremetal_interfaces import (
    AuthenticationFailed,
    BMCBusy,
    BMCUnreachable,
    Deadline,
    Fault,
    LocalTask,
    PowerState,
    UnexpectedAnswer,
)
from baremetal_ipmi import IPMIConnector, IPMIInfo, IPMIPower, IPMIVendor
from baremetal_ipmi.errors import BMCFull, CommandRefused, IPMIError, LoginRefused, NoAnswer, SessionLost
from baremetal_ipmi.session import IDLE_TIMEOUT_S, Login
from baremetal_ipmi.wire import Wire
from tests.fixtures.ipmi_sim import PASSWORD, USERNAME
from tests.limits import allow_open_files
from tests.plugins.ipmi.base import SimulatorTestCase
from tests.plugins.ipmi.relay import RAKP1, RAKP2, RAKP4, STATUS, Relay, payload_type

READ = ("power", "get_power_state")


class TestCredentials(SimulatorTestCase):
    """Who is let in."""

    def test_wrong_password_is_refused_at_once_after_one_attempt(self) -> None:
        """A second attempt might lock the account."""
        with Relay(self.sim.port) as relay:
            start = time.monotonic()
            error = self.assertRaises(AuthenticationFailed, self.task(ipmi_port=relay.port, ipmi_password="wr0ng").call, *READ)
            self.assertLess(time.monotonic() - start, 10.0)
            self.assertEqual(1, relay.seen[RAKP1])
        self.assertNotIn("wr0ng", str(error))

    def test_unknown_account_is_refused_after_one_attempt(self) -> None:
        """No lower privilege level is tried behind the operator's back."""
        with Relay(self.sim.port) as relay:
            self.assertRaises(AuthenticationFailed, self.task(ipmi_port=relay.port, ipmi_username="nobody").call, *READ)
            self.assertEqual(1, relay.seen[RAKP1])

    def test_wrong_key_is_refused(self) -> None:
        """Kg is a secret of the BMC, beside the account's."""
        error = self.assertRaises(AuthenticationFailed, self.task(ipmi_hex_kg_key="ab" * 20).call, *READ)
        self.assertNotIn("ab" * 20, str(error))

    def test_cipher_suite_is_agreed_upon_unless_it_is_fixed(self) -> None:
        """The simulator knows suite 3 alone: without a choice that one is found, and a fixed 17 is an error that says so."""
        self.assertEqual(PowerState.OFF, self.task(ipmi_cipher_suite=None).power.get())
        error = self.assertRaises(UnexpectedAnswer, self.task(ipmi_cipher_suite=17).call, *READ)
        self.assertIn("ipmi_cipher_suite", str(error))

    def test_status_of_the_login_decides_on_the_error(self) -> None:
        """Who has no room is asked again later; who does not know the account, never."""
        statuses = {0x01: BMCBusy, 0x0B: BMCBusy, 0x0D: AuthenticationFailed, 0x0F: AuthenticationFailed, 0x12: UnexpectedAnswer}
        for phase in (RAKP2, RAKP4):
            for status, error in statuses.items():

                def refuse(message: bytes, phase: int = phase, status: int = status) -> list[bytes]:
                    if payload_type(message) != phase:
                        return [message]
                    return [message[:STATUS] + bytes([status]) + message[STATUS + 1 :]]

                with Relay(self.sim.port, alter=refuse) as relay:
                    self.assertRaises(error, self.task(ipmi_port=relay.port, timeout=5.0).call, *READ)
                    self.assertEqual(1, relay.seen[RAKP1])

    def test_lower_privilege_level_is_asked_for_when_it_is_wanted(self) -> None:
        """An account with the right to read may read."""
        self.assertEqual(PowerState.OFF, self.task(ipmi_priv_level="USER").power.get())


class TestBridge(SimulatorTestCase):
    """A controller behind the BMC."""

    def asked(self, **changes: Any) -> str:
        """What says who answers."""
        task = LocalTask({"vendor": IPMIVendor()}, {**self.sim.driver_info, **changes}, timeout=20.0)
        return str(task.call("vendor", "send_raw", raw_bytes="0x06 0x01")["data"])

    def test_commands_go_to_the_controller_that_is_named(self) -> None:
        """The BMC hands them on, and its own answers are not taken for those of the controller."""
        target = {"ipmi_bridging": "single", "ipmi_target_channel": 0, "ipmi_target_address": "0x30"}
        self.assertTrue(self.asked().startswith("00 83 09 08"))
        self.assertTrue(self.asked(**target).startswith("00 01 02 03"))
        self.assertTrue(self.asked(**{**target, "ipmi_bridging": "no"}).startswith("00 83 09 08"))

    def test_a_controller_that_is_not_there_is_named(self) -> None:
        """With its address and its channel."""
        target = {"ipmi_bridging": "single", "ipmi_target_channel": 0, "ipmi_target_address": "0x40"}
        error = self.assertRaises(UnexpectedAnswer, self.asked, **target)
        self.assertIn("controller 0x40 on channel 0", str(error))


class TestSilence(SimulatorTestCase):
    """A BMC, or a network, that does not answer."""

    def test_silent_bmc_is_unreachable_within_the_deadline(self) -> None:
        """What is asked again before that is not a login."""
        with Relay() as relay:
            start = time.monotonic()
            self.assertRaises(BMCUnreachable, self.task(ipmi_port=relay.port, timeout=2.0).call, *READ)
            self.assertLess(time.monotonic() - start, 8.0)
            self.assertGreater(relay.seen[-1], 1)
            self.assertEqual(0, relay.seen[RAKP1])

    def test_silent_bmc_is_given_up_before_a_long_deadline(self) -> None:
        """A dead BMC does not hold a worker for as long as the task may take."""
        with Relay() as relay:
            start = time.monotonic()
            self.assertRaises(BMCUnreachable, self.task(ipmi_port=relay.port, timeout=120.0).call, *READ)
            self.assertLess(time.monotonic() - start, 20.0)

    def test_port_that_nobody_listens_on_is_unreachable_at_once(self) -> None:
        """The host says so, and that is heard."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        start = time.monotonic()
        self.assertRaises(BMCUnreachable, self.task(ipmi_port=port).call, *READ)
        self.assertLess(time.monotonic() - start, 10.0)

    def test_name_without_an_address_is_unreachable(self) -> None:
        """It is said which BMC was looked for."""
        error = self.assertRaises(BMCUnreachable, self.task(ipmi_address="bmc.invalid").call, *READ)
        self.assertIn("bmc.invalid", str(error))

    def test_login_that_is_not_answered_is_not_begun_again(self) -> None:
        """A lost answer costs the operation; a second login could cost the account."""
        with Relay(self.sim.port, lose=lambda message: payload_type(message) == RAKP1) as relay:
            self.assertRaises(BMCUnreachable, self.task(ipmi_port=relay.port, timeout=3.0).call, *READ)
            self.assertEqual(1, relay.seen[RAKP1])

    def test_login_that_takes_its_time_is_waited_for(self) -> None:
        """A small processor needs a while for the cryptography; asking again would begin another login."""

        def take_time(message: bytes) -> list[bytes]:
            if payload_type(message) == RAKP2:
                threading.Event().wait(2.5)  # longer than anything else is waited for before it is sent again
            return [message]

        with Relay(self.sim.port, alter=take_time) as relay:
            self.assertEqual(PowerState.OFF, self.task(ipmi_port=relay.port).power.get())
            self.assertEqual(1, relay.seen[RAKP1])

    def test_lost_question_is_asked_again(self) -> None:
        """UDP loses messages: what is no login is repeated."""
        first: list[bytes] = []

        def lose(message: bytes) -> bool:
            first.append(message)
            return len(first) == 1

        with Relay(self.sim.port, lose) as relay:
            self.assertEqual(PowerState.OFF, self.task(ipmi_port=relay.port).power.get())
            self.assertEqual(2, relay.seen[-1])

    def test_bmc_that_falls_silent_in_the_middle_of_a_session_is_unreachable(self) -> None:
        """The session is not used again: a late answer would be taken for that to another command."""
        with Relay(self.sim.port) as relay:
            task = self.task(ipmi_port=relay.port, timeout=60.0)
            with task.session(IPMIConnector) as session:
                session.request(0, 1, deadline=task.deadline)
                relay.lose = lambda message: True
                self.assertRaises(NoAnswer, session.request, 0, 1, deadline=Deadline.after(1.5))
                relay.lose = lambda message: False
                self.assertRaises(SessionLost, session.request, 0, 1, deadline=task.deadline)

    def test_message_that_makes_no_sense_is_dropped(self) -> None:
        """Noise from the BMC's address neither ends the login nor confuses it."""
        head = b"\x06\x00\xff\x07"
        noise = (b"", b"x", head, head + b"\x06" * 12, head + b"\x00" + b"\xff" * 40, head + b"\x06\x11" + b"\xff" * 40)
        with Relay(self.sim.port, alter=lambda message: [*noise, message]) as relay:
            self.assertEqual(PowerState.OFF, self.task(ipmi_port=relay.port).power.get())
            self.assertEqual(1, relay.seen[RAKP1])


class TestKeptSession(SimulatorTestCase):
    """A session that is used more than once."""

    def setUp(self) -> None:
        super().setUp()
        self.now = 0.0
        self.deadline = Deadline.after(30.0)
        self.session = Login(self.wire(), clock=lambda: self.now).get_session()
        self.addCleanup(self.session.close, self.deadline)

    def wire(self) -> Wire:
        account = {"username": USERNAME, "password": PASSWORD}
        return Wire(self.sim.host, self.sim.port, **account, key=None, privilege=4, suite=3, deadline=self.deadline)

    def test_session_that_was_idle_for_long_is_not_trusted(self) -> None:
        """A BMC ends it after a minute without a word: a new login is asked for before anything is sent."""
        self.now += IDLE_TIMEOUT_S - 1
        self.session.request(0, 1, deadline=self.deadline)
        self.now += IDLE_TIMEOUT_S + 1
        self.assertRaises(SessionLost, self.session.request, 0, 1, deadline=self.deadline)

    def test_refused_command_leaves_the_session_as_it_is(self) -> None:
        """The error has the completion code, and the next command is answered."""
        error = self.assertRaises(CommandRefused, self.session.request, 0, 0x7E, deadline=self.deadline)
        self.assertEqual(0xC1, error.code)
        self.session.request(0, 1, deadline=self.deadline)

    def test_closed_session_is_lost(self) -> None:
        """Closing twice is no error; using it after that is."""
        self.session.close(self.deadline)
        self.session.close(self.deadline)
        self.assertRaises(SessionLost, self.session.request, 0, 1, deadline=self.deadline)

    def test_two_sessions_at_one_bmc_do_not_mix(self) -> None:
        """Each one has a socket of its own."""
        other = Login(self.wire()).get_session()
        for _ in range(3):
            self.assertEqual(self.session.request(0, 1, deadline=self.deadline), other.request(0, 1, deadline=self.deadline))
        other.close(self.deadline)

    def test_nothing_is_kept_of_a_closed_session(self) -> None:
        """The library's list of sessions, which holds their keys, stays empty."""
        self.assertEqual({}, Session.keepalive_sessions)

    def test_thousands_of_open_files_do_no_harm(self) -> None:
        """Waiting works with descriptors beyond those that select() can watch."""
        allow_open_files(self, 2000)
        for _ in range(1100):
            self.addCleanup(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close)
        late = Login(self.wire()).get_session()
        self.addCleanup(late.close, self.deadline)
        self.assertTrue(late.request(0, 1, deadline=self.deadline))


class TestClassification(TestCase):
    """What errors mean to the runtime."""

    def test_each_error_has_its_fault(self) -> None:
        """Errors of the socket are about the network, unless they are about this process."""
        classify = IPMIConnector().classify
        expected = {
            LoginRefused("x"): Fault.AUTH,
            SessionLost("x"): Fault.EXPIRED,
            NoAnswer("x"): Fault.UNREACHABLE,
            BMCFull("x"): Fault.BUSY,
            CommandRefused(0xCC, "x"): Fault.OTHER,
            IPMIError("x"): Fault.OTHER,
            ConnectionRefusedError(111, "x"): Fault.UNREACHABLE,
            socket.gaierror(-2, "x"): Fault.UNREACHABLE,
            OSError(24, "too many open files"): Fault.OTHER,
            KeyError("x"): Fault.OTHER,
        }
        self.assertEqual(expected, {exc: classify(exc) for exc in expected})


class TestOptions(TestCase):
    """What is refused before a BMC is asked."""

    def problems(self, **given: object) -> list[str]:
        task = LocalTask({"power": IPMIPower()}, {"ipmi_address": "h", **given})
        try:
            task.validate("power")
        except Exception as exc:
            return [problem.field.removeprefix("driver_info/") for problem in getattr(exc, "problems", ())]
        return []

    def test_only_the_address_is_required(self) -> None:
        """Account and password are those without a name where nothing is said."""
        self.assertEqual([], self.problems())
        self.assertEqual(["ipmi_address"], self.problems(ipmi_address=None))

    def test_what_the_protocol_has_no_room_for_is_refused(self) -> None:
        """Names of up to 16 and passwords of up to 20 bytes, keys of exactly 20 bytes in hexadecimal digits."""
        self.assertEqual([], self.problems(ipmi_username="u" * 16, ipmi_password="p" * 20, ipmi_hex_kg_key="aF" * 20))
        wrong = self.problems(ipmi_username="ü" * 9, ipmi_password="p" * 21, ipmi_hex_kg_key="zz" * 20)
        self.assertEqual(["ipmi_username", "ipmi_password", "ipmi_hex_kg_key"], wrong)

    def test_values_of_clients_are_understood(self) -> None:
        """Command lines send numbers as text; what cannot be done is refused by name."""
        self.assertEqual([], self.problems(ipmi_port="6230", ipmi_cipher_suite="3", ipmi_priv_level="OPERATOR"))
        fields = ["ipmi_priv_level", "ipmi_cipher_suite", "ipmi_protocol_version", "ipmi_bridging"]
        wrong = self.problems(ipmi_priv_level="OEM", ipmi_cipher_suite=0, ipmi_protocol_version="1.5", ipmi_bridging="triple")
        self.assertEqual(fields, wrong)

    def test_bridging_needs_a_controller(self) -> None:
        """Its channel, and its address in hexadecimal or decimal digits."""
        self.assertEqual([], self.problems(ipmi_bridging="single", ipmi_target_channel="7", ipmi_target_address="0x72"))
        self.assertEqual([], self.problems(ipmi_bridging="single", ipmi_target_channel=0, ipmi_target_address="114"))
        missing = ["ipmi_target_channel", "ipmi_target_address"]
        self.assertEqual(missing, self.problems(ipmi_bridging="single"))
        for wrong in ("", "here", "0x73", "0x100", "0"):
            found = self.problems(ipmi_bridging="single", ipmi_target_channel=0, ipmi_target_address=wrong)
            self.assertEqual(["ipmi_target_address"], found)

    def test_dual_bridging_needs_the_controller_in_between(self) -> None:
        """Channel and address of both; the address of the BMC itself has to be one, where it is given."""
        target = {"ipmi_bridging": "dual", "ipmi_target_channel": 7, "ipmi_target_address": "0x72"}
        self.assertEqual(["ipmi_transit_channel", "ipmi_transit_address"], self.problems(**target))
        whole = {**target, "ipmi_transit_channel": 0, "ipmi_transit_address": "0x82"}
        self.assertEqual([], self.problems(**whole, ipmi_local_address="0x20"))
        self.assertEqual(["ipmi_local_address"], self.problems(**whole, ipmi_local_address="0x21"))

    def test_endpoint_names_protocol_address_port_and_account(self) -> None:
        """It is the key of the session that is kept."""
        info = IPMIInfo.parse({"ipmi_address": "h", "ipmi_username": "u"})
        self.assertEqual(("ipmi://h:623", "u"), (str(info.endpoint()), info.endpoint().account))


class TestLibrary(TestCase):
    """What is used of pyghmi's session, which is not a published interface."""

    def test_names_that_are_overridden_or_called_exist(self) -> None:
        """A new pyghmi that has renamed one of them is noticed here, not at a BMC."""
        changed = {
            "awaitresponse",
            "login",
            "onlogon",
            "process_pktqueue",
            "wait_for_rsp",
            "_assignsocket",
            "_get_session_challenge",
            "_got_rakp2",
            "_got_rakp4",
            "_got_rmcp_response",
            "_initsession",
            "_make_ipmi_payload",
            "_mark_broken",
            "_relog",
            "_xmit_packet",
        }
        used = {"_handle_ipmi_packet", "_timedout", "keepalive_sessions", "logout", "raw_command"}
        self.assertEqual(set(), {name for name in changed | used if not hasattr(Session, name)})
        methods = {name for name, value in vars(Wire).items() if callable(value) and not name.startswith("__")}
        overridden = {name for name in methods if hasattr(Session, name)}
        self.assertEqual(changed, overridden)
