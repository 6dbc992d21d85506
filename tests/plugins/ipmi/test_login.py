"""Login, kept sessions, options, and BMCs that do not answer."""

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
from baremetal_interfaces.http import NameLookupFailed
from baremetal_ipmi import IPMIConnector, IPMIInfo, IPMIPower, IPMIVendor
from baremetal_ipmi.errors import (
    BMCFull,
    CommandRefused,
    CommandUnanswered,
    IPMIError,
    LoginRefused,
    NoAnswer,
    SessionLost,
    TargetUnanswered,
)
from baremetal_ipmi.session import IDLE_TIMEOUT_S, Login
from baremetal_ipmi.wire import Wire
from tests.fixtures.ipmi_sim import PASSWORD, USERNAME
from tests.fixtures.open_files import allow_open_files
from tests.plugins.ipmi.base import SimulatorTestCase
from tests.plugins.ipmi.relay import RAKP1, RAKP2, RAKP4, STATUS, Relay, payload_type

READ = ("power", "get_power_state")


class TestCredentials(SimulatorTestCase):
    """Login with right and wrong credentials."""

    def test_wrong_password_costs_one_attempt(self) -> None:
        """A wrong password is refused after one attempt, because a second might lock the account."""
        with Relay(self.sim.port) as relay:
            start = time.monotonic()
            error = self.assertRaises(AuthenticationFailed, self.task(ipmi_port=relay.port, ipmi_password="wr0ng").call, *READ)
            self.assertLess(time.monotonic() - start, 10.0)
            self.assertEqual(1, relay.seen[RAKP1])
        self.assertNotIn("wr0ng", str(error))

    def test_unknown_account_costs_one_attempt(self) -> None:
        """An unknown account is refused after one attempt, without a try at a lower privilege level."""
        with Relay(self.sim.port) as relay:
            self.assertRaises(AuthenticationFailed, self.task(ipmi_port=relay.port, ipmi_username="nobody").call, *READ)
            self.assertEqual(1, relay.seen[RAKP1])

    def test_wrong_key_is_refused(self) -> None:
        """A wrong key Kg is refused like a wrong password."""
        error = self.assertRaises(AuthenticationFailed, self.task(ipmi_hex_kg_key="ab" * 20).call, *READ)
        self.assertNotIn("ab" * 20, str(error))

    def test_cipher_suite_is_negotiated_unless_it_is_fixed(self) -> None:
        """At a BMC with suite 3 alone, the default finds it, and a fixed 17 is an error that names the option."""
        self.assertEqual(PowerState.OFF, self.task(ipmi_cipher_suite=None).power.get())
        error = self.assertRaises(UnexpectedAnswer, self.task(ipmi_cipher_suite=17).call, *READ)
        self.assertIn("ipmi_cipher_suite", str(error))

    def test_status_codes_of_the_login(self) -> None:
        """The RMCP+ status decides whether the BMC is busy, refuses the account, or failed otherwise."""
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

    def test_lower_privilege_level(self) -> None:
        """A session with the privilege level USER can read the power state."""
        self.assertEqual(PowerState.OFF, self.task(ipmi_priv_level="USER").power.get())


class TestBridging(SimulatorTestCase):
    """A controller behind the BMC."""

    def read_device_id(self, **changes: Any) -> str:
        """Return the response to Get Device ID, which differs between the controllers."""
        task = LocalTask({"vendor": IPMIVendor()}, {**self.sim.driver_info, **changes}, timeout=20.0)
        return str(task.call("vendor", "send_raw", raw_bytes="0x06 0x01")["data"])

    def test_commands_reach_the_target_controller(self) -> None:
        """The BMC forwards commands, and its own responses are not taken for those of the target."""
        target = {"ipmi_bridging": "single", "ipmi_target_channel": 0, "ipmi_target_address": "0x30"}
        self.assertTrue(self.read_device_id().startswith("00 83 09 08"))
        self.assertTrue(self.read_device_id(**target).startswith("00 01 02 03"))
        self.assertTrue(self.read_device_id(**{**target, "ipmi_bridging": "no"}).startswith("00 83 09 08"))

    def test_missing_controller_is_named(self) -> None:
        """The error for a missing controller names its address and channel."""
        target = {"ipmi_bridging": "single", "ipmi_target_channel": 0, "ipmi_target_address": "0x40"}
        error = self.assertRaises(UnexpectedAnswer, self.read_device_id, **target)
        self.assertIn("controller 0x40 on channel 0", str(error))


