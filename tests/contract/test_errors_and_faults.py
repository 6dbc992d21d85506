"""Errors of the contract, and the translation of exceptions of drivers into them."""

from __future__ import annotations

from testtools import TestCase

from baremetal_interfaces import (
    MASK,
    AuthenticationFailed,
    BareMetalError,
    BMCBusy,
    BMCUnreachable,
    Busy,
    Conflict,
    DeadlineExceeded,
    DriverError,
    Endpoint,
    Fault,
    Forbidden,
    HostUnresolved,
    InvalidInput,
    NodeLocked,
    NotFound,
    NotSupported,
    PowerStateFailure,
    Problem,
    RequestUnanswered,
    UnexpectedAnswer,
)
from baremetal_interfaces.faults import scrub, translate
from tests.contract.acme import AcmeConnector, AcmeError

WHERE = Endpoint("https", "10.0.0.7", 443)


class TestErrors(TestCase):
    """The error classes."""

    def test_status_codes(self) -> None:
        """Each error class has an HTTP status."""
        expected: dict[type[BareMetalError], int] = {
            InvalidInput: 400,
            NotSupported: 400,
            Forbidden: 403,
            NotFound: 404,
            Conflict: 409,
            NodeLocked: 409,
            PowerStateFailure: 409,
            DriverError: 500,
            Busy: 503,
            BMCBusy: 503,
            DeadlineExceeded: 504,
        }
        self.assertEqual(expected, {error: error.code for error in expected})

    def test_message_lists_all_problems(self) -> None:
        """The message of InvalidInput names each field, its problem and the allowed values."""
        error = InvalidInput([Problem("a", "is wrong", "say b"), Problem("c", "is required")])
        self.assertEqual("a: is wrong; say b. c: is required", str(error))
        self.assertEqual(2, len(error.problems))
        self.assertEqual((), InvalidInput("plainly").problems)

    def test_error_carries_details_and_retry_time(self) -> None:
        """Details and retry_after are attributes, apart from the message."""
        error = Busy("full", retry_after=2.0, lane="power")
        self.assertEqual(2.0, error.retry_after)
        self.assertEqual({"lane": "power"}, error.details)
        self.assertEqual("full", str(error))


class TestScrub(TestCase):
    """scrub() masks each spelling of a secret."""

    def test_plain_quoted_escaped_and_encoded_spellings(self) -> None:
        """A secret is masked in URLs, reprs and headers, because libraries put secrets there."""
        secret = "p@ss/w\\rd 1"
        for text in ("p@ss/w\\rd 1", "p%40ss%2Fw%5Crd%201", "p%40ss%2Fw%5Crd+1", "p@ss/w\\\\rd 1", "cEBzcy93XHJkIDE="):
            self.assertEqual(f"<{MASK}>", scrub(f"<{text}>", [secret]), text)

    def test_secret_that_contains_another_is_masked_first(self) -> None:
        """No part of a longer secret stays readable."""
        self.assertEqual(MASK, scrub("adminadmin1", ["admin", "adminadmin1"]))

    def test_empty_secret_changes_nothing(self) -> None:
        """An empty secret is ignored, because it would match everywhere."""
        self.assertEqual("text", scrub("text", [""]))


class TestTranslate(TestCase):
    """translate() turns any exception into an error of the contract."""

    def translate(self, exc: Exception, connected: bool = True) -> BareMetalError:
        connector = AcmeConnector() if connected else None
        return translate(exc, connector=connector, endpoint=WHERE if connected else None, secrets=["sesame"])

    def test_fault_determines_the_error_class(self) -> None:
        """Each Fault of the connector has its error class, and the message names the BMC."""
        expected = {
            Fault.AUTH: AuthenticationFailed,
            Fault.EXPIRED: AuthenticationFailed,
            Fault.UNREACHABLE: BMCUnreachable,
            Fault.UNANSWERED: RequestUnanswered,
            Fault.UNRESOLVED: HostUnresolved,
            Fault.BUSY: BMCBusy,
            Fault.OTHER: UnexpectedAnswer,
        }
        for fault, error in expected.items():
            found = self.translate(AcmeError("with sesame", fault))
            self.assertIs(error, type(found))
            self.assertIn("the BMC at https://10.0.0.7:443", str(found))
            self.assertNotIn("sesame", str(found))

    def test_exception_without_connector_is_a_driver_error(self) -> None:
        """Without a connector the result is a DriverError with the class name of the exception."""
        found = self.translate(KeyError("sesame"), connected=False)
        self.assertIs(DriverError, type(found))
        self.assertEqual(f"the driver failed: KeyError: '{MASK}'", str(found))

    def test_error_of_the_contract_keeps_its_class_and_loses_its_secrets(self) -> None:
        """Secrets are masked in message, details and arguments, and the cause is removed, because it may contain a secret."""
        error = NotFound("no sesame here", url="http://u:sesame@h", tries=3)
        error.__cause__ = AcmeError("sesame")
        found = self.translate(error)
        self.assertIs(NotFound, type(found))
        self.assertEqual((f"no {MASK} here",), found.args)
        self.assertEqual({"url": f"http://{MASK}@h", "tries": 3}, found.details)
        self.assertIsNone(found.__cause__)
        self.assertTrue(found.__suppress_context__)
