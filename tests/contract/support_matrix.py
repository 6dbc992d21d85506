"""The support matrix of this repository's plugins in the documentation.

``python -m tests.contract.support_matrix`` runs the conformance kit on each plugin and writes the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from baremetal_interfaces.conformance import HardwareTypeConformance, run
from baremetal_interfaces.conformance.matrix import as_markdown, report
from tests.contract.test_conformance import TestFakeHardware, TestFakeHardwareWithLogin
from tests.plugins.ipmi import test_conformance as ipmi
from tests.plugins.redfish import test_conformance as redfish

PAGE = Path(__file__).parents[2] / "doc" / "source" / "plugin" / "support.md"
CASES: Mapping[str, type[HardwareTypeConformance]] = {
    "fake": TestFakeHardware,
    "fake, by sessions": TestFakeHardwareWithLogin,
    "redfish, test service": redfish.TestServed,
    "redfish, sushy-tools": redfish.TestEmulated,
    "ipmi, test service": ipmi.TestServed,
    "ipmi, ipmi_sim": ipmi.TestConformance,
}
"""Column -> test case that runs the same rules."""

HEAD = """# Support matrix

This page shows which interfaces the plugins of this project offer, and which rules of the contract they pass.
The conformance kit writes this page (`python -m tests.contract.support_matrix`), and the tests of the plugins
run the same rules.

"""


@contextmanager
def _set_up(case: type[HardwareTypeConformance]) -> Iterator[HardwareTypeConformance]:
    """Provide an instance of *case* within a ``with`` block, set up as for a test."""
    with ExitStack() as stack:
        stack.callback(case.doClassCleanups)
        case.setUpClass()
        test = case(next(name for name in dir(case) if name.startswith("test_")))
        stack.callback(test.doCleanups)
        test.setUp()
        yield test


def examine(name: str) -> dict[str, Any]:
    """Run the kit for the column *name* and return its report."""
    case = CASES[name]
    with _set_up(case) as test:
        subject = test.subject()
        return report(name, subject, run(subject, case.rules))


def main() -> int:
    """Write the page. Return 1 if a rule is broken."""
    reports = [examine(name) for name in CASES]
    PAGE.write_text(HEAD + as_markdown(*reports), encoding="utf-8")
    verdicts = [(found["hardware_type"], rule["name"], rule["verdict"]) for found in reports for rule in found["rules"]]
    broken = [f"{name}: {rule}" for name, rule, verdict in verdicts if verdict == "failed"]
    print("\n".join(broken) or f"wrote {PAGE}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
