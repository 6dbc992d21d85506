"""Conditions of inspection rules, their replacement fields and their loops."""

from __future__ import annotations

from typing import Any

from testtools import TestCase

from baremetal_interfaces import InvalidInput
from baremetal_sdk.inspection_rules.conditions import conditions_hold
from baremetal_sdk.inspection_rules.interpolation import interpolate

VARIABLES: dict[str, Any] = {
    "node": {"name": "n1", "driver": "redfish", "properties": {"cpus": 8}},
    "inventory": {
        "cpu": {"count": 8, "flags": ["vmx", "aes"]},
        "bmc_address": "192.0.2.7",
        "system_vendor": {"product_name": "R640"},
    },
    "plugin_data": {"seen": True},
}


def holds(op: str, **more: Any) -> bool:
    """Return whether one condition holds. *args* replaces the keyword arguments, for example with a list."""
    loop = {name: more.pop(name) for name in ("loop", "multiple") if name in more}
    args = more.pop("args", None)
    return conditions_hold([{"op": op, "args": more if args is None else args, **loop}], VARIABLES)


class TestOperators(TestCase):
    def test_operators(self) -> None:
        """Each operator has the expected result. An exclamation mark inverts it."""
        table: list[tuple[str, dict[str, Any], bool]] = [
            ("eq", {"values": [1, 1, 1]}, True), ("eq", {"values": [1, 2]}, False), ("eq", {"values": ["1", 1]}, False),
            ("eq", {"values": ["1", 1], "force_strings": True}, True), ("eq", {"values": [5]}, True),
            ("lt", {"values": [1, 2, 3]}, True), ("lt", {"values": [1, 1]}, False),
            ("gt", {"values": [3, 2]}, True), ("gt", {"values": [2, 3]}, False),
            ("is-empty", {"value": ""}, True), ("is-empty", {"value": []}, True), ("is-empty", {"value": {}}, True),
            ("is-empty", {"value": None}, True), ("is-empty", {"value": 0}, False), ("is-empty", {"value": "x"}, False),
            ("is-none", {"value": None}, True), ("is-none", {"value": 0}, False),
            ("is-true", {"value": True}, True), ("is-true", {"value": "Yes"}, True), ("is-true", {"value": 2}, True),
            ("is-true", {"value": "on"}, False), ("is-true", {"value": None}, False), ("is-true", {"value": []}, False),
            ("is-false", {"value": False}, True), ("is-false", {"value": "NO"}, True), ("is-false", {"value": 0}, True),
            ("is-false", {"value": None}, True), ("is-false", {"value": "x"}, False), ("is-false", {"value": []}, False),
            ("in-net", {"address": "192.0.2.7", "subnet": "192.0.2.0/24"}, True),
            ("in-net", {"address": "2001:db8::1", "subnet": "2001:db8::/32"}, True),
            ("in-net", {"address": "198.51.100.1", "subnet": "192.0.2.0/24"}, False),
            ("matches", {"value": "abc", "regex": "a.c"}, True), ("matches", {"value": "abcd", "regex": "a.c"}, False),
            ("contains", {"value": "xabcx", "regex": "(?i)ABC"}, True), ("contains", {"value": "x", "regex": "y"}, False),
            ("one-of", {"value": 2, "values": [1, 2]}, True), ("one-of", {"value": "2", "values": [1, 2]}, False),
        ]  # fmt: skip
        for op, arguments, expected in table:
            self.assertIs(expected, holds(op, **arguments), (op, arguments))
            self.assertIs(not expected, holds(f"!{op}", **arguments), (op, arguments))
            self.assertIs(not expected, holds(f"! {op}", **arguments), (op, arguments))

    def test_arguments_can_be_a_list(self) -> None:
        """Arguments may be a list, as in rules of older Ironic releases."""
        self.assertTrue(holds("eq", args=["{node.driver}", "redfish"]))
        self.assertTrue(holds("eq", args=[["{node.driver}", "redfish"]]))
        self.assertTrue(holds("in-net", args=["{inventory[bmc_address]}", "192.0.2.0/24"]))

    def test_a_wrong_value_is_an_error(self) -> None:
        """A condition that cannot be evaluated is an error, not false."""
        for op, arguments in (("lt", {"values": [1, "x"]}), ("in-net", {"address": "x", "subnet": "192.0.2.0/24"})):
            self.assertIn(op, str(self.assertRaises(InvalidInput, holds, op, **arguments)))

    def test_all_conditions_have_to_hold(self) -> None:
        """All conditions must hold. A rule without conditions always runs."""
        yes, no = {"op": "is-true", "args": {"value": True}}, {"op": "is-true", "args": {"value": False}}
        for conditions, expected in (([], True), ([yes, yes], True), ([yes, no], False)):
            self.assertIs(expected, conditions_hold(conditions, VARIABLES))

    def test_loops_are_combined(self) -> None:
        """The results for the items are combined with any, all, first or last."""
        values = ["{inventory[cpu][count]}", "{item}"]
        for multiple, loop, expected in (
            ("any", [4, 8], True), ("any", [4, 5], False), ("all", [8, 8], True), ("all", [8, 4], False),
            ("first", [4, 8], True), ("first", [4, 5], False), ("last", [8, 4], False), ("last", [4, 8], True),
        ):  # fmt: skip
            self.assertIs(expected, holds("eq", values=values, loop=loop, multiple=multiple), (multiple, loop))
        self.assertTrue(holds("eq", values=["{item[a]}", "x"], loop={"a": "x"}))


class TestInterpolation(TestCase):
    def test_fields_are_filled_in_at_any_depth(self) -> None:
        """Fields of the node are read by name, and other variables by index. Numbers become text."""
        for text, expected in (
            ("https://{inventory[bmc_address]}/x", "https://192.0.2.7/x"), ("{node.name}", "n1"),
            ("{node.properties[cpus]}", "8"),
            ("{inventory[cpu][flags][1]}", "aes"), ("{inventory[cpu][count]:04}", "0008"), ("{{x}}", "{x}"), ("x", "x"),
        ):  # fmt: skip
            self.assertEqual(expected, interpolate(text, VARIABLES))
        nested = {"a": ["{node.name}", {"b": "{node.driver}"}], "n": 1}
        self.assertEqual({"a": ["n1", {"b": "redfish"}], "n": 1}, interpolate(nested, VARIABLES))

    def test_unknown_fields_stay_unchanged(self) -> None:
        """A text with an unknown field stays unchanged, so that the mistake is visible."""
        for text in ("{node.nope}", "{inventory[nope]}", "{bogus}", "{", "{}", "{0}", "{inventory[cpu][flags][9]}", "{item}"):
            self.assertEqual(text, interpolate(text, VARIABLES))

    def test_fields_cannot_reach_python_objects(self) -> None:
        """Attributes of objects, indexes of the node, and huge widths are rejected."""
        for text in (
            "{node.__class__}", "{inventory.__class__}", "{node[name]}", "{inventory.cpu}", "{node.name.__class__}",
            "{inventory[cpu].__init__}", "{node.name:>999999999}", "{node.name!a}", "{node.name:{inventory[cpu][count]}}",
        ):  # fmt: skip
            self.assertEqual(text, interpolate(text, VARIABLES))
