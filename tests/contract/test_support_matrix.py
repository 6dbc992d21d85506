"""The support matrix in the documentation."""

from __future__ import annotations

from testtools import TestCase

from baremetal_interfaces.conformance import RULES
from baremetal_interfaces.conformance.rules import sentence
from tests.contract.support_matrix import CASES, PAGE, examine


class SupportMatrixTest(TestCase):
    """doc/source/plugin/support.md"""

    def test_every_rule_has_a_row_and_none_is_broken(self) -> None:
        """The page has a row for each rule of the kit, and no broken rule."""
        page = PAGE.read_text(encoding="utf-8")
        self.assertEqual([], [rule.__name__ for rule in RULES if f"| {sentence(rule)} |" not in page])
        self.assertNotIn("broken**", page)
        self.assertIn("| Offered | " + " | ".join(CASES) + " |", page)

    def test_column_of_the_fake_plugin_is_current(self) -> None:
        """Offers and verdicts of the fake plugin on the page are those of a run of the kit."""
        found = examine("fake")
        rows = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
        written = {row[0]: row[1] for row in rows}
        for kind, names in found["offers"].items():
            self.assertEqual(", ".join([f"`{found['interfaces'][kind]}`", *names]), written[kind])
        signs = {"passed": "yes", "not offered": "no"}
        expected = {rule["rule"]: signs[rule["verdict"]] for rule in found["rules"]}
        self.assertEqual(expected, {name: sign for name, sign in written.items() if name in expected})
