"""The support matrix in the documentation is the kit's."""

from __future__ import annotations

from testtools import TestCase

from baremetal_interfaces.conformance import RULES
from baremetal_interfaces.conformance.rules import sentence
from tests.contract.support_matrix import CASES, PAGE, examined


class SupportMatrixTest(TestCase):
    """doc/source/plugin/support.md"""

    def test_every_rule_has_a_row_and_none_is_broken(self) -> None:
        """A rule that comes later needs the page to be made anew."""
        page = PAGE.read_text(encoding="utf-8")
        self.assertEqual([], [rule.__name__ for rule in RULES if f"| {sentence(rule)} |" not in page])
        self.assertNotIn("broken**", page)
        self.assertIn("| Offered | " + " | ".join(CASES) + " |", page)

    def test_column_of_the_fake_plugin_is_what_the_kit_says_today(self) -> None:
        """Offers and verdicts, rule by rule."""
        found = examined("fake")
        rows = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
        written = {row[0]: row[1] for row in rows}
        for kind, names in found["offers"].items():
            self.assertEqual(", ".join([f"`{found['interfaces'][kind]}`", *names]), written[kind])
        signs = {"passed": "yes", "not offered": "no"}
        expected = {rule["rule"]: signs[rule["verdict"]] for rule in found["rules"]}
        self.assertEqual(expected, {name: sign for name, sign in written.items() if name in expected})
