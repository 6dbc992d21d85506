"""``python -m baremetal_interfaces.conformance HARDWARE_TYPE --driver-info FILE``: examine an installed plugin."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from baremetal_interfaces.conformance.outcome import Verdict
from baremetal_interfaces.conformance.rules import run
from baremetal_interfaces.conformance.subject import Subject
from baremetal_interfaces.errors import BareMetalError


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each rule; 0 when none is broken, 1 when one is, 2 when the plugin cannot be examined."""
    parser = argparse.ArgumentParser(
        prog="python -m baremetal_interfaces.conformance",
        description="Tell whether a driver plugin keeps the contract. Power and boot device change, and are put back at the end.",
    )
    parser.add_argument("hardware_type", help="name of an installed hardware type")
    parser.add_argument("--driver-info", required=True, type=Path, help="a JSON file: the driver_info that reaches the machine")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds that a change of power may take (default: 120)")
    given = parser.parse_args(arguments)
    try:
        subject = Subject.of_installed(given.hardware_type, _driver_info(given.driver_info), timeout=given.timeout)
    except (BareMetalError, ImportError, OSError, ValueError) as exc:
        print(f"{given.hardware_type} cannot be examined: {exc}", file=sys.stderr)
        return 2
    return _report(subject)


def _report(subject: Subject) -> int:
    broken = 0
    for result in run(subject):
        print(f"{result.verdict:12}{result.name}", flush=True)
        print(f"{'':12}{result.rule if result.verdict is Verdict.PASSED else result.detail}", flush=True)
        broken += result.verdict is Verdict.FAILED
    print(f"\n{broken} of the rules are broken" if broken else "\nno rule is broken")
    return 1 if broken else 0


def _driver_info(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as exc:
        raise ValueError(f"{path} is not JSON: {exc}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} has to hold a JSON object, not {type(found).__name__}")
    return found


if __name__ == "__main__":
    sys.exit(main())
