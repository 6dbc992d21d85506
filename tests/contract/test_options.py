"""Typed driver_info: parsing, secrets and descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from testtools import TestCase

from baremetal_interfaces import MASK, DriverInfo, Endpoint, InvalidInput, Problem, option
from baremetal_interfaces.options import redact, schema


@dataclass(frozen=True)
class Info(DriverInfo):
    """A driver_info with one option of each type."""

    box_address: str = option("Address of the BMC.")
    box_port: int = option("Port of the BMC.", default=623, minimum=1, maximum=65535)
    box_username: str = option("Account.", default="admin")
    box_password: str = option("Password.", secret=True)
    box_mode: str = option("Mode.", default="slow", choices=("slow", "fast"))
    box_version: str = option("Version.", default="2.0", choices=("2.0", "any"))
    box_verify: bool = option("Whether to verify.", default=True)
    box_wait: float | None = option("Seconds to wait.", default=None, minimum=0)
    box_extra: dict[str, Any] | None = option("Anything.", default=None)  # noqa: RUF009

    def check(self) -> list[Problem]:
        if self.box_mode == "fast" and not self.box_verify:
            return [Problem("driver_info/box_mode", "'fast' needs verification")]
        return []


GIVEN: dict[str, Any] = {"box_address": "::1", "box_password": "sesame"}


def problems(**raw: Any) -> dict[str, Problem]:
    """Return the problems of GIVEN with the changes *raw*, by field."""
    return {problem.field: problem for problem in Info.problems({**GIVEN, **raw})}


class TestParsing(TestCase):
    """DriverInfo.parse()"""

    def test_missing_options_get_their_defaults(self) -> None:
        """An option that is missing or null gets its default."""
        info = Info.parse({**GIVEN, "box_port": None})
        self.assertEqual(623, info.box_port)
        self.assertEqual("admin", info.box_username)
        self.assertEqual("slow", info.box_mode)
        self.assertIs(True, info.box_verify)
        self.assertIsNone(info.box_wait)

    def test_numbers_and_booleans_are_read_from_text(self) -> None:
        """Numbers and booleans may be texts, because command-line clients send texts."""
        info = Info.parse({**GIVEN, "box_port": "6230", "box_wait": "2.5", "box_verify": "False"})
        self.assertEqual(6230, info.box_port)
        self.assertEqual(2.5, info.box_wait)
        self.assertIs(False, info.box_verify)

    def test_number_is_accepted_for_a_text_option(self) -> None:
        """A password of digits may be a JSON number."""
        self.assertEqual("1234", Info.parse({**GIVEN, "box_password": 1234}).box_password)
        self.assertEqual("-1.5", Info.parse({**GIVEN, "box_password": -1.5}).box_password)

    def test_number_equals_a_choice_of_a_text_option(self) -> None:
        """JSON does not distinguish 2 from 2.0, so both stand for the choice "2.0"."""
        for number in (2, 2.0):
            self.assertEqual("2.0", Info.parse({**GIVEN, "box_version": number}).box_version)
        self.assertIn("one of 2.0, any", problems(box_version=1.5)["driver_info/box_version"].allowed)

    def test_number_with_inexact_digits_is_no_text(self) -> None:
        """A float that is shown with an exponent, or is not finite, does not contain the digits that a client wrote."""
        for number in (1e20, 1e-9, float("inf"), float("nan")):
            self.assertEqual(["driver_info/box_password"], list(problems(box_password=number)), number)

    def test_all_problems_are_reported_at_once(self) -> None:
        """One error names each invalid option and its allowed values."""
        error = self.assertRaises(InvalidInput, Info.parse, {"box_port": 0, "box_mode": "swift", "box_verify": "perhaps"})
        fields = [problem.field for problem in error.problems]
        expected = ["box_address", "box_port", "box_password", "box_mode", "box_verify"]
        self.assertEqual([f"driver_info/{name}" for name in expected], fields)
        self.assertIn("one of slow, fast", str(error))

    def test_bounds_are_named(self) -> None:
        """The error names the bound that the value violates."""
        self.assertIn("at least 1", problems(box_port=0)["driver_info/box_port"].allowed)
        self.assertIn("at most 65535", problems(box_port=65536)["driver_info/box_port"].allowed)
        self.assertIn("number", problems(box_port="many")["driver_info/box_port"].allowed)

    def test_wrong_types_are_refused(self) -> None:
        """A list is not a text, a boolean is not a number, and a text is not an object."""
        for name, value in (("box_address", ["a"]), ("box_port", True), ("box_extra", "x"), ("box_wait", {})):
            self.assertEqual([f"driver_info/{name}"], list(problems(**{name: value})), name)

    def test_special_numbers_and_fractions_are_refused(self) -> None:
        """Infinity and NaN are refused, and so is a fraction for an integer option."""
        for name, value in (("box_wait", "nan"), ("box_wait", float("inf")), ("box_port", float("inf")), ("box_port", 1.5)):
            self.assertEqual([f"driver_info/{name}"], list(problems(**{name: value})), f"{name}={value}")

    def test_required_text_must_not_be_empty(self) -> None:
        """A required text option refuses an empty text."""
        self.assertIn("must not be empty", problems(box_address="")["driver_info/box_address"].allowed)

    def test_valid_options_are_checked_in_combination(self) -> None:
        """check() can report problems of combinations, once each option is valid."""
        error = self.assertRaises(InvalidInput, Info.parse, {**GIVEN, "box_mode": "fast", "box_verify": False})
        self.assertEqual("driver_info/box_mode: 'fast' needs verification", str(error))

    def test_undeclared_options_are_ignored(self) -> None:
        """Options of other interfaces in the same driver_info are no problems."""
        self.assertEqual([], Info.problems({**GIVEN, "else_address": 7}))


class TestSecrets(TestCase):
    """Secrets do not appear in texts."""

    def test_secret_is_not_in_the_repr(self) -> None:
        """The repr of typed driver_info contains no secret, so it can be logged."""
        self.assertNotIn("sesame", repr(Info.parse(GIVEN)))

    def test_secret_is_not_in_the_error_about_it(self) -> None:
        """The error about an invalid secret does not contain its value."""
        error = self.assertRaises(InvalidInput, Info.parse, {**GIVEN, "box_password": ["sesame"]})
        self.assertNotIn("sesame", str(error))

    def test_redaction_masks_declared_secrets_only(self) -> None:
        """redact() masks declared secrets; a missing value stays None."""
        self.assertEqual({"box_address": "::1", "box_password": MASK}, redact([Info], GIVEN))
        self.assertEqual({"box_password": None}, redact([Info], {"box_password": None}))


class TestDescription(TestCase):
    """JSON schema and endpoint of driver_info."""

    def test_schema_names_types_bounds_and_secrets(self) -> None:
        """The JSON schema contains types, bounds, choices and secrets of the declared options."""
        found = schema([Info])
        self.assertEqual(["box_address", "box_password"], found["required"])
        port = {"type": "integer", "description": "Port of the BMC.", "minimum": 1, "maximum": 65535}
        self.assertEqual(port, found["properties"]["box_port"])
        self.assertTrue(found["properties"]["box_password"]["writeOnly"])
        self.assertEqual(["slow", "fast"], found["properties"]["box_mode"]["enum"])
        self.assertEqual("object", found["properties"]["box_extra"]["type"])

    def test_endpoint_is_read_from_options_by_suffix(self) -> None:
        """Address, port and account come from the options with these suffixes; the text of an IPv6 address has brackets."""
        self.assertEqual(Endpoint("", "::1", 623, "admin", None), Info.parse(GIVEN).endpoint())
        self.assertEqual("[::1]:623", str(Info.parse(GIVEN).endpoint()))
