"""The support matrix of the plugins of this repository, in the documentation.

``python -m tests.contract.support_matrix`` runs the whole kit on each and writes the page.
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
"""Column -> the test case that runs the same rules."""

HEAD = """# Support matrix

This page shows which interfaces the plugins of this project offer, and which rules of the contract they pass.
The conformance kit writes this page (`python -m tests.contract.support_matrix`), and the tests of the plugins
run the same rules.

"""


@contextmanager
def _prepared(case: type[HardwareTypeConformance]) -> Iterator[HardwareTypeConformance]:
    """The case as it is for one of its tests."""
    with ExitStack() as stack:
        stack.callback(case.doClassCleanups)
        case.setUpClass()
        one = case(next(name for name in dir(case) if name.startswith("test_")))
        stack.callback(one.doCleanups)
        one.setUp()
        yield one


def examined(name: str) -> dict[str, Any]:
    """What the kit finds of one column."""
    case = CASES[name]
    with _prepared(case) as one:
        subject = one.subject()
        return report(name, subject, run(subject, case.rules))


def main() -> int:
    """Write the page; 1 when a rule is broken."""
    reports = [examined(name) for name in CASES]
    PAGE.write_text(HEAD + as_markdown(*reports), encoding="utf-8")
    verdicts = [(one["hardware_type"], rule["name"], rule["verdict"]) for one in reports for rule in one["rules"]]
    broken = [f"{name}: {rule}" for name, rule, verdict in verdicts if verdict == "failed"]
    print("\n".join(broken) or f"{PAGE} is written")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
