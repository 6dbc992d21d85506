"""The checks of the results of inspections by drivers."""

from __future__ import annotations

from typing import Any

import testtools

from baremetal_interfaces import InspectedPort, Inspection, UnexpectedAnswer
from baremetal_sdk.provisioning.inspection_limits import MAX_PORTS, check_inspection


class TestDriverInspection(testtools.TestCase):
    def test_wrong_value_is_refused_with_its_place(self) -> None:
        """A number that cannot be right or cannot be stored fails the inspection."""
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"properties": {"cpus": 10**30}}, "properties/cpus"),
            ({"properties": {"cpus": 1e308}}, "properties/cpus"),
            ({"properties": {"memory_mb": -1}}, "properties/memory_mb"),
            ({"properties": {"local_gb": "20"}}, "properties/local_gb"),
            ({"properties": {"cpu_arch": {"x": 1}}}, "properties/cpu_arch"),
            ({"properties": {"vendor": [10**30]}}, "properties/vendor/0"),
            ({"inventory": {"memory": {"physical_mb": 10**30}}}, "inventory/memory/physical_mb"),
            ({"ports": tuple(InspectedPort(f"52:54:00:00:{n >> 8:02x}:{n & 255:02x}") for n in range(MAX_PORTS + 1))}, "ports"),
        ]
        for values, place in wrong:
            error = self.assertRaises(UnexpectedAnswer, check_inspection, Inspection(**values))
            self.assertIn(f"{place}: ", str(error))

    def test_texts_are_repaired(self) -> None:
        """NUL and halves of surrogate pairs become visible; all other values stay."""
        found = Inspection(
            {"cpus": 2, "serial": "a\0"}, (), {"system_vendor": {"serial_number": "a\ud800", "n": [1.5, None, True]}}
        )
        checked = check_inspection(found)
        self.assertEqual({"cpus": 2, "serial": "a\\x00"}, checked.properties)
        self.assertEqual({"system_vendor": {"serial_number": "a\\ud800", "n": [1.5, None, True]}}, checked.inventory)