class TestSilence(SimulatorTestCase):
    """A BMC or network that does not answer."""

    def test_silent_bmc_is_unreachable_at_the_deadline(self) -> None:
        """Requests before the login are repeated until the deadline, and no login is started."""
        with Relay() as relay:
            start = time.monotonic()
            self.assertRaises(BMCUnreachable, self.task(ipmi_port=relay.port, timeout=2.0).call, *READ)
            self.assertLess(time.monotonic() - start, 8.0)
            self.assertGreater(relay.seen[-1], 1)
            self.assertEqual(0, relay.seen[RAKP1])

    def test_silent_bmc_is_abandoned_before_a_long_deadline(self) -> None:
        """A dead BMC does not occupy a worker for the whole timeout of a task."""
        with Relay() as relay:
            start = time.monotonic()
            self.assertRaises(BMCUnreachable, self.task(ipmi_port=relay.port, timeout=120.0).call, *READ)
            self.assertLess(time.monotonic() - start, 20.0)

    def test_closed_port_is_unreachable_at_once(self) -> None:
        """The host's ICMP error ends the login at once."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        start = time.monotonic()
        self.assertRaises(BMCUnreachable, self.task(ipmi_port=port).call, *READ)
        self.assertLess(time.monotonic() - start, 10.0)

    def test_unresolvable_name_is_unreachable(self) -> None:
        """The error names the BMC whose name has no address."""
        error = self.assertRaises(BMCUnreachable, self.task(ipmi_address="bmc.invalid").call, *READ)
        self.assertIn("bmc.invalid", str(error))

    def test_unanswered_login_is_not_repeated(self) -> None:
        """A lost login message fails the operation, because a second login could lock the account."""
        with Relay(self.sim.port, lose=lambda message: payload_type(message) == RAKP1) as relay:
            self.assertRaises(BMCUnreachable, self.task(ipmi_port=relay.port, timeout=3.0).call, *READ)
            self.assertEqual(1, relay.seen[RAKP1])

    def test_slow_login_is_awaited(self) -> None:
        """A slow processor gets time for the cryptography, because a repeated message would start another login."""

        def delay(message: bytes) -> list[bytes]:
            if payload_type(message) == RAKP2:
                threading.Event().wait(2.5)  # longer than the time after which other messages are repeated
            return [message]

        with Relay(self.sim.port, alter=delay) as relay:
            self.assertEqual(PowerState.OFF, self.task(ipmi_port=relay.port).power.get())
            self.assertEqual(1, relay.seen[RAKP1])

    def test_lost_request_is_repeated(self) -> None:
        """UDP loses messages, so requests that are not part of a login are repeated."""
        first: list[bytes] = []

        def lose(message: bytes) -> bool:
            first.append(message)
            return len(first) == 1

        with Relay(self.sim.port, lose) as relay:
            self.assertEqual(PowerState.OFF, self.task(ipmi_port=relay.port).power.get())
            self.assertEqual(2, relay.seen[-1])

    def test_bmc_that_stops_answering_is_unreachable(self) -> None:
        """The session is not used again, because a late response would be taken for that to another command."""
        with Relay(self.sim.port) as relay:
            task = self.task(ipmi_port=relay.port, timeout=60.0)
            with task.session(IPMIConnector) as session:
                session.request(0, 1, deadline=task.deadline)
                relay.lose = lambda message: True
                self.assertRaises(CommandUnanswered, session.request, 0, 1, deadline=Deadline.after(1.5))
                relay.lose = lambda message: False
                self.assertRaises(SessionLost, session.request, 0, 1, deadline=task.deadline)

    def test_malformed_messages_are_dropped(self) -> None:
        """MalformedMessage messages from the BMC's address neither end nor disturb the login."""
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

    def test_idle_session_expires(self) -> None:
        """A BMC ends an idle session after a minute, so that a new login is required before the next command."""
        self.now += IDLE_TIMEOUT_S - 1
        self.session.request(0, 1, deadline=self.deadline)
        self.now += IDLE_TIMEOUT_S + 1
        self.assertRaises(SessionLost, self.session.request, 0, 1, deadline=self.deadline)

    def test_refused_command_leaves_the_session_usable(self) -> None:
        """The error has the completion code, and the next command is answered."""
        error = self.assertRaises(CommandRefused, self.session.request, 0, 0x7E, deadline=self.deadline)
        self.assertEqual(0xC1, error.code)
        self.session.request(0, 1, deadline=self.deadline)

    def test_closed_session_is_lost(self) -> None:
        """A second close has no effect; a request after it is an error."""
        self.session.close(self.deadline)
        self.session.close(self.deadline)
        self.assertRaises(SessionLost, self.session.request, 0, 1, deadline=self.deadline)

    def test_two_sessions_at_one_bmc_do_not_mix(self) -> None:
        """Each session has a socket of its own."""
        other = Login(self.wire()).get_session()
        for _ in range(3):
            self.assertEqual(self.session.request(0, 1, deadline=self.deadline), other.request(0, 1, deadline=self.deadline))
        other.close(self.deadline)

    def test_closed_session_leaves_no_entry_in_pyghmi(self) -> None:
        """pyghmi's list of sessions, which holds their keys, stays empty."""
        self.assertEqual({}, Session.keepalive_sessions)

    def test_more_files_than_select_can_watch(self) -> None:
        """A session works with file descriptors beyond those that select() can watch."""
        allow_open_files(self, 2000)
        for _ in range(1100):
            self.addCleanup(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close)
        late = Login(self.wire()).get_session()
        self.addCleanup(late.close, self.deadline)
        self.assertTrue(late.request(0, 1, deadline=self.deadline))


