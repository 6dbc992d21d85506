"""driver_info: declared once, and validation, schema and redaction follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from testtools import TestCase

from baremetal_interfaces import MASK, DriverInfo, Endpoint, InvalidInput, Problem, option
from baremetal_interfaces.options import redact, schema


@dataclass(frozen=True)
class Info(DriverInfo):
    """One option of each sort."""

    box_address: str = option("Address of the BMC.")
    box_port: int = option("Port of the BMC.", default=623, minimum=1, maximum=65535)
    box_username: str = option("Account.", default="admin")
    box_password: str = option("Password.", secret=True)
    box_mode: str = option("Mode.", default="slow", choices=("slow", "fast"))
    box_verify: bool = option("Whether to verify.", default=True)
    box_wait: float | None = option("Seconds to wait.", default=None, minimum=0)
    box_extra: dict[str, Any] | None = option("Anything.", default=None)  # noqa: RUF009

    def check(self) -> list[Problem]:
        if self.box_mode == "fast" and not self.box_verify:
            return [Problem("driver_info/box_mode", "'fast' needs verification")]
        return []


GIVEN: dict[str, Any] = {"box_address": "::1", "box_password": "sesame"}


def problems(**raw: Any) -> dict[str, Problem]:
    """The problems of GIVEN with these changes, by field."""
    return {problem.field: problem for problem in Info.problems({**GIVEN, **raw})}


class TestParsing(TestCase):
    """From what an operator wrote to typed values."""

    def test_defaults_fill_what_is_not_given(self) -> None:
        """An option that is left out, or null, has its default."""
        info = Info.parse({**GIVEN, "box_port": None})
        self.assertEqual((623, "admin", "slow"), (info.box_port, info.box_username, info.box_mode))
        self.assertEqual((True, None), (info.box_verify, info.box_wait))

    def test_numbers_and_booleans_are_read_from_text(self) -> None:
        """Command-line clients send everything as text."""
        info = Info.parse({**GIVEN, "box_port": "6230", "box_wait": "2.5", "box_verify": "False"})
        self.assertEqual((6230, 2.5, False), (info.box_port, info.box_wait, info.box_verify))

    def test_number_for_a_text_is_taken_as_its_digits(self) -> None:
        """A password that consists of digits arrives as a number."""
        self.assertEqual("1234", Info.parse({**GIVEN, "box_password": 1234}).box_password)

    def test_every_problem_is_said_at_once(self) -> None:
        """One answer names each wrong option and what is allowed."""
        error = self.assertRaises(InvalidInput, Info.parse, {"box_port": 0, "box_mode": "swift", "box_verify": "perhaps"})
        fields = [problem.field for problem in error.problems]
        expected = ["box_address", "box_port", "box_password", "box_mode", "box_verify"]
        self.assertEqual([f"driver_info/{name}" for name in expected], fields)
        self.assertIn("one of slow, fast", str(error))

    def test_bounds_are_named(self) -> None:
        """The error says which bound was crossed."""
        self.assertIn("at least 1", problems(box_port=0)["driver_info/box_port"].allowed)
        self.assertIn("at most 65535", problems(box_port=65536)["driver_info/box_port"].allowed)
        self.assertIn("number", problems(box_port="many")["driver_info/box_port"].allowed)

    def test_wrong_types_are_refused(self) -> None:
        """A list is no text, a truth value is no number, text is no object."""
        for name, value in (("box_address", ["a"]), ("box_port", True), ("box_extra", "x"), ("box_wait", {})):
            self.assertEqual([f"driver_info/{name}"], list(problems(**{name: value})), name)

    def test_what_is_no_number_of_that_type_is_refused(self) -> None:
        """Neither infinity, nor what is not a number, nor a fraction where a whole number is asked for."""
        for name, value in (("box_wait", "nan"), ("box_wait", float("inf")), ("box_port", float("inf")), ("box_port", 1.5)):
            self.assertEqual([f"driver_info/{name}"], list(problems(**{name: value})), f"{name}={value}")

    def test_required_text_must_not_be_empty(self) -> None:
        """An empty address is no address."""
        self.assertIn("must not be empty", problems(box_address="")["driver_info/box_address"].allowed)

    def test_options_are_checked_together_once_each_is_right(self) -> None:
        """What depends on several options is said as a problem, too."""
        error = self.assertRaises(InvalidInput, Info.parse, {**GIVEN, "box_mode": "fast", "box_verify": False})
        self.assertEqual("driver_info/box_mode: 'fast' needs verification", str(error))

    def test_undeclared_options_are_left_to_others(self) -> None:
        """Several interfaces read one driver_info, each its own part."""
        self.assertEqual([], Info.problems({**GIVEN, "else_address": 7}))


class TestSecrets(TestCase):
    """A secret is masked wherever it could be shown."""

    def test_secret_is_not_in_the_repr(self) -> None:
        """Typed information can be logged."""
        self.assertNotIn("sesame", repr(Info.parse(GIVEN)))

    def test_secret_is_not_in_the_error_about_it(self) -> None:
        """A secret of the wrong type is not repeated."""
        error = self.assertRaises(InvalidInput, Info.parse, {**GIVEN, "box_password": ["sesame"]})
        self.assertNotIn("sesame", str(error))

    def test_redaction_masks_declared_secrets_only(self) -> None:
        """What is not given stays not given."""
        self.assertEqual({"box_address": "::1", "box_password": MASK}, redact([Info], GIVEN))
        self.assertEqual({"box_password": None}, redact([Info], {"box_password": None}))


class TestDescription(TestCase):
    """What clients and documents are told about the options."""

    def test_schema_names_types_bounds_and_secrets(self) -> None:
        """The JSON schema is made from the declaration."""
        found = schema([Info])
        self.assertEqual(["box_address", "box_password"], found["required"])
        port = {"type": "integer", "description": "Port of the BMC.", "minimum": 1, "maximum": 65535}
        self.assertEqual(port, found["properties"]["box_port"])
        self.assertTrue(found["properties"]["box_password"]["writeOnly"])
        self.assertEqual(["slow", "fast"], found["properties"]["box_mode"]["enum"])
        self.assertEqual("object", found["properties"]["box_extra"]["type"])

    def test_endpoint_is_read_from_the_usual_options(self) -> None:
        """Address, port and account come from the options that end so; IPv6 is bracketed when it is shown."""
        self.assertEqual(Endpoint("", "::1", 623, "admin", None), Info.parse(GIVEN).endpoint())
        self.assertEqual("[::1]:623", str(Info.parse(GIVEN).endpoint()))
