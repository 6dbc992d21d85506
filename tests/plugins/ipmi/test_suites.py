"""Cipher suites and privilege levels of logins."""

from __future__ import annotations

from testtools import TestCase

from baremetal_fake.ipmi import AccessOptions
from baremetal_interfaces import AuthenticationFailed, BMCBusy, DriverError, PowerState, RequestUnanswered, UnexpectedAnswer
from baremetal_ipmi import IPMIConnector, traits, wire
from tests.plugins.ipmi.relay import RAKP1, STATUS, Relay, payload_type
from tests.plugins.ipmi.service_case import BMCTestCase

_OPEN_REQUEST, _OPEN_RESPONSE = 0x10, 0x11
_AUTHENTICATION, _SHA256 = 28, 3
"""Offset of the authentication algorithm in the Open Session Request, and its value in suite 17."""
READ = ("power", "get_power_state")


def asks_for_17(message: bytes) -> bool:
    """Return whether *message* is a request for cipher suite 17."""
    return payload_type(message) == _OPEN_REQUEST and message[_AUTHENTICATION] == _SHA256


def refuse_17(message: bytes) -> list[bytes]:
    """Return *message*, or a forged refusal of the cipher suite in its place."""
    if payload_type(message) != _OPEN_RESPONSE:
        return [message]
    return [message[:STATUS] + b"\x11" + message[STATUS + 1 :]]


class SuitesTestCase(BMCTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(wire, "_OPEN_INTERVALS_S", (0.2, 0.2, 0.2))


class TestSuites(SuitesTestCase):
    def test_suite_3_follows_silence_or_refusal(self) -> None:
        """A BMC without suite 17 is reached by suite 3 with one login, whether it is silent or refuses with any status."""
        for options in ({"ignores_other_suites": True}, {"other_suite_status": 0x04}, {"other_suite_status": 0x12}):
            service = self.serve(access=AccessOptions(suites=(3,), **options))
            self.assertEqual(PowerState.OFF, self.task(service).power.get(), str(options))
            self.assertEqual(1, service.totals()["login_attempts"], str(options))

    def test_second_suite_is_tried_within_a_short_deadline(self) -> None:
        """The requests for suite 17 take half of the time at most."""
        self.patch(wire, "_OPEN_INTERVALS_S", (10.0, 10.0, 10.0))
        service = self.serve(access=AccessOptions(suites=(3,), ignores_other_suites=True))
        self.assertEqual(PowerState.OFF, self.task(service, timeout=4.0).power.get())

    def test_silent_suite_is_asked_for_once_in_later_logins(self) -> None:
        """A later login asks for suite 17 once, because the BMC may have got new firmware."""
        service = self.serve(access=AccessOptions(suites=(3,), ignores_other_suites=True))
        with Relay(service.address_of()[1]) as relay:
            for requests in (4, 2):
                relay.seen.clear()
                self.task(service, ipmi_port=relay.port).power.get()
                self.assertEqual(requests, relay.seen[_OPEN_REQUEST])

    def test_bmc_that_accepted_17_is_not_downgraded(self) -> None:
        """Dropped requests and forged refusals do not lead to suite 3 after a login with 17, unless the option names 3."""
        service = self.serve()
        with Relay(service.address_of()[1]) as relay:
            self.task(service, ipmi_port=relay.port).power.get()
            relay.lose = asks_for_17
            error = self.assertRaises(RequestUnanswered, self.task(service, ipmi_port=relay.port).call, *READ)
            self.assertIn("ipmi_cipher_suite", str(error))
            relay.lose, relay.alter = (lambda message: False), refuse_17
            error = self.assertRaises(UnexpectedAnswer, self.task(service, ipmi_port=relay.port).call, *READ)
            self.assertIn("ipmi_cipher_suite", str(error))
            self.assertEqual(1, relay.seen[RAKP1])
            relay.lose, relay.alter = asks_for_17, lambda message: [message]
            self.task(service, ipmi_port=relay.port, ipmi_cipher_suite=3).power.get()

    def test_answer_without_a_login_is_not_remembered(self) -> None:
        """Anyone can forge an answer to the request, so that only a complete login counts as proof of suite 17."""
        service = self.serve()
        self.assertRaises(AuthenticationFailed, self.task(service, ipmi_password="wrong").call, *READ)
        host, port = service.address_of()
        self.assertFalse(IPMIConnector.traits.get(host, port).accepts_suite_17)

    def test_another_suite_in_the_answer_is_refused(self) -> None:
        """A BMC that selects algorithms without encryption does not get a login."""

        def weaken(message: bytes) -> list[bytes]:
            # The last algorithm of the response is the one of confidentiality.
            return [message[:48] + b"\0" + message[49:]] if payload_type(message) == _OPEN_RESPONSE else [message]

        service = self.serve()
        with Relay(service.address_of()[1], alter=weaken) as relay:
            self.assertRaises(UnexpectedAnswer, self.task(service, ipmi_port=relay.port).call, *READ)
            self.assertEqual(0, relay.seen[RAKP1])

    def test_full_bmc_is_not_asked_for_a_weaker_suite(self) -> None:
        """A BMC without a free session is busy. Suite 3 would not help."""
        service = self.serve(access=AccessOptions(session_limit=0))
        with Relay(service.address_of()[1]) as relay:
            self.assertRaises(BMCBusy, self.task(service, ipmi_port=relay.port).call, *READ)
            self.assertEqual(1, relay.seen[_OPEN_REQUEST])


class TestLevels(SuitesTestCase):
    def test_refused_level_names_the_option(self) -> None:
        """A refused privilege level does not count as refused credentials, and the error names ipmi_priv_level."""
        for status in (0x09, 0x0A):
            service = self.serve(access=AccessOptions(highest_level=3, refused_level_status=status))
            error = self.assertRaises(UnexpectedAnswer, self.task(service).call, *READ)
            self.assertIn("ipmi_priv_level", str(error))
            self.task(service, ipmi_priv_level="OPERATOR").power.set(PowerState.ON)

    def test_unauthorized_name_names_account_and_option(self) -> None:
        """Status 0Dh is about the account or the level, so that it counts as refused credentials and names both."""
        service = self.serve(access=AccessOptions(highest_level=3, refused_level_status=0x0D))
        error = self.assertRaises(AuthenticationFailed, self.task(service).call, *READ)
        self.assertIn("ipmi_priv_level", str(error))

    def test_command_above_the_level_names_the_option(self) -> None:
        """The error of a command that needs a higher level names ipmi_priv_level."""
        error = self.assertRaises(DriverError, self.task(self.serve(), ipmi_priv_level="USER").power.set, PowerState.ON)
        self.assertIn("ipmi_priv_level", str(error))


class TestTraitsCache(TestCase):
    def test_number_of_bmcs_is_limited(self) -> None:
        """The BMC that was used least recently is dropped."""
        self.patch(traits, "MAX_BMCS", 2)
        cache = traits.TraitsCache()
        first = cache.get("a", 623)
        cache.get("b", 623)
        self.assertIs(first, cache.get("a", 623))
        cache.get("c", 623)
        self.assertIs(first, cache.get("a", 623))
        first.accepts_suite_17 = True
        cache.get("d", 623)
        cache.get("e", 623)
        self.assertFalse(cache.get("a", 623).accepts_suite_17)