class TestClassification(TestCase):
    """Faults that the runtime sees for the plugin's errors."""

    def test_each_error_has_its_fault(self) -> None:
        """Socket errors are about the network, unless they are about this process or host."""
        classify = IPMIConnector().classify
        expected = {
            LoginRefused("x"): Fault.AUTH,
            SessionLost("x"): Fault.EXPIRED,
            NoAnswer("x"): Fault.UNREACHABLE,
            CommandUnanswered("x"): Fault.UNANSWERED,
            TargetUnanswered("x"): Fault.UNANSWERED,
            NameLookupFailed("x"): Fault.UNRESOLVED,
            BMCFull("x"): Fault.BUSY,
            CommandRefused(0xCC, "x"): Fault.OTHER,
            IPMIError("x"): Fault.OTHER,
            ConnectionRefusedError(111, "x"): Fault.UNREACHABLE,
            OSError(24, "too many open files"): Fault.OTHER,
            KeyError("x"): Fault.OTHER,
        }
        self.assertEqual(expected, {exc: classify(exc) for exc in expected})


class TestOptions(TestCase):
    """Options that are refused before the BMC is asked."""

    def problems(self, **given: object) -> list[str]:
        task = LocalTask({"power": IPMIPower()}, {"ipmi_address": "h", **given})
        try:
            task.validate("power")
        except Exception as exc:
            return [problem.field.removeprefix("driver_info/") for problem in getattr(exc, "problems", ())]
        return []

    def test_only_the_address_is_required(self) -> None:
        """Without account and password the anonymous account is used."""
        self.assertEqual([], self.problems())
        self.assertEqual(["ipmi_address"], self.problems(ipmi_address=None))

    def test_limits_of_the_protocol(self) -> None:
        """Usernames have 16 bytes or fewer, passwords 20 or fewer, and keys exactly 20 as hexadecimal digits."""
        self.assertEqual([], self.problems(ipmi_username="u" * 16, ipmi_password="p" * 20, ipmi_hex_kg_key="aF" * 20))
        wrong = self.problems(ipmi_username="ü" * 9, ipmi_password="p" * 21, ipmi_hex_kg_key="zz" * 20)
        self.assertEqual(["ipmi_username", "ipmi_password", "ipmi_hex_kg_key"], wrong)

    def test_forms_of_values(self) -> None:
        """Command lines send numbers as text; unsupported values are refused by the name of the option."""
        self.assertEqual([], self.problems(ipmi_port="6230", ipmi_cipher_suite="3", ipmi_priv_level="OPERATOR"))
        fields = ["ipmi_priv_level", "ipmi_cipher_suite", "ipmi_protocol_version", "ipmi_bridging"]
        wrong = self.problems(ipmi_priv_level="OEM", ipmi_cipher_suite=0, ipmi_protocol_version="1.5", ipmi_bridging="triple")
        self.assertEqual(fields, wrong)

    def test_bridging_requires_a_target(self) -> None:
        """Bridging requires the target's channel, and its address in hexadecimal or decimal digits."""
        self.assertEqual([], self.problems(ipmi_bridging="single", ipmi_target_channel="7", ipmi_target_address="0x72"))
        self.assertEqual([], self.problems(ipmi_bridging="single", ipmi_target_channel=0, ipmi_target_address="114"))
        missing = ["ipmi_target_channel", "ipmi_target_address"]
        self.assertEqual(missing, self.problems(ipmi_bridging="single"))
        for wrong in ("", "here", "0x73", "0x100", "0"):
            found = self.problems(ipmi_bridging="single", ipmi_target_channel=0, ipmi_target_address=wrong)
            self.assertEqual(["ipmi_target_address"], found)

    def test_dual_bridging_requires_a_transit(self) -> None:
        """Dual bridging requires channel and address of both controllers; the local address has to be valid."""
        target = {"ipmi_bridging": "dual", "ipmi_target_channel": 7, "ipmi_target_address": "0x72"}
        self.assertEqual(["ipmi_transit_channel", "ipmi_transit_address"], self.problems(**target))
        whole = {**target, "ipmi_transit_channel": 0, "ipmi_transit_address": "0x82"}
        self.assertEqual([], self.problems(**whole, ipmi_local_address="0x20"))
        self.assertEqual(["ipmi_local_address"], self.problems(**whole, ipmi_local_address="0x21"))

    def test_endpoint_contains_address_port_and_account(self) -> None:
        """The endpoint, which is part of a kept session's key, contains protocol, address, port and account."""
        info = IPMIInfo.parse({"ipmi_address": "h", "ipmi_username": "u"})
        self.assertEqual("ipmi://h:623", str(info.endpoint()))
        self.assertEqual("u", info.endpoint().account)


class TestLibrary(TestCase):
    """pyghmi's private session class, which is not a published interface."""

    def test_used_names_exist(self) -> None:
        """The names of pyghmi that the plugin overrides or calls exist, and it overrides no others."""
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
            "_open_rmcpplus_request",
            "_relog",
            "_remove_request_entry",
            "_xmit_packet",
        }
        used = {"_handle_ipmi_packet", "_timedout", "keepalive_sessions", "logout", "raw_command"}
        self.assertEqual(set(), {name for name in changed | used if not hasattr(Session, name)})
        methods = {name for name, value in vars(Wire).items() if callable(value) and not name.startswith("__")}
        overridden = {name for name in methods if hasattr(Session, name)}
        self.assertEqual(changed, overridden)
