"""Errors of the contract, and how whatever a driver raised becomes one of them without a secret."""

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
    InvalidInput,
    NodeLocked,
    NotFound,
    NotSupported,
    PowerStateFailure,
    Problem,
    UnexpectedAnswer,
)
from baremetal_interfaces.faults import scrub, translate
from tests.contract.acme import AcmeConnector, AcmeError

WHERE = Endpoint("https", "10.0.0.7", 443)


class TestErrors(TestCase):
    """One small tree, with an HTTP status on each class."""

    def test_status_codes(self) -> None:
        """Each error stands for one HTTP status."""
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

    def test_problems_make_up_the_message(self) -> None:
        """An InvalidInput says for each field what was wrong and what is allowed."""
        error = InvalidInput([Problem("a", "is wrong", "say b"), Problem("c", "is required")])
        self.assertEqual("a: is wrong; say b. c: is required", str(error))
        self.assertEqual(2, len(error.problems))
        self.assertEqual((), InvalidInput("plainly").problems)

    def test_details_and_retry_travel_with_the_error(self) -> None:
        """What is not the message is kept beside it."""
        error = Busy("full", retry_after=2.0, lane="power")
        self.assertEqual((2.0, {"lane": "power"}, "full"), (error.retry_after, error.details, str(error)))


class TestScrub(TestCase):
    """Every spelling of a secret is masked."""

    def test_plain_quoted_escaped_and_encoded_spellings(self) -> None:
        """Libraries put secrets into URLs, reprs and headers."""
        secret = "p@ss/w\\rd 1"
        for text in ("p@ss/w\\rd 1", "p%40ss%2Fw%5Crd%201", "p%40ss%2Fw%5Crd+1", "p@ss/w\\\\rd 1", "cEBzcy93XHJkIDE="):
            self.assertEqual(f"<{MASK}>", scrub(f"<{text}>", [secret]), text)

    def test_longer_secret_is_masked_before_one_within_it(self) -> None:
        """Nothing of the longer one is left over."""
        self.assertEqual(MASK, scrub("adminadmin1", ["admin", "adminadmin1"]))

    def test_empty_secret_changes_nothing(self) -> None:
        """An empty password would be found everywhere."""
        self.assertEqual("text", scrub("text", [""]))


class TestTranslate(TestCase):
    """From any exception to one of the contract's."""

    def translated(self, exc: Exception, connected: bool = True) -> BareMetalError:
        connector = AcmeConnector() if connected else None
        return translate(exc, connector=connector, endpoint=WHERE if connected else None, secrets=["sesame"])

    def test_fault_decides_on_the_class(self) -> None:
        """What the connector says about an exception becomes an error that names the BMC."""
        expected = {
            Fault.AUTH: AuthenticationFailed,
            Fault.EXPIRED: AuthenticationFailed,
            Fault.UNREACHABLE: BMCUnreachable,
            Fault.BUSY: BMCBusy,
            Fault.OTHER: UnexpectedAnswer,
        }
        for fault, error in expected.items():
            found = self.translated(AcmeError("with sesame", fault))
            self.assertIs(error, type(found))
            self.assertIn("the BMC at https://10.0.0.7:443", str(found))
            self.assertNotIn("sesame", str(found))

    def test_mistake_of_the_driver_is_no_fault_of_the_bmc(self) -> None:
        """Where no connector was in use, it is a DriverError with the exception's name."""
        found = self.translated(KeyError("sesame"), connected=False)
        self.assertIs(DriverError, type(found))
        self.assertEqual(f"the driver failed: KeyError: '{MASK}'", str(found))

    def test_error_of_the_contract_keeps_its_class_and_loses_its_secrets(self) -> None:
        """Message, details and arguments are scrubbed; the cause, which may hold a secret, is gone."""
        error = NotFound("no sesame here", url="http://u:sesame@h", tries=3)
        error.__cause__ = AcmeError("sesame")
        found = self.translated(error)
        self.assertIs(NotFound, type(found))
        self.assertEqual((f"no {MASK} here",), found.args)
        self.assertEqual({"url": f"http://u:{MASK}@h", "tries": 3}, found.details)
        self.assertIsNone(found.__cause__)
        self.assertTrue(found.__suppress_context__)
